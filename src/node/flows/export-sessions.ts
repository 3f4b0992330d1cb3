import type { ExportStatus, SessionExport } from '../../../protocol/memory.ts'
import { memoryError } from '../../domain/memory/errors.ts'
import { FILE_TYPES, formatted } from '../../domain/memory/export-formats.ts'
import type { ExportOrder, ExportStore, StoredExport } from '../../domain/memory/export-store.ts'
import type { MemoryBooks } from '../../domain/memory/memory-books.ts'
import type { SignedLinks } from '../../domain/memory/signed-links.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import type { ExportFile, SessionAccess } from '../memory-api.ts'
import { exportRecords } from './export-records.ts'

/** Milliseconds that an export and its link are in force: a day to fetch it. */
const IN_FORCE_MS = 24 * 60 * 60 * 1000

export interface SessionExportsParts {
  readonly books: MemoryBooks
  readonly exports: ExportStore
  readonly links: SignedLinks
  readonly clock: Clock
  readonly logger: Logger
}

/** What is being written. */
interface Progress {
  readonly startedAt: number
  readonly total: number
  done: number
}

/**
 * Exports of sessions, written one after the other beside everything else. What a restart interrupts is written anew. A file is there until its link
 * expires, its session is deleted, or a turn in it is.
 */
export class SessionExports {
  readonly #parts: SessionExportsParts
  readonly #stopping = new AbortController()
  readonly #progress = new Map<string, Progress>()
  #waiting: string[] = []
  #work: Promise<void> | undefined

  constructor(parts: SessionExportsParts) {
    this.#parts = parts
  }

  /** Goes on with what a restart interrupted. To be awaited before the first use. */
  async start(): Promise<void> {
    const { exports } = this.#parts
    await exports.load()
    await this.sweep()
    for (const [id, { status }] of exports.all()) if (status === 'processing') this.#enqueue(id)
  }

  /** Lets the write under way end; what is not finished is written anew after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#work
  }

  /** Durable when it resolves; the file is written afterwards. */
  async order({ sessionId }: SessionAccess, order: SessionExport): Promise<ExportStatus> {
    const { exports, clock } = this.#parts
    const now = clock.now()
    const { id, record } = await exports.add(sessionId, orderOf(order), { now, expiresAt: now + IN_FORCE_MS })
    this.#enqueue(id)
    return this.#statusOf(id, record)
  }

  status({ sessionId }: SessionAccess, id: string): ExportStatus {
    const record = this.#inForce(id)
    if (record?.session_id !== sessionId) throw absent()
    return this.#statusOf(id, record)
  }

  download(id: string, query: Readonly<Record<string, string>>): ExportFile {
    const { exports, links, clock, books } = this.#parts
    const record = this.#inForce(id)
    const isSigned = links.holds(id, query, clock.now())
    if (!isSigned || record === undefined || record.status === 'failed') throw absent()
    if (record.status === 'processing') {
      throw memoryError('CONFLICT', 'the export is not complete yet', { retryAfter: 1 })
    }
    const [mediaType, extension] = FILE_TYPES[record.format]
    return {
      mediaType,
      name: `${id}.${extension}`,
      size: record.size,
      bytes: () => exports.bytes(id, () => books.sessions.open(record.session_id)),
    }
  }

  /** Those that have exports. */
  sessions(): ReadonlySet<string> {
    return new Set(Array.from(this.#parts.exports.all(), ([, { session_id }]) => session_id))
  }

  /** Deletes the exports of a session. */
  async forget(sessionId: string): Promise<void> {
    await this.#removeAll((record) => record.session_id === sessionId)
  }

  /** Deletes the exports of a session that hold a turn from before `before` (Unix milliseconds). */
  async removeOlder(sessionId: string, before: number): Promise<void> {
    await this.#removeAll(({ session_id, oldest_at }) => session_id === sessionId && (oldest_at ?? before) < before)
  }

  /** Deletes what has expired, and what has lost its session. */
  async sweep(): Promise<void> {
    const { clock, books } = this.#parts
    const now = clock.now()
    await this.#removeAll(
      ({ expires_at, session_id }) => expires_at <= now || books.sessions.find(session_id) === undefined,
    )
  }

  async #removeAll(goes: (record: StoredExport) => boolean): Promise<void> {
    const { exports } = this.#parts
    for (const [id, record] of [...exports.all()]) if (goes(record)) await exports.remove(id)
  }

