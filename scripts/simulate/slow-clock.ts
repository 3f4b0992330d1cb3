import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers/promises'

/**
 * Time of this process that passes more slowly than that of the machine (time dilation: Gupta et al., "To Infinity and Beyond", NSDI 2006): timers,
 * deadlines and clocks all agree on it, so that the processor seems to be so much faster. Of what the programs here use, only what Node itself
 * measures, such as a worker's start, is not slowed down.
 */

const real = {
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  pause: timers.setTimeout,
  now: performance.now.bind(performance),
  date: Date.now.bind(Date),
  deadline: AbortSignal.timeout.bind(AbortSignal),
}

let factor = 1
/** A moment of both times, from which on the factor holds. */
let since = { real: real.now(), slow: real.now() }
const epoch = real.date() - real.now()

const now = (): number => since.slow + (real.now() - since.real) / factor
const dateNow = (): number => Math.floor(epoch + now())

/** From now on, `times` seconds of the machine are one second here. Timers that were set before keep their time. */
export function slowDown(times: number): void {
  since = { real: real.now(), slow: now() }
  factor = times
}

class SlowDate extends Date {
  constructor(...time: unknown[]) {
    super(...((time.length === 0 ? [dateNow()] : time) as [number]))
  }
  static override now = dateNow
}

/** Milliseconds that a timer can wait: for more it would not wait at all. */
const LONGEST = 2 ** 31 - 1
const longer = (ms: number | undefined): number => Math.min(LONGEST, (ms ?? 0) * factor)
Object.assign(globalThis, {
  Date: SlowDate,
  setTimeout: Object.assign(
    (run: () => void, ms?: number, ...rest: []) => real.setTimeout(run, longer(ms), ...rest),
    real.setTimeout,
  ),
  setInterval: (run: () => void, ms?: number, ...rest: []) => real.setInterval(run, longer(ms), ...rest),
})
Object.defineProperty(performance, 'now', { value: now })
Object.defineProperty(AbortSignal, 'timeout', { value: (ms: number) => real.deadline(Math.ceil(longer(ms))) })
timers.setTimeout = ((ms, value, options) => real.pause(longer(ms), value, options)) as typeof timers.setTimeout
syncBuiltinESMExports()
