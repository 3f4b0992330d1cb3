import { hash, randomUUID } from 'node:crypto'
import type { QueryPayload, QueryRequest, ResponseStatus } from '../../../protocol/assurance.ts'
import { BATCH_LIMITS, type Batch, type BatchRequest } from '../../../protocol/batch.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

const HOUR_MS = 60 * 60 * 1000
/** Questions that one transaction writes or removes: other writers wait no longer than for that. */
const QUESTIONS_PER_WRITE = 500

/** What is stored of a batch. Times are Unix milliseconds. */
interface BatchRecord {
  readonly operator_id: string
  /** Of the request that brought it. */
  readonly request_id: string
  readonly timestamp: string
  readonly signature: string
  readonly status: Batch['status']
  readonly total: number
  readonly succeeded: number
  readonly partial: number
  readonly failed: number
  /** Characters of its answers. */
  readonly bytes: number
  readonly created_at: number
  readonly started_at: number | null
  readonly finished_at: number | null
}

/** An answer that is to be kept. */
export interface BatchAnswer {
  readonly batchId: string
  readonly index: number
  readonly status: ResponseStatus
  /** JSON of the `QueryResponse`. */
  readonly text: string
}

/** A batch that ended. */
export interface EndedBatch {
  readonly id: string
  readonly record: BatchRecord
}

/** Tells in a transaction that a batch ends in it; what is returned wants to know whether that became durable. */
export type BatchWitness = (tx: Transaction, ended: EndedBatch) => (isDurable: boolean) => void

const batches = jsonKeyspace<BatchRecord>(KEYSPACES.batches)
const questions = jsonKeyspace<QueryPayload>(KEYSPACES.batchQuestions)
const answers = textKeyspace(KEYSPACES.batchAnswers)

const keyOf = (batchId: string, index: number): string => `${batchId}!${String(index).padStart(5, '0')}`
const indexOf = (key: string): number => Number(key.slice(key.indexOf('!') + 1))
const isFinished = ({ status }: BatchRecord): boolean => status === 'completed' || status === 'cancelled'
const answeredOf = ({ succeeded, partial, failed }: BatchRecord): number => succeeded + partial + failed

/** Batches of questions with their answers, on disk. What is in memory of them is one record each. */
export class Batches {
  readonly #store: Store
  readonly #clock: Clock
  readonly #retentionMs: number
  readonly #maxBytes: number
  readonly #witness: BatchWitness
  readonly #records = new Map<string, BatchRecord>()
  /** Batches that are being written for the first time, by their operators. */
  readonly #arriving = new Map<string, string>()
  #arrivingQuestions = 0

