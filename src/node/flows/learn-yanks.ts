import type { Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { decodeYankToken } from '../../kernel/identity/yank-signature.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'events' | 'trust'> {
  readonly network: Pick<NodeParts['network'], 'request'>
  readonly yanks: Pick<NodeParts['yanks'], 'accept' | 'isNews'>
}

type Announced = Announcement['cells'][number]
/** What asking needs of an announced cell: an entry with all its capabilities may be a hundred times as large. */
type Wanted = Pick<Announced, 'manifest_digest' | 'publisher' | 'status' | 'yank_counter'>

/** Providers that are asked at once, and that wait to be asked. */
const AT_ONCE = 4
const MAX_PROVIDERS = 1000
/** Cells that one provider is to be asked about: those of some full pages. */
const MAX_CELLS = 8 * LIMITS.announcementCells
/** Milliseconds for one answer. */
const ANSWER_MS = 10_000
/** Milliseconds until a provider that did not answer is asked again, doubled each time, and how often. */
const RETRY_MS = 2000
const TRIES = 5
/** Milliseconds in which nobody listens to the yanks of a provider that could not prove one. */
const REST_MS = 60_000

/** What one provider is to be asked about. */
interface Queue {
  /** By cell id and publisher. */
  readonly cells: Map<string, Wanted>
  tries: number
  retry?: NodeJS.Timeout
}

/**
 * Asks who announces a yank for the publisher's own word, which alone makes it count. Each provider is asked by one request at a time; one that
 * cannot prove what it announces is left alone for a while. What was missed is heard again: pages are announced anew before they expire.
 */
export class YankLearner {
  readonly #parts: Parts
  readonly #onHeld: (cell: CellRecord) => void
  readonly #onTaken: (token: string) => void
  readonly #queues = new Map<string, Queue>()
  readonly #asking = new Set<string>()
  /** Provider → Unix milliseconds. */
  readonly #resting = new Map<string, number>()
  readonly #stop = new AbortController()

  /** `onHeld` hears of cells that this node holds, when what their publisher says has changed; `onTaken` of every word that was news. */
  constructor(parts: Parts, onHeld: (cell: CellRecord) => void, onTaken: (token: string) => void = () => undefined) {
    this.#parts = parts
    this.#onHeld = onHeld
    this.#onTaken = onTaken
  }

  stop(): void {
    this.#stop.abort(new Error('the node is stopping'))
    for (const { retry } of this.#queues.values()) clearTimeout(retry)
    this.#queues.clear()
  }

  /** A verified announcement was taken in. */
  heard({ provider_id: provider, cells }: Pick<Announcement, 'provider_id' | 'cells'>): void {
    const { yanks, trust, clock } = this.#parts
    const news = cells.filter((cell) => yanks.isNews(cell) && trust.accepts(cell.publisher))
    if (news.length === 0 || this.#stop.signal.aborted) return
    if ((this.#resting.get(provider) ?? 0) > clock.now()) return
    const queue = this.#queues.get(provider) ?? { cells: new Map<string, Wanted>(), tries: 0 }
    if (queue.cells.size === 0 && this.#queues.size >= MAX_PROVIDERS) return
    for (const cell of news) if (queue.cells.size < MAX_CELLS) queue.cells.set(keyOf(cell), wanted(cell))
    this.#queues.set(provider, queue)
    this.#askNext()
  }

  #askNext(): void {
    for (const [provider, queue] of this.#queues) {
      if (this.#asking.size >= AT_ONCE) return
      if (this.#asking.has(provider) || queue.retry !== undefined) continue
      this.#asking.add(provider)
      void this.#ask(provider, queue).finally(() => {
        this.#asking.delete(provider)
        this.#askNext()
      })
    }
  }

  /** Asks until nothing is left to ask, or it is of no use. Never throws. */
  async #ask(provider: string, queue: Queue): Promise<void> {
    const { network, yanks, logger } = this.#parts
    try {
      while (queue.cells.size > 0) {
        const asked = [...queue.cells.values()].filter((cell) => yanks.isNews(cell)).slice(0, LIMITS.yanksPerRequest)
        if (asked.length === 0) break
        const cells = asked.map(({ manifest_digest, publisher }) => ({ manifest_digest, publisher }))
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)])
        const answer = await network.request(provider, 'yank_request', { cells }, { signal })
        queue.tries = 0
        const told = await this.#take(answer.yanks, asked, provider)
        if (told === 0) throw new ProviderError('PROV_005', 'it has not the yanks that it announces')
        // An answer that did not hold everything was full, or the rest is not there: then the next one is empty.
        for (const cell of asked.slice(0, told)) queue.cells.delete(keyOf(cell))
      }
      this.#queues.delete(provider)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      logger.debug({ provider, reason: errorMessage(error) }, 'a peer did not prove a yank that it announces')
      if (error instanceof ProviderError || ++queue.tries >= TRIES) this.#rest(provider)
      else this.#retry(queue)
    }
  }

  /**
   * Takes in an answer: tokens for some of the cells asked about, in their order. Resolves to how many of those cells it is about, from the
   * first one on. Throws `ProviderError` at the first token that does not hold or was not asked for.
   */
  async #take(tokens: readonly string[], asked: readonly Wanted[], provider: string): Promise<number> {
    const { yanks, events } = this.#parts
    let next = 0
    for (const token of tokens) {
      const { record } = decodeYankToken(token)
      const at = asked.findIndex((cell, i) => i >= next && keyOf(cell) === keyOf(record))
      if (at === -1) throw new ProviderError('PROV_005', 'it answered with a yank that it was not asked for')
      next = at + 1
      const claimed = asked[at]!.yank_counter ?? 0
      if (record.counter < claimed)
        throw new ProviderError('PROV_005', `it announces counter ${claimed}, and has ${record.counter}`)
      const change = await yanks.accept(token, provider)
      if (change === undefined) continue
      this.#onTaken(token)
      const { yanked, reason, manifest_digest: cellId } = change.yank
      events.emit('cell_yanked', { cellId, yanked, reason, by: 'publisher' })
      if (change.cell !== undefined) this.#onHeld(change.cell)
    }
    return next
  }

  #retry(queue: Queue): void {
    queue.retry = setTimeout(
      () => {
        delete queue.retry
        this.#askNext()
      },
      RETRY_MS * 2 ** (queue.tries - 1),
    )
  }

  #rest(provider: string): void {
    this.#queues.delete(provider)
    if (this.#resting.size >= MAX_PROVIDERS) this.#resting.clear()
    this.#resting.set(provider, this.#parts.clock.now() + REST_MS)
  }
}

const wanted = ({ manifest_digest, publisher, status, yank_counter }: Announced): Wanted => ({
  manifest_digest,
  publisher,
  ...(status === undefined ? {} : { status }),
  ...(yank_counter === undefined ? {} : { yank_counter }),
})

const keyOf = ({ manifest_digest: id, publisher }: Pick<Wanted, 'manifest_digest' | 'publisher'>): string =>
  `${id}!${publisher}`
