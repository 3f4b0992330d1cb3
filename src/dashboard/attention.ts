import type { ProviderHealth } from '../../protocol/discovery.ts'
import type { NodeInfo, NodeStatus } from '../../protocol/node-info.ts'

/** Something that is not as it should be, and what helps. */
export interface Concern {
  readonly tone: 'fair' | 'bad'
  readonly what: string
  readonly advice: string
}

/** What helps where a component is not well. Components that are not named are left to `cytoplex doctor`, which looks closer. */
const COMPONENT_ADVICE: Readonly<Record<string, string>> = {
  store: 'The log of the node says which write failed. Stop the node before anything else touches its data directory.',
  disk: 'Make room on the disk of the data directory, or lower what copies of others’ cells may take.',
  network: 'Check that the P2P port is open and that the seeds are right: cytoplex peers, cytoplex doctor.',
  log: 'Do not write to the data directory. See Log for evidence, and the log of the node for the reason.',
  event_loop: 'The machine has too little processor time for what it is asked: see Requests below, and its load.',
}
const LOOK_CLOSER = 'cytoplex doctor looks closer and says what to do.'

const CHECK_ADVICE = {
  sync: 'It catches up by itself while peers are connected. If it does not, see Federation for peers that fail.',
  peers: 'Give it seeds that can be reached (p2p.seeds), and check the P2P port: cytoplex doctor.',
  consensus: 'Isolated: no seed answers. Diverged: compare the roots with a peer’s, and see Log for evidence.',
} as const satisfies Record<keyof NodeStatus['checks'], string>

/** Per cent of answers that may fail before it is worth a look. */
const SUCCESS_PERCENT = 99
/** Milliseconds of an average answer from which on a node is slow. */
const SLOW_MS = 500

export interface Vitals {
  readonly health?: ProviderHealth | undefined
  readonly status?: NodeStatus | undefined
  readonly info?: NodeInfo | undefined
  /** The text of `/ready`. */
  readonly ready?: string | undefined
}

/** What needs the operator's attention, the worst first. */
export function concernsOf({ health, status, ready }: Vitals): Concern[] {
  const concerns: Concern[] = []
  for (const { name, status: state, message } of health?.components ?? []) {
    if (state === 'healthy') continue
    const advice = COMPONENT_ADVICE[name] ?? LOOK_CLOSER
    concerns.push({ tone: state === 'offline' ? 'bad' : 'fair', what: `${name}: ${message}`, advice })
  }
  for (const [name, check] of Object.entries(status?.checks ?? {}) as [
    keyof NodeStatus['checks'],
    NodeStatus['checks']['sync'],
  ][]) {
    if (check.status === 'healthy') continue
    concerns.push({
      tone: check.status === 'unhealthy' ? 'bad' : 'fair',
      what: `${name}: ${check.message}`,
      advice: CHECK_ADVICE[name],
    })
  }
  if (ready?.startsWith('NOT READY')) {
    concerns.push({ tone: 'bad', what: ready, advice: 'Load balancers leave it alone until this is mended.' })
  }
  const { success_rate_percent: success = null, average_response_time_ms: average = null } = health?.metrics ?? {}
  if (success !== null && success < SUCCESS_PERCENT) {
    concerns.push({
      tone: 'bad',
      what: `${(100 - success).toFixed(1)} % of the answers of the last five minutes were errors of the node`,
      advice: 'The log of the node names each: look for level error.',
    })
  }
  if (average !== null && average > SLOW_MS) {
    concerns.push({
      tone: 'fair',
      what: `answers take ${Math.round(average)} ms on average`,
      advice: 'Look at the load of the machine, and at cytoplex_event_loop_delay in /metrics.',
    })
  }
  for (const time of health?.scheduled_maintenance ?? []) {
    concerns.push({
      tone: 'fair',
      what: `maintenance from ${time.start_time} to ${time.end_time}: ${time.description}`,
      advice: 'Planned by the operator of this node.',
    })
  }
  return concerns.sort((a, b) => Number(b.tone === 'bad') - Number(a.tone === 'bad'))
}
