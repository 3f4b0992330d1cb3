import type { QueryRequest, QueryResponse } from '../../../protocol/assurance.ts'
import type { BatchAnswer, Batches, EndedBatch } from '../../domain/assurance/batches.ts'
import type { Operators } from '../../domain/assurance/operators.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { EventMap } from '../../kernel/telemetry/events.ts'
import type { NodeParts } from '../parts.ts'

/** Questions of batches that are answered at a time: while one waits for a disk or a thread, others use the processor. */
const AT_ONCE = 4
/** Milliseconds of work after which the event loop gets its turn. */
const TURN_MS = 5
/** Answers that share a write, and the milliseconds that the first of them waits for others. */
const ANSWERS_PER_WRITE = 64
const WRITE_AFTER_MS = 50
/** Answers that are not durable yet, at most: 25 MB at the worst, and as many are answered anew after a crash. */
const UNSAVED = 256
/** Milliseconds between two sweeps of batches whose time is over, and after a write that failed. */
const SWEEP_MS = 60_000
const RETRY_MS = 1000

interface Work {
  readonly batchId: string
  readonly index: number
}

/** A batch that is worked on: which question is next. */
interface Course {
  readonly id: string
  readonly total: number
  next: number
}

/**
 * Answers batches, one question after the other, taking turns between operators. Answers are written together, and count once they are durable:
 * after a restart it goes on with the first question that has none.
 */
export class BatchRunner implements Part {
  readonly name = 'batches'
  readonly #parts: Pick<NodeParts, 'logger' | 'events'>
  readonly #batches: Batches
  readonly #operators: Pick<Operators, 'get'>
  readonly #answer: (request: QueryRequest, batchId: string, signal: AbortSignal) => Promise<QueryResponse>
  /** Operator id → its batches, oldest first. The operator whose turn it is comes first. */
  readonly #courses = new Map<string, Course[]>()
  readonly #stopping = new AbortController()
  readonly #workers = new Set<Promise<void>>()
  #unsaved: BatchAnswer[] = []
  #saving: Promise<void> = Promise.resolve()
  #savingCount = 0
  #sweeping: Promise<void> = Promise.resolve()
  #writeTimer: NodeJS.Timeout | undefined
  #sweepTimer: NodeJS.Timeout | undefined
  #turnStarted = performance.now()
  /** Resolved when answers became durable. */
  #room: (() => void)[] = []

  constructor(
    parts: Pick<NodeParts, 'logger' | 'events'>,
    {
      batches,
      operators,
      answer,
    }: {
      readonly batches: Batches
      readonly operators: Pick<Operators, 'get'>
      /** Never rejects for what is wrong with a question: that is its answer. */
      readonly answer: (request: QueryRequest, batchId: string, signal: AbortSignal) => Promise<QueryResponse>
    },
  ) {
    this.#parts = parts
    this.#batches = batches
    this.#operators = operators
    this.#answer = answer
  }