  constructor(parts: {
    readonly store: Store
    readonly clock: Clock
    readonly retentionHours: number
    readonly maxBytes: number
    readonly witness: BatchWitness
  }) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#retentionMs = parts.retentionHours * HOUR_MS
    this.#maxBytes = parts.maxBytes
    this.#witness = parts.witness
  }

  /** Reads in the batches, and forgets what a crash left of those that never became one. */
  async load(): Promise<void> {
    for await (const [id, record] of this.#store.scan(batches)) this.#records.set(id, record)
    const orphans: string[] = []
    for await (const key of this.#store.keys(questions)) {
      const record = this.#records.get(key.slice(0, key.indexOf('!')))
      if (record === undefined || isFinished(record)) orphans.push(key)
    }
    await this.#removeAll(questions, orphans)
  }

  /** The batch, where it is there and the operator's own. Throws `PROV_001` with status 404. */
  find(id: string, operatorId: string): BatchRecord {
    const record = this.#records.get(id)
    if (record?.operator_id === operatorId && !this.#isOver(record)) return record
    throw new ProviderError('PROV_001', `there is no batch ${id}`, { status: 404 })
  }

  get(id: string): BatchRecord | undefined {
    return this.#records.get(id)
  }

  /** Those that are not finished, oldest first. */
  unfinished(): [id: string, record: BatchRecord][] {
    return [...this.#records]
      .filter(([, record]) => !isFinished(record))
      .sort(([a, { created_at: first }], [b, { created_at: second }]) => first - second || (a < b ? -1 : 1))
  }

  /** Keeps a batch, durably when it resolves with its id. Throws `PROV_013` where the operator or the node has too many. */
  async add(request: BatchRequest): Promise<string> {
    const { operator_id, request_id, timestamp, signature } = request
    const { requests } = request.payload
    this.#checkRoom(operator_id, requests.length)
    const id = randomUUID()
    this.#arriving.set(id, operator_id)
    this.#arrivingQuestions += requests.length
    try {
      // The record comes last: without it there is no batch.
      for (let at = 0; at < requests.length; at += QUESTIONS_PER_WRITE) {
        const some = requests.slice(at, at + QUESTIONS_PER_WRITE)
        await this.#store.transact((tx) => {
          some.forEach((payload, i) => {
            tx.put(questions, keyOf(id, at + i), payload)
          })
        })
      }
      const record: BatchRecord = {
        operator_id,
        request_id,
        timestamp,
        signature,
        status: 'queued',
        total: requests.length,
        succeeded: 0,
        partial: 0,
        failed: 0,
        bytes: 0,
        created_at: this.#clock.now(),
        started_at: null,
        finished_at: null,
      }
      await this.#store.transact((tx) => tx.put(batches, id, record))
      this.#records.set(id, record)
      return id
    } finally {
      this.#arriving.delete(id)
      this.#arrivingQuestions -= requests.length
    }
  }

  /** A question as a request of its own; undefined where it is answered already, or its batch ended. */
  question(id: string, index: number): QueryRequest | undefined {
    const record = this.#records.get(id)
    const key = keyOf(id, index)
    if (record === undefined || isFinished(record) || this.#store.get(answers, key) !== undefined) return undefined
    const payload = this.#store.get(questions, key)
    if (payload === undefined) return undefined
    const { operator_id, request_id, timestamp, signature } = record
    return { request_id: questionId(request_id, index), timestamp, operator_id, signature, payload }
  }

  /** Notes that a batch is worked on. It is written with its first answers. */
  started(id: string): void {
    const record = this.#records.get(id)
    if (record?.status === 'queued') {
      this.#records.set(id, { ...record, status: 'running', started_at: this.#clock.now() })
    }
  }

  /**
   * Keeps answers, each once, in one transaction; resolves with the batches that they completed. Those of batches that ended meanwhile are dropped.
   */
  async save(some: readonly BatchAnswer[]): Promise<EndedBatch[]> {
    const now = this.#clock.now()
    const changed = await this.#end((tx, tell) => {
      const records = new Map<string, BatchRecord>()
      for (const { batchId, index, status, text } of some) {
        const record = records.get(batchId) ?? tx.get(batches, batchId)
        const key = keyOf(batchId, index)
        if (record === undefined || isFinished(record) || tx.get(answers, key) !== undefined) continue
        tx.put(answers, key, text)
        records.set(batchId, {
          ...record,
          status: 'running',
          started_at: record.started_at ?? this.#records.get(batchId)?.started_at ?? now,
          succeeded: record.succeeded + (status === 'success' ? 1 : 0),
          partial: record.partial + (status === 'partial' ? 1 : 0),
          failed: record.failed + (status === 'failed' ? 1 : 0),
          bytes: record.bytes + text.length,
        })
      }
      for (const [id, answered] of records) {
        const isLast = answeredOf(answered) === answered.total
        const record: BatchRecord = isLast ? { ...answered, status: 'completed', finished_at: now } : answered
        records.set(id, record)
        tx.put(batches, id, record)
        if (isLast) tell({ id, record })
      }
      return records
    })
    const ended: EndedBatch[] = []
    for (const [id, record] of changed) {
      // It may have been cancelled since.
      if (isFinished(this.#records.get(id) ?? record)) continue
      this.#records.set(id, record)
      if (isFinished(record)) ended.push({ id, record })
    }
    for (const { id } of ended) await this.#forgetQuestions(id)
    return ended
  }

  /** Ends a batch; durable when it resolves. Undefined where it was finished. */
  async cancel(id: string): Promise<EndedBatch | undefined> {
    const now = this.#clock.now()
    const record = await this.#end((tx, tell) => {
      const found = tx.get(batches, id)
      if (found === undefined || isFinished(found)) return undefined
      const started_at = found.started_at ?? this.#records.get(id)?.started_at ?? null
      const cancelled: BatchRecord = { ...found, status: 'cancelled', started_at, finished_at: now }
      tx.put(batches, id, cancelled)
      tell({ id, record: cancelled })
      return cancelled
    })
    if (record === undefined) return undefined
    this.#records.set(id, record)
    await this.#forgetQuestions(id)
    return { id, record }
  }

  /** Answers from question `from` on, in order, at most `limit`. */
  async *answers(id: string, from: number, limit: number): AsyncGenerator<{ index: number; text: string }> {
    const range = { prefix: `${id}!`, after: `${id}!${String(from - 1).padStart(5, '0')}`, before: `${id}!~`, limit }
    const { after: _, ...whole } = range
    for await (const [key, text] of this.#store.scan(answers, from === 0 ? whole : range)) {
      yield { index: indexOf(key), text }
    }
  }

  /** Forgets batches whose time is over, with their answers. */
  async sweep(): Promise<void> {
    for (const [id, record] of [...this.#records]) {
      if (!this.#isOver(record)) continue
      // From here on nobody reads it.
      this.#records.delete(id)
      await this.#removeUnder(answers, id)
      await this.#store.transact((tx) => tx.delete(batches, id))
    }
  }

  describe(id: string, record: BatchRecord): Batch {
    const { request_id, status, total, succeeded, partial, failed, created_at, started_at, finished_at } = record
    const answered = answeredOf(record)
    const expiresAt = finished_at === null ? null : finished_at + this.#retentionMs
    return {
      batch_id: id,
      request_id,
      status,
      total,
      answered,
      succeeded,
      partial,
      failed,
      progress: answered / total,
      created_at: new Date(created_at).toISOString(),
      started_at: iso(started_at),
      finished_at: iso(finished_at),
      expires_at: iso(expiresAt),
    }
  }

  /** A transaction that may end batches: who has to hear of that does so if it becomes durable, and only then. */
  async #end<T>(work: (tx: Transaction, tell: (ended: EndedBatch) => void) => T): Promise<T> {
    const told: ((isDurable: boolean) => void)[] = []
    let isDurable = false
    try {
      const result = await this.#store.transact((tx) => work(tx, (ended) => told.push(this.#witness(tx, ended))))
      isDurable = true
      return result
    } finally {
      for (const settle of told) settle(isDurable)
    }
  }

  #isOver({ finished_at }: BatchRecord): boolean {
    return finished_at !== null && finished_at + this.#retentionMs <= this.#clock.now()
  }

  #checkRoom(operatorId: string, count: number): void {
    const { unfinishedPerOperator, batches: most, waiting } = BATCH_LIMITS
    let own = [...this.#arriving.values()].filter((operator) => operator === operatorId).length
    let questionsWaiting = this.#arrivingQuestions
    let bytes = 0
    for (const record of this.#records.values()) {
      bytes += record.bytes
      if (isFinished(record)) continue
      questionsWaiting += record.total - answeredOf(record)
      if (record.operator_id === operatorId) own++
    }
    if (own >= unfinishedPerOperator) {
      throw new ProviderError('PROV_013', `${own} batches are unfinished, allowed are ${unfinishedPerOperator}`)
    }
    const full =
      this.#records.size + this.#arriving.size >= most
        ? `${most} batches`
        : questionsWaiting + count > waiting
          ? `${questionsWaiting} questions that wait`
          : bytes >= this.#maxBytes
            ? `${bytes} bytes of answers`
            : undefined
    if (full === undefined) return
    throw new ProviderError('PROV_013', `this node holds ${full}, the most that it can: try again later`)
  }

  #forgetQuestions(id: string): Promise<void> {
    return this.#removeUnder(questions, id)
  }

  async #removeUnder(space: typeof questions | typeof answers, id: string): Promise<void> {
    const keys: string[] = []
    for await (const key of this.#store.keys(space, { prefix: `${id}!` })) keys.push(key)
    await this.#removeAll(space, keys)
  }

  async #removeAll(space: typeof questions | typeof answers, keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += QUESTIONS_PER_WRITE) {
      const some = keys.slice(at, at + QUESTIONS_PER_WRITE)
      await this.#store.transact((tx: Transaction) => {
        for (const key of some) tx.delete(space, key)
      })
    }
  }
}

const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())

/** The request id of a question of a batch: a UUID of version 8 (RFC 9562 §5.8), the same whoever computes it. */
export function questionId(requestId: string, index: number): string {
  const bytes = hash('sha256', `${requestId}/${index}`, 'buffer').subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