  /** Undefined for those that expired or whose session is gone, as for those that never were. */
  #inForce(id: string): StoredExport | undefined {
    const { exports, clock, books } = this.#parts
    const record = exports.get(id)
    if (record === undefined || record.expires_at <= clock.now()) return undefined
    return books.sessions.find(record.session_id) === undefined ? undefined : record
  }

  #statusOf(id: string, record: StoredExport): ExportStatus {
    const { links, clock } = this.#parts
    const progress = this.#progress.get(id)
    const done = progress === undefined || progress.total === 0 ? 0 : Math.min(1, progress.done / progress.total)
    const left = progress === undefined || done === 0 ? null : ((clock.now() - progress.startedAt) * (1 - done)) / done
    const completion = record.finished_at ?? (left === null ? null : clock.now() + left)
    const isComplete = record.status === 'completed'
    return {
      export_id: id,
      session_id: record.session_id,
      format: record.format,
      status: record.status,
      progress: isComplete ? 1 : done,
      estimated_completion: completion === null ? null : iso(completion),
      download_url: `/api/v2/exports/${id}/download?${links.query(id, record.expires_at)}`,
      expires_at: iso(record.expires_at),
      sha256: record.sha256,
      size: isComplete ? record.size : null,
    }
  }

  #enqueue(id: string): void {
    this.#waiting.push(id)
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined
    })
  }

  async #run(): Promise<void> {
    for (let id = this.#waiting.shift(); id !== undefined; id = this.#waiting.shift()) {
      if (this.#stopping.signal.aborted) return
      await this.#write(id)
    }
  }

  /** Never rejects. */
  async #write(id: string): Promise<void> {
    const { exports, clock, books, logger } = this.#parts
    try {
      const record = exports.get(id)
      if (record === undefined) return
      await exports.reset(id, 'processing', clock.now())
      const { session_id: sessionId } = record
      const total = books.sessions.open(sessionId).record.turns
      const progress: Progress = { startedAt: clock.now(), total, done: 0 }
      this.#progress.set(id, progress)
      let oldest: number | null = null
      const records = this.#counted(exportRecords(books, sessionId, record), (at) => {
        progress.done++
        oldest = Math.min(oldest ?? at, at)
      })
      await exports.write(
        id,
        formatted(record.format, iso(record.ordered_at), records),
        () => books.sessions.open(sessionId),
        () => ({ now: clock.now(), oldest }),
      )
    } catch (error) {
      await this.#failed(id, error).catch((cause: unknown) => {
        logger.error({ export: id, reason: errorMessage(cause) }, 'a failed export could not be taken back')
      })
    } finally {
      this.#progress.delete(id)
    }
  }

  async *#counted<Item extends { readonly record: string; readonly value: object }>(
    records: AsyncIterable<Item>,
    turn: (at: number) => void,
  ): AsyncGenerator<Item> {
    for await (const item of records) {
      this.#stopping.signal.throwIfAborted()
      if (item.record === 'turn') turn(Date.parse((item.value as { readonly timestamp: string }).timestamp))
      yield item
    }
  }

  async #failed(id: string, error: unknown): Promise<void> {
    const { exports, clock, books, logger } = this.#parts
    const record = exports.get(id)
    if (this.#stopping.signal.aborted || record === undefined) return
    if (books.sessions.find(record.session_id) === undefined) return exports.remove(id)
    logger.warn({ export: id, reason: errorMessage(error) }, 'an export failed')
    await exports.reset(id, 'failed', clock.now())
  }
}

/** Throws `INVALID_REQUEST` for times that are none. */
function orderOf(order: SessionExport): ExportOrder {
  const { format = 'json', include_metadata = true, include_agent_states = true, time_range = {} } = order
  const start = timeOf(time_range.start, 'time_range.start')
  const end = timeOf(time_range.end, 'time_range.end')
  if (start !== null && end !== null && end < start) {
    throw memoryError(
      'INVALID_REQUEST',
      `time_range: found the end ${time_range.end} before the start ${time_range.start}`,
    )
  }
  return { format, include_metadata, include_agent_states, start, end }
}

function timeOf(text: string | undefined, name: string): number | null {
  if (text === undefined) return null
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) {
    throw memoryError(
      'INVALID_REQUEST',
      `${name}: found ${JSON.stringify(text.slice(0, 40))}, which is no time of ISO 8601`,
    )
  }
  return ms
}

const absent = (): Error => memoryError('EXPORT_NOT_FOUND', 'there is no such export')

const iso = (ms: number): string => new Date(ms).toISOString()
