import type { ProviderHealth } from '../../protocol/discovery.ts'
import type { NodeStatus } from '../../protocol/node-info.ts'
import type { PeerList } from '../../protocol/peers.ts'
import { bytesText } from './cell-transfer.ts'
import { safe } from './output.ts'

/** What a node said at one moment. */
export interface TopSample {
  readonly url: string
  /** Milliseconds of a clock that only moves forward. */
  readonly at: number
  readonly readiness: string
  readonly health: ProviderHealth
  readonly status: NodeStatus
  /** Undefined without the key of the administrator. */
  readonly peers: PeerList | undefined
  /** Name of a metric → the sum of its values, whatever their labels. */
  readonly metrics: ReadonlyMap<string, number>
  /** What happened last, newest last. */
  readonly events: readonly string[]
}

/** How a line is coloured; the text is at most as wide as the terminal without it. */
export type Tone = 'plain' | 'title' | 'good' | 'fair' | 'bad' | 'dim'

export interface FrameLine {
  readonly tone: Tone
  readonly text: string
}

/** Sums of the values of a Prometheus text, by the names of their metrics. */
export function metricSums(text: string): Map<string, number> {
  const sums = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name, value] = /^([a-z_:][a-z0-9_:]*)(?:\{.*\})? (\S+)/i.exec(line) ?? []
    if (name === undefined) continue
    const number = Number(value)
    if (Number.isFinite(number)) sums.set(name, (sums.get(name) ?? 0) + number)
  }
  return sums
}

const TONES: Readonly<Record<string, Tone>> = {
  healthy: 'good',
  degraded: 'fair',
  maintenance: 'fair',
  unhealthy: 'bad',
}

/** The picture of a sample, in lines of at most `width` characters and at most `height` of them. `before` is the sample that rates are since. */
export function topFrame(
  now: TopSample,
  before: TopSample | undefined,
  { width, height }: { readonly width: number; readonly height: number },
): FrameLine[] {
  const { health, status } = now
  const rate = (name: string): number | undefined => {
    const [to, from] = [now.metrics.get(name), before?.metrics.get(name)]
    const seconds = before === undefined ? 0 : (now.at - before.at) / 1000
    return to === undefined || from === undefined || seconds <= 0 ? undefined : Math.max(0, to - from) / seconds
  }
  const perSecond = (value: number | undefined): string => (value === undefined ? '-' : `${shortNumber(value)}/s`)
  const gauges = status.metrics.gauges
  const lines: FrameLine[] = [
    line('title', `cytoplex top  ${now.url}  up ${duration(status.uptime_seconds)}`),
    line(
      TONES[health.status] ?? 'plain',
      `${now.readiness.startsWith('READY') ? health.status : now.readiness}: ${health.message}`,
    ),
    line('plain', ''),
    line(
      'plain',
      columns([
        ['requests', perSecond(rate('cytoplex_http_requests_total') ?? health.metrics.current_request_rate)],
        ['time', milliseconds(health.metrics.average_response_time_ms)],
        [
          'success',
          health.metrics.success_rate_percent === null ? '-' : `${health.metrics.success_rate_percent.toFixed(1)} %`,
        ],
        ['CPU', percent(rate('process_cpu_seconds_total'))],
      ]),
    ),
    line(
      'plain',
      columns([
        ['peers', String(gauges.peer_count)],
        ['sync lag', String(gauges.sync_lag)],
        ['log', String(gauges.log_size)],
        ['memory', bytes(now.metrics.get('process_resident_memory_bytes'))],
      ]),
    ),
    line(
      'plain',
      columns([
        ['registered', String(now.metrics.get('cytoplex_cells_registered_total') ?? 0)],
        ['fetched', String(now.metrics.get('cytoplex_packages_cached_total') ?? 0)],
        ['sessions', String(now.metrics.get('cytoplex_sessions') ?? 0)],
        ['listeners', String(now.metrics.get('cytoplex_events_connections') ?? 0)],
      ]),
    ),
    line('plain', ''),
  ]
  for (const { name, status: state, message } of health.components) {
    if (state !== 'healthy') lines.push(line(TONES[state] ?? 'plain', `${name}: ${state}: ${message}`))
  }
  lines.push(...peerLines(now), ...eventLines(now))
  return lines.slice(0, Math.max(1, height)).map(({ tone, text }) => ({ tone, text: cut(safe(text), width) }))
}

const PEERS = 8
const EVENTS = 8

function peerLines({ peers }: TopSample): FrameLine[] {
  if (peers === undefined) return [line('dim', 'Peers are shown to the administrator.'), line('plain', '')]
  if (peers.peers.length === 0) return [line('dim', 'No peer is connected.'), line('plain', '')]
  const shown = [...peers.peers].sort((a, b) => b.cells - a.cells).slice(0, PEERS)
  const rows = shown.map(({ provider_id: id, direction, peer_score: { score }, cells, connected_ms: ms }) => [
    `…${id.slice(-12)}`,
    direction,
    String(Math.round(score)),
    String(cells),
    duration(ms / 1000),
  ])
  const more = peers.peers.length - shown.length
  return [
    line('title', row(['PEER', 'DIRECTION', 'SCORE', 'CELLS', 'FOR'])),
    ...rows.map((fields) => line('plain', row(fields))),
    ...(more > 0 ? [line('dim', `and ${more} more`)] : []),
    line('plain', ''),
  ]
}

function eventLines({ events }: TopSample): FrameLine[] {
  return events.length === 0
    ? []
    : [line('title', 'LATELY'), ...events.slice(-EVENTS).map((text) => line('plain', text))]
}

const WIDTHS = [15, 10, 6, 8]
const row = (fields: readonly string[]): string => fields.map((text, i) => text.padEnd(WIDTHS[i] ?? 0)).join(' ')
const line = (tone: Tone, text: string): FrameLine => ({ tone, text })

/** Four pairs of a name and a value, in 80 columns. */
const columns = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([name, value]) => `${name.padEnd(10)} ${value.padEnd(8)}`).join(' ')

/** Characters that follow each other as one are not torn apart. */
function cut(text: string, width: number): string {
  const letters = [...text]
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}…`
}

const shortNumber = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1))
const milliseconds = (value: number | null): string => (value === null ? '-' : `${shortNumber(value)} ms`)
const percent = (value: number | undefined): string => (value === undefined ? '-' : `${(value * 100).toFixed(0)} %`)
const bytes = (value: number | undefined): string => (value === undefined ? '-' : bytesText(value))

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`
}
