import type { Manifest } from '../../../protocol/manifest.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { PROVIDER_VALIDITY_MS } from '../../network/network.ts'
import type { NodeParts } from '../parts.ts'

type Parts = Pick<NodeParts, 'index' | 'network' | 'events' | 'logger'>

/** Names that the DHT is told at a time, and milliseconds for them. */
const NAMES_AT_ONCE = 20_000
const PROVIDE_MS = 600_000
/** Milliseconds in which newly met peers are collected before the DHT is told again: at least so many, and so many times what the last pass took. */
const COLLECT_MS = 500
const COLLECT_PASSES = 4
/** Milliseconds after which the DHT is told again when it had nobody to tell; each further time doubles them, up to the second number. */
const RETRY_MS = 1000
const MAX_RETRY_MS = 60_000
/** Peers from which on the DHT is told once: with fewer, each new one may be among the closest to any name. */
const SETTLED_PEERS = 20

/** Tells the DHT under which names this node can be found: new names at once, and all names when the node meets peers and before they expire. */
export class DhtProvider implements Part {
  readonly name = 'DHT provider'
  readonly #parts: Parts
  /** Names that are new. */
  readonly #queue = new Set<string>()
  readonly #stopped = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #repeat: NodeJS.Timeout | undefined
  #telling: Promise<void> | undefined
  #passing: Promise<void> | undefined
  #passWanted = false
  /** Milliseconds of the last pass. */
  #passMs = 0
  /** How often in a row there was nobody to tell. */
  #failures = 0
  #unsubscribe: (() => void) | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  start(): void {
    if (this.#parts.network.connectedPeers().length > 0) this.#passIn(COLLECT_MS)
    this.#unsubscribe = this.#parts.events.on('peer_connected', () => {
      if (this.#parts.network.connectedPeers().length > SETTLED_PEERS) return
      this.#passIn(Math.max(COLLECT_MS, COLLECT_PASSES * this.#passMs))
    })
    this.#repeat = setInterval(() => this.#passIn(0), PROVIDER_VALIDITY_MS / 3)
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    clearTimeout(this.#timer)
    clearInterval(this.#repeat)
    this.#stopped.abort(new Error('the node is stopping'))
    await Promise.all([this.#telling, this.#passing])
  }

  /** A cell came: its names lead here. */
  add(manifest: Manifest): void {
    for (const [by, name] of lookupsOf(manifest)) this.#queue.add(`${by}/${name}`)
    this.#tellNew()
  }

  /** A cell went: names under which nothing is left do not lead here any more. */
  remove(manifest: Manifest): void {
    for (const [by, name] of lookupsOf(manifest)) {
      if (this.#parts.index.candidates(by, name).length > 0) continue
      this.#queue.delete(`${by}/${name}`)
      this.#parts.network.unprovide(`${by}/${name}`)
    }
  }

  #tellNew(): void {
    if (this.#stopped.signal.aborted || this.#queue.size === 0) return
    this.#telling ??= this.#tellQueue().finally(() => {
      this.#telling = undefined
      this.#tellNew()
    })
  }

  async #tellQueue(): Promise<void> {
    // Names of one turn of the event loop are told together.
    await new Promise((resolve) => setImmediate(resolve))
    const names = [...this.#queue].slice(0, NAMES_AT_ONCE)
    for (const name of names) this.#queue.delete(name)
    await this.#provide(names)
  }

  /** Tells all names again after `ms` milliseconds. */
  #passIn(ms: number): void {
    if (this.#stopped.signal.aborted) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#passWanted = true
      this.#pass()
    }, ms)
  }

  #pass(): void {
    if (!this.#passWanted || this.#stopped.signal.aborted || this.#passing !== undefined) return
    this.#passWanted = false
    this.#passing = this.#tellAll()
      .catch((error: unknown) => {
        this.#parts.logger.error({ err: error }, 'telling the DHT failed')
        this.#retry()
      })
      .finally(() => {
        this.#passing = undefined
        this.#pass()
      })
  }

  async #tellAll(): Promise<void> {
    const since = performance.now()
    let names: string[] = []
    for await (const name of this.#parts.index.names()) {
      if (this.#stopped.signal.aborted) return
      names.push(name)
      if (names.length < NAMES_AT_ONCE) continue
      if (!(await this.#provide(names))) return
      names = []
    }
    if (names.length > 0 && !(await this.#provide(names))) return
    this.#passMs = performance.now() - since
  }

  /** False when the DHT had nobody to tell although this node has peers, or was not told: a pass follows then. */
  async #provide(names: readonly string[]): Promise<boolean> {
    const { network, logger } = this.#parts
    if (this.#stopped.signal.aborted || network.connectedPeers().length === 0) return true
    try {
      const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(PROVIDE_MS)])
      const { told, ...work } = await network.provide(names, signal)
      if (told > 0) {
        this.#failures = 0
        logger.debug({ names: names.length, told, ...work }, 'the DHT was told')
        return true
      }
    } catch (error) {
      if (this.#stopped.signal.aborted) return true
      logger.debug({ names: names.length, reason: errorMessage(error) }, 'the DHT was not told')
    }
    this.#retry()
    return false
  }

  #retry(): void {
    this.#passIn(Math.min(RETRY_MS * 2 ** this.#failures++, MAX_RETRY_MS))
  }
}

const lookupsOf = ({ cell_type: cellType, capabilities }: Manifest): ['cell_type' | 'capability', string][] => [
  ['cell_type', cellType],
  ...capabilities.map(({ name }): ['capability', string] => ['capability', name]),
]
