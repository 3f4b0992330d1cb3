import type { EventMap, Events } from './events.ts'
import type { Metrics } from './metrics.ts'

/**
 * Counts what happens on the bus. The only place where the counters of events live, so that an event is one `emit` for whoever causes
 * it. Events add to plain numbers, which reach the registry when it is scraped: an answer costs nanoseconds.
 */
export function countEvents(events: Events, metrics: Metrics): void {
  const count = (name: `cytoplex_${string}`, help: string): Tally<never> => tally(metrics, name, help, [])

  const registered = tally(metrics, 'cytoplex_cells_registered_total', 'Cells registered, by who signed', ['signed_by'])
  events.on('cell_registered', (event) => registered.add(event.signedBy))
  const deleted = count('cytoplex_cells_deleted_total', 'Cells deleted')
  events.on('cell_deleted', () => deleted.add())

  const yanked = tally(metrics, 'cytoplex_cells_yanked_total', 'Yanks of cells, and their undoing', ['yanked', 'by'])
  events.on('cell_yanked', (event) => yanked.add(String(event.yanked), event.by))

  const cached = count('cytoplex_packages_cached_total', 'Packages of other nodes that were fetched and kept')
  const cachedBytes = count('cytoplex_packages_cached_bytes_total', 'Bytes of those packages')
  events.on('cell_cached', (event) => {
    cached.add()
    cachedBytes.addMany(event.bytes)
  })
  const evicted = count('cytoplex_packages_evicted_total', 'Packages of other nodes that were removed to make room')
  const evictedBytes = count('cytoplex_packages_evicted_bytes_total', 'Bytes of those packages')
  events.on('cell_evicted', (event) => {
    evicted.add()
    evictedBytes.addMany(event.bytes)
  })

  const connected = tally(metrics, 'cytoplex_peers_connected_total', 'Peers that connected', ['direction'])
  events.on('peer_connected', (event) => connected.add(event.direction))
  const disconnected = count('cytoplex_peers_disconnected_total', 'Peers whose last connection closed')
  events.on('peer_disconnected', () => disconnected.add())

  const readdressed = count('cytoplex_addresses_changed_total', 'Changes of the addresses where peers reach this node')
  events.on('addresses_changed', () => readdressed.add())

  const received = count('cytoplex_announcements_received_total', 'Announcement pages that were taken')
  events.on('announcement_received', () => received.add())
  const refused = tally(metrics, 'cytoplex_announcements_refused_total', 'Announcement pages refused', ['reason'])
  events.on('announcement_refused', (event) => refused.add(event.reason))

  const answered = tally(metrics, 'cytoplex_requests_answered_total', 'Requests for cells, by how they ended', [
    'door',
    'outcome',
    'source',
  ])
  events.on('request_answered', ({ door, outcome, source }: EventMap['request_answered']) =>
    answered.add(door, outcome, source),
  )
}

interface Tally<Label extends string> {
  readonly labels: readonly Label[]
  /** One more of these label values, in the order of the labels. */
  add(...values: string[]): void
  /** That many more; for tallies without labels. */
  addMany(count: number): void
}

const SEPARATOR = '\n'

function tally<Label extends string>(
  metrics: Metrics,
  name: `cytoplex_${string}`,
  help: string,
  labels: readonly Label[],
): Tally<Label> {
  const sums = new Map<string, number>(labels.length === 0 ? [['', 0]] : [])
  const bump = (key: string, count: number): void => {
    sums.set(key, (sums.get(key) ?? 0) + count)
  }
  const counter = metrics.counter<Label>({
    name,
    help,
    labels,
    collect() {
      counter.reset()
      for (const [key, sum] of sums) counter.inc(labelsOf(labels, key.split(SEPARATOR)), sum)
    },
  })
  return {
    labels,
    add: (...values) => bump(values.join(SEPARATOR), 1),
    addMany: (many) => bump('', many),
  }
}

function labelsOf<Label extends string>(
  labels: readonly Label[],
  values: readonly string[],
): Partial<Record<Label, string>> {
  const record: Partial<Record<Label, string>> = {}
  labels.forEach((label, i) => {
    record[label] = values[i] ?? ''
  })
  return record
}
