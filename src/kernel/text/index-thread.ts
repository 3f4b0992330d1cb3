import { type ResourceLimits, Worker } from 'node:worker_threads'
import { siblingOf } from '../base/siblings.ts'

/** Milliseconds after which a job has failed, and its thread with it. The longest is a check of the whole file. */
const JOB_MS = 60_000

/** So much waits already that nothing more is taken. */
export class BusyError extends Error {
  override readonly name = 'BusyError'
}

/** What a thread is asked for at its end: to close its file. */
export interface CloseJob {
  readonly kind: 'close'
}

/** A thread answers each job, in order; with a failure where there was one. */
export interface Failure {
  readonly failure: string
}

interface ThreadOptions {
  /** Of the thread's file, without its extension, beside this one. */
  readonly program: string
  /** What the program is started with: the path of its file, or the bounds of what it keeps in memory. */
  readonly data: string | number
  /** Milliseconds without work after which the thread is let go, and gives its memory back. */
  readonly idleMs: number
  /** Jobs of each kind that may wait; past that, more are refused. */
  readonly maxWaiting: number
  /** Bounds of the thread's JavaScript heap; SQLite's memory is outside, bounded by its cache. */
  readonly limits: ResourceLimits
}

interface Task<Job, Reply> {
  readonly job: Job | CloseJob
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
}

/** A thread, and what it works on. */
interface Thread<Job, Reply> {
  readonly worker: Worker
  readonly ended: Promise<void>
  task: Task<Job, Reply> | undefined
  timer: NodeJS.Timeout | undefined
}

/**
 * A thread that works on a file, or on what it keeps in memory, job after job. It is started when something is asked of it, and ends when nothing was for a while. What is
 * asked in a hurry goes before what is not.
 */
export class IndexThread<Job extends object, Reply extends object> {
  readonly #options: ThreadOptions
  readonly #urgent: Task<Job, Reply>[] = []
  readonly #others: Task<Job, Reply>[] = []
  #thread: Thread<Job, Reply> | undefined
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: ThreadOptions) {
    this.#options = options
  }

  /** A job that is given up before its turn costs nothing. */
  ask(
    job: Job,
    { isUrgent, signal }: { readonly isUrgent: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<Reply> {
    const waiting = isUrgent ? this.#urgent : this.#others
    const { maxWaiting } = this.#options
    if (this.#closed) return Promise.reject(closed())
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (waiting.length >= maxWaiting)
      return Promise.reject(new BusyError(`${maxWaiting} jobs of the text index wait already`))
    return new Promise<Reply>((resolve, reject) => {
      const giveUp = (): void => {
        const at = waiting.indexOf(task)
        if (at !== -1) waiting.splice(at, 1)
        reject(signal?.reason)
      }
      const over = (): void => signal?.removeEventListener('abort', giveUp)
      const task: Task<Job, Reply> = {
        job,
        resolve(reply) {
          over()
          resolve(reply)
        },
        reject(error) {
          over()
          reject(error)
        },
      }
      waiting.push(task)
      signal?.addEventListener('abort', giveUp, { once: true })
      this.#dispatch()
    })
  }

  /** Refuses what waits, and ends the thread when it has closed the file. */
  async close(): Promise<void> {
    this.#closed = true
    for (const task of [...this.#urgent.splice(0), ...this.#others.splice(0)]) task.reject(closed())
    await this.#rest()
  }

  #dispatch(): void {
    const thread = this.#thread
    if (thread?.task !== undefined) return
    const task = this.#urgent.shift() ?? this.#others.shift()
    if (task === undefined) {
      if (thread !== undefined && !this.#closed)
        this.#idle ??= setTimeout(() => void this.#rest(), this.#options.idleMs).unref()
      thread?.worker.unref()
      return
    }
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#work(thread ?? this.#start(), task)
  }

  #work(thread: Thread<Job, Reply>, task: Task<Job, Reply>): void {
    thread.task = task
    thread.worker.ref()
    thread.timer = setTimeout(() => void thread.worker.terminate(), JOB_MS)
    thread.worker.postMessage(task.job)
  }

  #start(): Thread<Job, Reply> {
    const { program, data, limits } = this.#options
    const url = siblingOf(import.meta.url, program)
    const worker = new Worker(url, {
      workerData: data,
      resourceLimits: limits,
      env: {},
      // The first releases of Node.js 24 warn that their SQLite is experimental.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    const ended = new Promise<void>((resolve) => void worker.once('exit', () => resolve()))
    const thread: Thread<Job, Reply> = { worker, ended, task: undefined, timer: undefined }
    this.#thread = thread
    worker.on('message', (reply: Reply | Failure) => {
      // A thread that closes its file is done when it has ended.
      if (thread.task !== undefined && isClose(thread.task.job)) return
      const task = finished(thread)
      if ('failure' in reply) task?.reject(new Error(`the text index: ${reply.failure}`))
      else task?.resolve(reply)
      this.#dispatch()
    })
    worker.on('error', (error: unknown) => {
      finished(thread)?.reject(error instanceof Error ? error : new Error(String(error)))
    })
    worker.on('exit', () => {
      finished(thread)?.reject(new Error('the thread of the text index ended'))
      this.#thread = undefined
      if (!this.#closed) this.#dispatch()
    })
    return thread
  }

  /** Lets the thread close its file and end, after what waits. What is asked meanwhile is for another one. */
  async #rest(): Promise<void> {
    clearTimeout(this.#idle)
    this.#idle = undefined
    const thread = this.#thread
    if (thread === undefined) return
    if (thread.task === undefined || !isClose(thread.task.job)) {
      this.#others.push({ job: { kind: 'close' }, resolve: () => undefined, reject: () => undefined })
      this.#dispatch()
    }
    await thread.ended
  }
}

const isClose = (job: object): job is CloseJob => 'kind' in job && job.kind === 'close'

/** The task of a thread, which is done with it. */
function finished<Job, Reply>(thread: Thread<Job, Reply>): Task<Job, Reply> | undefined {
  const { task } = thread
  thread.task = undefined
  clearTimeout(thread.timer)
  return task
}

const closed = (): Error => new Error('the text index was closed')
