import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { TextChange, TextEntry, TextHit } from './text-file.ts'
import type { TextJob, TextReply } from './text-worker.ts'

export type { TextChange, TextEntry, TextHit }

/** Jobs of each kind that may wait; past that, more are refused. */
const MAX_WAITING = 64
/** Changes of one write: how long a search may wait behind it. */
export const MAX_CHANGES = 500
/** Milliseconds without work after which the thread is let go, and gives its memory back. */
const IDLE_MS = 2000
/** Milliseconds after which a job has failed, and its thread with it. The longest is a check of the whole file. */
const JOB_MS = 60_000
/** Bounds of the thread's JavaScript heap; SQLite's memory is outside, bounded by its cache. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 }

/** So much waits already that nothing more is taken. */
export class BusyError extends Error {
  override readonly name = 'BusyError'
}

interface Task {
  readonly job: TextJob
  readonly resolve: (reply: TextReply) => void
  readonly reject: (error: Error) => void
}

/** A thread, and what it works on. */
interface Thread {
  readonly worker: Worker
  readonly ended: Promise<void>
  task: Task | undefined
  timer: NodeJS.Timeout | undefined
}

/**
 * A full-text index in a thread of its own, over a file that can be made anew: see {@link TextFile}. Entries stand in collections, each with
 * the position of its writer, who goes on from there; without one he begins anew. The thread is started when something is asked of
 * it, and ends when nothing was for a while. Searches, and questions
 * for a position, go before writes.
 */
export class TextIndex {
  readonly #path: string
  readonly #idleMs: number
  readonly #searches: Task[] = []
  readonly #writes: Task[] = []
  #thread: Thread | undefined
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor(path: string, options: { idleMs?: number } = {}) {
    this.#path = path
    this.#idleMs = options.idleMs ?? IDLE_MS
  }

  /** Whether there is a file, whatever is in it. Starts no thread. */
  get exists(): boolean {
    return existsSync(this.#path)
  }

  /** Makes at most {@link MAX_CHANGES} changes, all or none, and remembers the writer's position with them. */
  async write(collection: string, changes: readonly TextChange[], position?: string): Promise<void> {
    if (changes.length > MAX_CHANGES) throw new RangeError(`${changes.length} changes, at most ${MAX_CHANGES} at once`)
    await this.#ask(this.#writes, { kind: 'write', collection, changes, position })
  }

  /** The position that was written last; undefined in a new file. */
  async position(collection: string): Promise<string | undefined> {
    const reply = await this.#ask(this.#searches, { kind: 'position', collection })
    return 'position' in reply ? reply.position : undefined
  }

  /** Removes every entry of a collection, and the position. */
  async clear(collection: string): Promise<void> {
    await this.#ask(this.#writes, { kind: 'clear', collection })
  }

  /** At most `limit` entries that fit any text, best first. A search that is given up before its turn costs nothing. */
  async search(
    collection: string,
    text: string,
    { limit, signal }: { readonly limit: number; readonly signal?: AbortSignal },
  ): Promise<readonly TextHit[]> {
    const reply = await this.#ask(this.#searches, { kind: 'search', collection, text, limit }, signal)
    return 'hits' in reply ? reply.hits : []
  }

  /** Refuses what waits, and ends the thread when it has closed the file. */
  async close(): Promise<void> {
    this.#closed = true
    for (const task of [...this.#searches.splice(0), ...this.#writes.splice(0)]) task.reject(closed())
    await this.#rest()
  }

  #ask(waiting: Task[], job: TextJob, signal?: AbortSignal): Promise<TextReply> {
    if (this.#closed) return Promise.reject(closed())
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (waiting.length >= MAX_WAITING)
      return Promise.reject(new BusyError(`${MAX_WAITING} jobs of the text index wait already`))
    return new Promise<TextReply>((resolve, reject) => {
      const task: Task = { job, resolve, reject }
      waiting.push(task)
      signal?.addEventListener('abort', () => {
        const at = waiting.indexOf(task)
        if (at !== -1) waiting.splice(at, 1)
        reject(signal.reason)
      })
      this.#dispatch()
    })
  }

  #dispatch(): void {
    const thread = this.#thread
    if (thread?.task !== undefined) return
    const task = this.#searches.shift() ?? this.#writes.shift()
    if (task === undefined) {
      if (thread !== undefined && !this.#closed)
        this.#idle ??= setTimeout(() => void this.#rest(), this.#idleMs).unref()
      thread?.worker.unref()
      return
    }
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#work(thread ?? this.#start(), task)
  }

  #work(thread: Thread, task: Task): void {
    thread.task = task
    thread.worker.ref()
    thread.timer = setTimeout(() => void thread.worker.terminate(), JOB_MS)
    thread.worker.postMessage(task.job)
  }

  #start(): Thread {
    // The worker's file has this file's extension, whether sources or the built package run.
    const url = new URL(`./text-worker${extname(import.meta.url)}`, import.meta.url)
    const worker = new Worker(url, {
      workerData: this.#path,
      resourceLimits: WORKER_LIMITS,
      env: {},
      // The first releases of Node.js 24 warn that their SQLite is experimental.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    const ended = new Promise<void>((resolve) => void worker.once('exit', () => resolve()))
    const thread: Thread = { worker, ended, task: undefined, timer: undefined }
    this.#thread = thread
    worker.on('message', (reply: TextReply) => {
      // A thread that closes its file is done when it has ended.
      if (thread.task?.job.kind === 'close') return
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
    if (thread.task?.job.kind !== 'close') {
      const job: TextJob = { kind: 'close' }
      this.#writes.push({ job, resolve: () => undefined, reject: () => undefined })
      this.#dispatch()
    }
    await thread.ended
  }
}

/** The task of a thread, which is done with it. */
function finished(thread: Thread): Task | undefined {
  const { task } = thread
  thread.task = undefined
  clearTimeout(thread.timer)
  return task
}

const closed = (): Error => new Error('the text index was closed')
