import { statfs } from 'node:fs/promises'
import type { ProviderHealth } from '../../../protocol/discovery.ts'
import { within } from '../../kernel/base/racing.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { EventLoopDelay } from '../../kernel/telemetry/event-loop-delay.ts'
import type { NodeParts } from '../parts.ts'

export type Component = ProviderHealth['components'][number]
type Verdict = Omit<Component, 'name'>

/** Milliseconds that a probe may take. */
const PROBE_MS = 2000
/** Milliseconds between two writes that probe the store. */
const WRITE_INTERVAL_MS = 10_000
/** Free space that is too little for a node to go on for long: in bytes, and in percent of the disk. */
const LOW_BYTES = 1024 ** 3
const LOW_PERCENT = 5
/** Milliseconds from which on peers take a node for slow and ask the next. */
const LATE_MS = 250
/** Samples of the event loop's delay, of about 10 s: below that, starting is most of what they show. */
const LEAST_SAMPLES = 500

const probes = jsonKeyspace<number>(KEYSPACES.meta)
const PROBE = 'health_probe'

const healthy = (message: string): Verdict => ({ status: 'healthy', message })
const degraded = (message: string): Verdict => ({ status: 'degraded', message })
const offline = (message: string): Verdict => ({ status: 'offline', message })

/** Work that is waited for `PROBE_MS` and never started twice: what hangs must not pile up. */
class Bounded<Result> {
  #running: Promise<Result> | undefined

  /** Undefined when it takes longer. */
  run(work: () => Promise<Result>): Promise<Result | undefined> {
    this.#running ??= work().finally(() => {
      this.#running = undefined
    })
    return within<Result | undefined>(this.#running, PROBE_MS, () => undefined)
  }
}

/** Whether the store can be read, and every `WRITE_INTERVAL_MS` whether a write reaches the disk. */
export class StoreProbe {
  readonly #parts: Pick<NodeParts, 'store' | 'clock'>
  readonly #write = new Bounded<number>()
  /** Unix milliseconds of the newest write that is on disk. */
  #written = Number.NEGATIVE_INFINITY

  constructor(parts: Pick<NodeParts, 'store' | 'clock'>) {
    this.#parts = parts
  }

  async check(): Promise<Verdict> {
    const { store, clock } = this.#parts
    const now = clock.now()
    if (Math.abs(now - this.#written) >= WRITE_INTERVAL_MS) {
      const written = await this.#write.run(async () => {
        await store.transact((tx) => tx.put(probes, PROBE, now))
        return now
      })
      if (written === undefined) return degraded(`a write has not reached the disk within ${PROBE_MS / 1000} s`)
      this.#written = written
    }
    const kept = store.get(probes, PROBE)
    return kept === this.#written ? healthy('reads and writes') : offline('does not return what was written')
  }
}

/** What a file system says of itself, in blocks. */
export type FileSystemState = (path: string) => Promise<{ bsize: number; blocks: number; bavail: number }>

/** How much space is left where the data directory is. */
export class DiskProbe {
  readonly #directory: string
  readonly #stateOf: FileSystemState
  readonly #question = new Bounded<Awaited<ReturnType<FileSystemState>>>()

  constructor(directory: string, stateOf: FileSystemState = statfs) {
    this.#directory = directory
    this.#stateOf = stateOf
  }

  async check(): Promise<Verdict> {
    const state = await this.#question.run(() => this.#stateOf(this.#directory))
    if (state === undefined) return degraded(`the file system has not answered within ${PROBE_MS / 1000} s`)
    const { bsize, blocks, bavail } = state
    const percent = blocks === 0 ? 0 : (bavail / blocks) * 100
    const message = `${((bavail * bsize) / 1024 ** 3).toFixed(1)} GiB (${percent.toFixed(1)} %) free`
    return bavail * bsize < LOW_BYTES || percent < LOW_PERCENT ? degraded(message) : healthy(message)
  }
}

/** Whether peers can come, and whether the seeds can be reached. */
export function checkNetwork({
  network,
}: {
  readonly network: Pick<NodeParts['network'], 'addresses' | 'connectedPeers' | 'seeds'>
}): Verdict {
  const seeds = network.seeds()
  const reached = seeds.filter(({ connected }) => connected).length
  const peers = network.connectedPeers().length
  const message = `${peers} ${peers === 1 ? 'peer' : 'peers'}, ${reached} of ${seeds.length} seeds connected`
  if (network.addresses.length === 0) return offline('does not listen')
  return seeds.length > 0 && reached === 0 ? degraded(message) : healthy(message)
}

/** Whether the end of the node's log is there. */
export function checkLog({ log }: { readonly log: Pick<NodeParts['log'], 'size' | 'leaf'> }): Verdict {
  const { size } = log
  if (size > 0 && log.leaf(size - 1) === undefined) return offline(`leaf ${size - 1} is missing`)
  return healthy(`${size} ${size === 1 ? 'leaf' : 'leaves'}`)
}

/** Whether the event loop keeps up. */
export function checkEventLoop(delay: Pick<EventLoopDelay, 'read'>): Verdict {
  const { p99Ms, samples } = delay.read()
  const message = `99 % of the delays are below ${Math.max(1, Math.ceil(p99Ms))} ms`
  return samples >= LEAST_SAMPLES && p99Ms >= LATE_MS ? degraded(message) : healthy(message)
}