  async start(): Promise<void> {
    await this.#batches.load()
    for (const [id] of this.#batches.unfinished()) this.add(id)
    this.#sweep()
    this.#sweepTimer = setInterval(() => this.#sweep(), SWEEP_MS)
  }

  /** Lets answers under way end, and writes them. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    clearInterval(this.#sweepTimer)
    this.#freeRoom()
    await Promise.all(this.#workers)
    clearTimeout(this.#writeTimer)
    this.#write()
    await Promise.all([this.#saving, this.#sweeping])
  }

  /** Begins with a batch, or goes on with it. */
  add(id: string): void {
    const record = this.#batches.get(id)
    if (record === undefined) return
    const answered = record.succeeded + record.partial + record.failed
    // Answers become durable nearly in order: what is missing is among the last of them, those under way included.
    const course = { id, total: record.total, next: Math.max(0, answered - UNSAVED - 2 * AT_ONCE) }
    const courses = this.#courses.get(record.operator_id)
    if (courses === undefined) this.#courses.set(record.operator_id, [course])
    else courses.push(course)
    this.#enlist()
  }

  #enlist(): void {
    while (this.#workers.size < AT_ONCE && this.#courses.size > 0 && !this.#stopping.signal.aborted) {
      const worker = this.#work().finally(() => {
        this.#workers.delete(worker)
        // Work may have come between its last look and now.
        this.#enlist()
      })
      this.#workers.add(worker)
    }
  }

  /** Stops working on a batch. Durable when it resolves. */
  async cancel(id: string): Promise<void> {
    const operatorId = this.#batches.get(id)?.operator_id
    const ended = await this.#batches.cancel(id)
    if (operatorId !== undefined) this.#drop(operatorId, id)
    if (ended !== undefined) this.#announce(ended)
  }

  async #work(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      if (this.#unsaved.length + this.#savingCount >= UNSAVED) {
        await new Promise<void>((resolve) => this.#room.push(resolve))
        continue
      }
      const work = this.#next()
      if (work === undefined) return
      await this.#answerOne(work)
      if (performance.now() - this.#turnStarted >= TURN_MS) {
        await new Promise((resolve) => setImmediate(resolve))
        this.#turnStarted = performance.now()
      }
    }
  }

  /** The next question of the operator whose turn it is; the turn passes on. */
  #next(): Work | undefined {
    for (const [operatorId, courses] of this.#courses) {
      this.#courses.delete(operatorId)
      const course = courses[0]
      if (course === undefined) continue
      const work = { batchId: course.id, index: course.next++ }
      if (course.next >= course.total) courses.shift()
      if (courses.length > 0) this.#courses.set(operatorId, courses)
      return work
    }
    return undefined
  }

  async #answerOne({ batchId, index }: Work): Promise<void> {
    const request = this.#batches.question(batchId, index)
    if (request === undefined) return
    if (this.#operators.get(request.operator_id)?.status !== 'active') {
      await this.cancel(batchId).catch((error: unknown) => this.#failed('cancelling a batch', error))
      return
    }
    this.#batches.started(batchId)
    let response: QueryResponse
    try {
      response = await this.#answer(request, batchId, this.#stopping.signal)
    } catch (error) {
      // It has no answer yet: after a restart it is asked again.
      if (!this.#stopping.signal.aborted) this.#failed('answering a question of a batch', error)
      return
    }
    this.#unsaved.push({ batchId, index, status: response.status, text: JSON.stringify(response) })
    if (this.#unsaved.length >= ANSWERS_PER_WRITE) this.#write()
    else this.#writeTimer ??= setTimeout(() => this.#write(), WRITE_AFTER_MS)
  }

  /** Writes what is not durable, behind what is being written. */
  #write(): void {
    clearTimeout(this.#writeTimer)
    this.#writeTimer = undefined
    const answers = this.#unsaved
    if (answers.length === 0) return
    this.#unsaved = []
    this.#savingCount += answers.length
    this.#saving = this.#saving.then(() => this.#save(answers))
  }

  async #save(answers: readonly BatchAnswer[]): Promise<void> {
    for (let isDone = false; !isDone; ) {
      try {
        for (const ended of await this.#batches.save(answers)) this.#announce(ended)
        isDone = true
      } catch (error) {
        this.#failed('writing answers of batches', error)
        if (this.#stopping.signal.aborted) break
        // A disk that is full may have room again.
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
    this.#savingCount -= answers.length
    this.#freeRoom()
  }

  #sweep(): void {
    this.#sweeping = this.#sweeping
      .then(() => this.#batches.sweep())
      .catch((error: unknown) => this.#failed('forgetting batches', error))
  }

  #freeRoom(): void {
    for (const resolve of this.#room.splice(0)) resolve()
  }

  #drop(operatorId: string, id: string): void {
    const left = (this.#courses.get(operatorId) ?? []).filter((course) => course.id !== id)
    if (left.length === 0) this.#courses.delete(operatorId)
    else this.#courses.set(operatorId, left)
  }

  #announce(ended: EndedBatch): void {
    this.#parts.events.emit('batch_complete', batchComplete(ended))
  }

  #failed(task: string, error: unknown): void {
    this.#parts.logger.error({ task, reason: errorMessage(error) }, 'batches')
  }
}

/** What is said of a batch that ended. */
export function batchComplete({ id, record }: EndedBatch): EventMap['batch_complete'] {
  const { request_id: requestId, operator_id: operatorId, status, total, succeeded, partial, failed } = record
  const cancelled = status === 'cancelled'
  return { operatorId, requestId, batchId: id, total, succeeded: succeeded + partial, failed, cancelled }
}
