import { concatBytes } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { NodeParts } from '../parts.ts'
import { openHere } from './open-package.ts'

interface Parts extends Pick<NodeParts, 'events' | 'index' | 'blobs' | 'cache' | 'repository' | 'logger'> {
  readonly validators: Pick<NodeParts['validators'], 'of'>
}

/** Cells that wait; when there are more, the newest are not measured. */
const MAX_WAITING = 256
/** Bytes of a package that is started: it is in memory here and in the child. */
const MAX_BYTES = 32 * 1024 * 1024
/** Milliseconds without a registration after which modules are started: a burst of them gets the processor to itself. */
const QUIET_MS = 2000

/**
 * Starts modules that were registered, one at a time, when the node has nothing else to register, and notes what that took. What waits
 * when the node stops is not measured.
 */
export class StartMeasurer implements Part {
  readonly name = 'measured starts'
  readonly #parts: Parts
  readonly #quietMs: number
  readonly #waiting: string[] = []
  readonly #stopping = new AbortController()
  #unsubscribe: () => void = () => undefined
  #timer: NodeJS.Timeout | undefined
  #work: Promise<void> | undefined

  constructor(parts: Parts, quietMs = QUIET_MS) {
    this.#parts = parts
    this.#quietMs = quietMs
  }

  start(): void {
    this.#unsubscribe = this.#parts.events.on('cell_registered', ({ cellId }) => this.#add(cellId))
  }

  async stop(): Promise<void> {
    this.#unsubscribe()
    clearTimeout(this.#timer)
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#work
  }

  #add(cellId: string): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(cellId)
    this.#schedule()
  }

  /** The next one, once it has been quiet; every registration puts it off. */
  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#work !== undefined || this.#waiting.length === 0 || this.#stopping.signal.aborted) return
    this.#timer = setTimeout(() => {
      const cellId = this.#waiting.shift()
      if (cellId === undefined) return
      this.#work = this.#measure(cellId)
        .catch((error: unknown) => {
          if (this.#stopping.signal.aborted) return
          this.#parts.logger.warn({ cell_id: cellId, reason: errorMessage(error) }, 'a start was not measured')
        })
        .finally(() => {
          this.#work = undefined
          this.#schedule()
        })
    }, this.#quietMs)
    this.#timer.unref()
  }

  async #measure(cellId: string): Promise<void> {
    const { index, validators, repository } = this.#parts
    const cell = index.get(cellId)
    if (cell?.report?.kind !== 'module' || cell.report.start_failure !== undefined) return
    const { package: ref, packaging_format: format } = cell.manifest
    const validator = validators.of(format)
    if (validator?.measureStart === undefined || ref.size > MAX_BYTES) return
    const bytes = await this.#read(ref.digest)
    if (bytes === undefined) return
    const measured = await validator.measureStart(bytes, this.#stopping.signal)
    await repository.measured(cellId, measured)
  }

  async #read(digest: string): Promise<Uint8Array | undefined> {
    const source = await openHere(this.#parts, digest)
    if (source === undefined) return undefined
    try {
      const pieces: Uint8Array[] = []
      for await (const piece of source.read(0, source.size - 1)) pieces.push(piece.slice())
      return concatBytes(pieces)
    } finally {
      await source.close()
    }
  }
}
