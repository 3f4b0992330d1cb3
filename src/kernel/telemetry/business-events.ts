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
  const banned = count('cytoplex_peers_banned_total', 'Peers that were banned')
  events.on('peer_banned', () => banned.add())
  const unbanned = count('cytoplex_peers_unbanned_total', 'Bans that were lifted, or are over')
  events.on('peer_unbanned', () => unbanned.add())

  const readdressed = count('cytoplex_addresses_changed_total', 'Changes of the addresses where peers reach this node')
  events.on('addresses_changed', () => readdressed.add())

  const received = count('cytoplex_announcements_received_total', 'Announcement pages that were taken')
  events.on('announcement_received', () => received.add())
  const refused = tally(metrics, 'cytoplex_announcements_refused_total', 'Announcement pages refused', ['reason'])
  events.on('announcement_refused', (event) => refused.add(event.reason))

  const equivocations = count(
    'cytoplex_log_equivocations_total',
    'Nodes found to have signed two histories of their log',
  )
  events.on('equivocation_found', () => equivocations.add())
  const cosigned = count('cytoplex_log_cosignatures_total', "Witnesses' cosignatures of the node's own log")
  events.on('checkpoint_cosigned', () => cosigned.add())
  const standings = tally(
    metrics,
    'cytoplex_log_standings_total',
    'Logs suspended for want of a proof, and cleared again',
    ['standing'],
  )
  events.on('log_standing', (event) => standings.add(event.standing))
  const committed = tally(metrics, 'cytoplex_log_commits_total', 'Roots of own logs that were committed', ['anchor'])
  events.on('tau_commit', ({ anchor }) => committed.add(anchor))
  const epochs = count('cytoplex_log_epochs_total', 'Epochs of the own log that were opened after its store went back')
  events.on('log_epoch_opened', () => epochs.add())
  const reconciled = tally(metrics, 'cytoplex_sync_reconciliations_total', 'Sets that were reconciled with a peer', [
    'set',
    'complete',
  ])
  const fetched = tally(metrics, 'cytoplex_sync_records_total', 'Records that reconciling moved', ['set', 'outcome'])
  const ranges = count('cytoplex_sync_range_bytes_total', 'Bytes of the ranges that were compared, in both directions')
  events.on('set_reconciled', ({ set, complete, accepted, ignored, given, characters }) => {
    // A label has few values: the sets of all goals are one.
    const label = set.startsWith('goal/') ? 'goal' : set
    reconciled.add(label, String(complete))
    fetched.addTo(accepted, label, 'accepted')
    fetched.addTo(ignored, label, 'ignored')
    fetched.addTo(given, label, 'given')
    ranges.addMany(characters)
  })
  const asked = tally(metrics, 'cytoplex_providers_asked_total', 'Questions for cells to other nodes', ['answered'])
  events.on('provider_asked', ({ offered }) => asked.add(String(offered !== undefined)))
  const probed = tally(metrics, 'cytoplex_providers_probed_total', 'Receipts signed about providers', ['ok', 'stage'])
  events.on('provider_probed', ({ ok, stage }) => probed.add(String(ok), stage))

  const added = count('cytoplex_contributions_added_total', 'Contributions to goals that were accepted and logged')
  events.on('contribution_added', () => added.add())
  const boards = count('cytoplex_leaderboard_updates_total', 'Changes of leaderboards of goals')
  events.on('leaderboard_update', () => boards.add())

  const verifications = tally(metrics, 'cytoplex_verifications_total', 'Signed questions that were answered', [
    'status',
  ])
  events.on('verification_complete', ({ status }) => verifications.add(status))
  const batches = tally(metrics, 'cytoplex_batches_total', 'Batches of questions that came to an end', ['cancelled'])
  events.on('batch_complete', ({ cancelled }) => batches.add(String(cancelled)))
  const violations = count('cytoplex_constraint_violations_total', 'Answers that did not comply with constraints')
  events.on('constraint_violation', () => violations.add())

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
  /** That many more of these label values. */
  addTo(count: number, ...values: string[]): void
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
    addTo: (many, ...values) => many > 0 && bump(values.join(SEPARATOR), many),
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
