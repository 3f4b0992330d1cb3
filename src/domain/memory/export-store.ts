import { createHash, randomBytes } from 'node:crypto'
import { toHex } from '../../kernel/base/bytes.ts'
import { jsonKeyspace, KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'
import { memoryError } from './errors.ts'
import type { ExportFormat } from './export-formats.ts'
import type { OpenSession } from './open-session.ts'

/** Which part of a session is exported, and how. */
export interface ExportOrder {
  readonly format: ExportFormat
  readonly include_metadata: boolean
  readonly include_agent_states: boolean
  /** Unix milliseconds, both included; null for no end. */
  readonly start: number | null
  readonly end: number | null
}

/** What is stored of an export. Times are Unix milliseconds. */
export interface StoredExport extends ExportOrder {
  readonly session_id: string
  readonly status: 'processing' | 'completed' | 'failed'
  readonly ordered_at: number
  readonly expires_at: number
  readonly finished_at: number | null
  readonly pieces: number
  readonly size: number
  readonly sha256: string | null
  /** When the oldest turn in it was said: with that turn it is deleted. Null before it is complete, or where it has none. */
  readonly oldest_at: number | null
}

/** Bytes of a piece: what is held of a file at a time. */
const PIECE_BYTES = 192 * 1024
/** Pieces that one transaction deletes. */
const DELETED_PER_WRITE = 200
/** Exports of one session that are in force, and bytes of theirs: twice what a session may have by default, for JSON is longer than what is stored. */
export const MAX_PER_SESSION = 8
export const MAX_SESSION_BYTES = 256 * 1024 * 1024
/** Of all sessions. */
const MAX_EXPORTS = 4096
/** Seconds after which there may be room again. */
const FULL_SECONDS = 600

const exports = jsonKeyspace<StoredExport>(KEYSPACES.exports)
const pieces = textKeyspace(KEYSPACES.exportPieces)
const pieceKey = (id: string, number: number): string => `${id}!${String(number).padStart(8, '0')}`

/** Exports and their files, in pieces that are sealed with the key of their session. What is stored of an export itself says nothing that was said. */
export class ExportStore {
  readonly #store: Store
  readonly #maxBytes: number
  readonly #known = new Map<string, StoredExport>()
  #bytes = 0

  /** `maxBytes`: of the files of all sessions. */
  constructor({ store, maxBytes }: { readonly store: Store; readonly maxBytes: number }) {
    this.#store = store
    this.#maxBytes = maxBytes
  }

  /** Learns what there is. To be awaited before the first use. */
  async load(): Promise<void> {
    for await (const [id, record] of this.#store.scan(exports)) {
      this.#known.set(id, record)
      this.#bytes += record.size
    }
  }

  get(id: string): StoredExport | undefined {
    return this.#known.get(id)
  }

  all(): IterableIterator<[id: string, record: StoredExport]> {
    return this.#known.entries()
  }

  /** Durable when it resolves. Rejects when a session has as many as it may, or there is no room. */
  async add(
    sessionId: string,
    order: ExportOrder,
    times: { readonly now: number; readonly expiresAt: number },
  ): Promise<{ readonly id: string; readonly record: StoredExport }> {
    const own = this.#of(sessionId)
    if (own.length >= MAX_PER_SESSION) {
      const message = `found ${own.length} exports of the session that have not expired, allowed are ${MAX_PER_SESSION}`
      throw memoryError('STORAGE_QUOTA_EXCEEDED', message)
    }
    if (this.#known.size >= MAX_EXPORTS || this.#bytes >= this.#maxBytes) {
      throw memoryError('MEMORY_SERVICE_ERROR', 'this node keeps as many exports as it may', {
        retryAfter: FULL_SECONDS,
      })
    }
    const id = `export_${toHex(randomBytes(16))}`
    const record: StoredExport = {
      ...order,
      session_id: sessionId,
      status: 'processing',
      ordered_at: times.now,
      expires_at: times.expiresAt,
      finished_at: null,
      pieces: 0,
      size: 0,
      sha256: null,
      oldest_at: null,
    }
    this.#known.set(id, record)
    try {
      await this.#store.transact((tx) => tx.put(exports, id, record))
    } catch (error) {
      this.#known.delete(id)
      throw error
    }
    return { id, record }
  }

  /**
   * Writes the file of an export, piece by piece, and says what it has become. `session` opens its session as of now, and throws when that is gone;
   * `oldest` is asked at the end. Rejects with what the text rejects with, when there is no room, and when the export is removed meanwhile.
   */
  async write(
    id: string,
    text: AsyncIterable<string>,
    session: () => OpenSession,
    ended: () => { readonly now: number; readonly oldest: number | null },
  ): Promise<void> {
    const digest = createHash('sha256')
    let parts: Buffer[] = []
    let held = 0
    const flush = async (): Promise<void> => {
      if (held === 0) return
      const bytes = Buffer.concat(parts)
      parts = []
      held = 0
      digest.update(bytes)
      await this.#putPiece(id, bytes, session())
    }
    for await (const part of text) {
      const bytes = Buffer.from(part)
      for (let at = 0; at < bytes.length; ) {
        const taken = bytes.subarray(at, at + PIECE_BYTES - held)
        parts.push(taken)
        held += taken.length
        at += taken.length
        if (held === PIECE_BYTES) await flush()
      }
    }
    await flush()
    const { now, oldest } = ended()
    await this.#change(id, (record) => ({
      ...record,
      status: 'completed',
      finished_at: now,
      sha256: digest.digest('hex'),
      oldest_at: oldest,
    }))
  }

  /** Takes back what was written of an export, which stays as one that failed, or is to be written anew. */
  async reset(id: string, status: 'processing' | 'failed', now: number): Promise<void> {
    await this.#deletePieces(id)
    await this.#change(id, (record) => ({
      ...record,
      status,
      finished_at: status === 'failed' ? now : null,
      pieces: 0,
      size: 0,
    }))
  }

  /** The file of a completed export. Rejects when it is removed meanwhile. */
  async *bytes(id: string, session: () => OpenSession): AsyncGenerator<Buffer> {
    const count = this.#known.get(id)?.pieces ?? 0
    for (let number = 0; number < count; number++) {
      const text = this.#store.get(pieces, pieceKey(id, number))
      if (text === undefined || !this.#known.has(id)) throw new Error('the export is gone')
      yield session().readBytes(pieces, pieceKey(id, number), text)
    }
  }

  /** Off the disk when it resolves; not found from now on. */
  async remove(id: string): Promise<void> {
    const record = this.#known.get(id)
    if (record === undefined) return
    this.#known.delete(id)
    this.#bytes -= record.size
    // After this no piece is on its way, and whoever starts again after a crash removes the rest.
    await this.#store.transact((tx) => tx.put(exports, id, { ...record, expires_at: 0 }))
    await this.#deletePieces(id)
    await this.#store.transact((tx) => tx.delete(exports, id))
  }

  #of(sessionId: string): StoredExport[] {
    return [...this.#known.values()].filter(({ session_id }) => session_id === sessionId)
  }

  async #putPiece(id: string, bytes: Buffer, session: OpenSession): Promise<void> {
    const record = this.#known.get(id)
    if (record === undefined) throw new Error('the export is gone')
    const own = this.#of(record.session_id).reduce((sum, { size }) => sum + size, 0)
    if (own + bytes.length > MAX_SESSION_BYTES) {
      throw memoryError(
        'STORAGE_QUOTA_EXCEEDED',
        `the exports of the session have more than ${MAX_SESSION_BYTES} bytes`,
      )
    }
    if (this.#bytes + bytes.length > this.#maxBytes) {
      throw memoryError('MEMORY_SERVICE_ERROR', 'this node has no room for the export', { retryAfter: FULL_SECONDS })
    }
    const key = pieceKey(id, record.pieces)
    const sealed = session.sealBytes(pieces, key, bytes)
    await this.#change(id, (found) => ({ ...found, pieces: found.pieces + 1, size: found.size + bytes.length }), {
      key,
      sealed,
    })
  }

  /** Changes a record, on disk and then here. Rejects when the export is gone. */
  async #change(
    id: string,
    change: (record: StoredExport) => StoredExport,
    piece?: { readonly key: string; readonly sealed: string },
  ): Promise<void> {
    const changed = await this.#store.transact((tx) => {
      const record = this.#known.get(id)
      if (record === undefined) throw new Error('the export is gone')
      const next = change(record)
      tx.put(exports, id, next)
      if (piece !== undefined) tx.put(pieces, piece.key, piece.sealed)
      return next
    })
    // It may have been removed while the disk was busy: its pieces go with whoever removes it.
    const before = this.#known.get(id)
    if (before === undefined) return
    this.#known.set(id, changed)
    this.#bytes += changed.size - before.size
  }

  async #deletePieces(id: string): Promise<void> {
    for (let more = true; more; ) {
      const keys: string[] = []
      for await (const key of this.#store.keys(pieces, { prefix: `${id}!`, limit: DELETED_PER_WRITE })) keys.push(key)
      more = keys.length === DELETED_PER_WRITE
      if (keys.length > 0) {
        await this.#store.transact((tx) => {
          for (const key of keys) tx.delete(pieces, key)
        })
      }
    }
  }
}
