/** Numbers with their units, as people read them. */

const MINUS = '−'

/** A number with at most `digits` behind the point, in groups of three; a dash for what nobody measured. */
export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  return value.toLocaleString('en', { maximumFractionDigits: digits }).replace('-', MINUS)
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Bytes in binary units, with three digits. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  let size = value
  let unit = 0
  while (size >= 1024 && unit < BYTE_UNITS.length - 1) {
    size /= 1024
    unit++
  }
  return `${number(size, unit === 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2)} ${BYTE_UNITS[unit]}`
}

/** Milliseconds in the unit that fits: microseconds, milliseconds, seconds. */
export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  if (value < 0.1) return `${number(value * 1000)} µs`
  if (value < 1000) return `${number(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ms`
  return value < 60_000 ? `${number(value / 1000, 1)} s` : duration(value / 1000)
}

/** Seconds as their two largest units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const parts: readonly [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ]
  const first = parts.findIndex(([count]) => count > 0)
  if (first < 0) return '0 s'
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

/** How long ago a time is, in words; the text itself where it is no time. */
export function age(time: string | number, now: number = Date.now()): string {
  const at = typeof time === 'number' ? time : Date.parse(time)
  if (Number.isNaN(at)) return String(time)
  const seconds = (now - at) / 1000
  if (seconds < -1) return `in ${duration(-seconds)}`
  return seconds < 1 ? 'just now' : `${duration(seconds)} ago`
}

/** The ends of a long id: enough to tell two apart at a glance, never enough to rely on. */
export const shortId = (id: string, ends = 6): string =>
  id.length <= 2 * ends + 1 ? id : `${id.slice(0, ends)}…${id.slice(-ends)}`

/** `1 cell`, `2 cells`. */
export const count = (value: number, one: string, many = `${one}s`): string =>
  `${number(value)} ${value === 1 ? one : many}`
