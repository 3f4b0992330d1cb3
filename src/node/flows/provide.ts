import type { Manifest } from '../../../protocol/manifest.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { NodeParts } from '../parts.ts'

type Parts = Pick<NodeParts, 'index' | 'network' | 'events' | 'logger'>

/** Milliseconds for telling the DHT one name. */
const PROVIDE_MS = 30_000
/** Milliseconds in which newly met peers are collected before the DHT is told again. */
const COLLECT_MS = 500
/** Milliseconds after which the DHT is told again when it had nobody to tell. */
const RETRY_MS = 1000
/** Peers from which on the DHT is told once: with fewer, each new one may be among the closest to any name. */
const SETTLED_PEERS = 20
/** Names after which a pass slows down, and by how many milliseconds a name. */
const FAST_NAMES = 200
const PACE_MS = 100

/** Tells the DHT under which names this node can be found: new names at once, and all names when the node meets peers. */
export class DhtProvider implements Part {
  readonly name = 'DHT provider'
  readonly #parts: Parts
  /** Names that are new. */
  readonly #queue = new Set<string>()
  readonly #stopped = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #passWanted = false
  #work: Promise<void> | undefined
  #unsubscribe: (() => void) | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  start(): void {
    this.#unsubscribe = this.#parts.events.on('peer_connected', () => {
      if (this.#parts.network.connectedPeers().length <= SETTLED_PEERS) this.#passIn(COLLECT_MS)
    })
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    clearTimeout(this.#timer)
    this.#stopped.abort(new Error('the node is stopping'))
    await this.#work
  }

  /** A cell came: its names lead here. */
  add(manifest: Manifest): void {
    for (const [by, name] of lookupsOf(manifest)) this.#queue.add(`${by}/${name}`)
    this.#wake()
  }

  /** A cell went: names under which nothing is left do not lead here any more. */
  remove(manifest: Manifest): void {
    for (const [by, name] of lookupsOf(manifest)) {
      if (this.#parts.index.candidates(by, name).length > 0) continue
      this.#queue.delete(`${by}/${name}`)
      this.#parts.network.unprovide(`${by}/${name}`).catch((error: unknown) => {
        this.#parts.logger.debug({ name, reason: errorMessage(error) }, 'the DHT record was not withdrawn')
      })
    }
  }

  /** Tells all names again after `ms` milliseconds. */
  #passIn(ms: number): void {
    if (this.#stopped.signal.aborted) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#passWanted = true
      this.#wake()
    }, ms)
  }

  #wake(): void {
    this.#work ??= this.#run()
      .catch((error: unknown) => {
        this.#parts.logger.error({ err: error }, 'telling the DHT failed')
        this.#passIn(RETRY_MS)
      })
      .finally(() => {
        this.#work = undefined
        if (this.#queue.size > 0 && !this.#stopped.signal.aborted) this.#wake()
      })
  }

  async #run(): Promise<void> {
    await this.#tellNew()
    while (this.#passWanted && !this.#stopped.signal.aborted) {
      this.#passWanted = false
      let count = 0
      for await (const name of this.#parts.index.names()) {
        if (this.#stopped.signal.aborted) return
        if (!(await this.#provide(name))) {
          this.#passIn(RETRY_MS)
          break
        }
        // A long pass keeps no new name waiting.
        await this.#tellNew()
        if (++count > FAST_NAMES) await new Promise((resolve) => setTimeout(resolve, PACE_MS))
      }
    }
  }

  async #tellNew(): Promise<void> {
    for (const name of this.#queue) {
      if (this.#stopped.signal.aborted) return
      this.#queue.delete(name)
      if (!(await this.#provide(name))) this.#passIn(RETRY_MS)
    }
  }

  /** False when the DHT had nobody to tell although this node has peers: it has only just met them. */
  async #provide(name: string): Promise<boolean> {
    if (this.#stopped.signal.aborted || this.#parts.network.connectedPeers().length === 0) return true
    const controller = new AbortController()
    const abort = (): void => controller.abort(this.#stopped.signal.reason)
    const timer = setTimeout(() => controller.abort(new Error('the DHT took too long')), PROVIDE_MS)
    this.#stopped.signal.addEventListener('abort', abort, { once: true })
    try {
      return (await this.#parts.network.provide(name, controller.signal)) > 0
    } catch (error) {
      this.#parts.logger.debug({ name, reason: errorMessage(error) }, 'the DHT was not told')
      return true
    } finally {
      clearTimeout(timer)
      this.#stopped.signal.removeEventListener('abort', abort)
    }
  }
}

const lookupsOf = ({ cell_type: cellType, capabilities }: Manifest): ['cell_type' | 'capability', string][] => [
  ['cell_type', cellType],
  ...capabilities.map(({ name }): ['capability', string] => ['capability', name]),
]
