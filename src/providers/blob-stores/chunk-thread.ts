import { Worker } from 'node:worker_threads'
import { LIMITS } from '../../../protocol/limits.ts'
import { siblingOf } from '../../kernel/base/siblings.ts'
import type { ChunkJob, ChunkReply } from './chunk-worker.ts'

/** Milliseconds without work after which the thread is let go. */
const IDLE_MS = 10_000

/** Who waits for an answer of the thread. */
interface Waiting {
  readonly resolve: (reply: ChunkReply) => void
  readonly reject: (error: Error) => void
}

/** A thread that checks and writes the chunks of blobs. It is started when needed, and keeps no process alive while it is idle. */
export class ChunkThread {
  #worker: Worker | undefined
  #waiting: Waiting[] = []
  #idle: NodeJS.Timeout | undefined
  #blobs = 0
  #open = 0
  #closed = false

  /** Starts a blob. */
  writeBlob(): ChunkWriter {
    this.#open++
    return new ChunkWriter(this, ++this.#blobs)
  }

  /** Asks for an answer. Rejects when the thread fails, which it does for all who wait. */
  async ask(job: ChunkJob): Promise<ChunkReply> {
    if (this.#closed) throw new Error('the thread that writes packages was closed')
    clearTimeout(this.#idle)
    const worker = this.#started()
    worker.ref()
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      worker.postMessage(job)
    })
  }

  /** A blob is done with. */
  forget(blob: number): void {
    this.#open--
    this.#worker?.postMessage({ kind: 'forget', blob } satisfies ChunkJob)
    this.#rest()
  }

  /** Ends the thread, and starts no other. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    await this.#worker?.terminate()
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const url = siblingOf(import.meta.url, 'chunk-worker')
    const worker = new Worker(url, { env: {}, execArgv: [] })
    worker.on('message', (reply: ChunkReply) => {
      this.#waiting.shift()?.resolve(reply)
      this.#rest()
    })
    worker.on('error', (error) => this.#lost(worker, error))
    worker.on('exit', () => this.#lost(worker, new Error('the thread that writes packages ended')))
    this.#worker = worker
    return worker
  }

  #rest(): void {
    if (this.#waiting.length > 0) return
    this.#worker?.unref()
    clearTimeout(this.#idle)
    if (this.#open > 0 || this.#closed) return
    this.#idle = setTimeout(() => {
      const worker = this.#worker
      this.#worker = undefined
      void worker?.terminate()
    }, IDLE_MS).unref()
  }

  #lost(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#waiting.splice(0)) reject(error instanceof Error ? error : new Error(String(error)))
  }
}

/** Writes one blob chunk by chunk, each checked against its leaf digest before it is written. */
export class ChunkWriter {
  readonly #thread: ChunkThread
  readonly #blob: number
  /** Shared with the thread: handing buffers to and fro would count as new memory each time, and call the garbage collector. */
  readonly #free: Uint8Array[] = []
  #isOpen = true

  constructor(thread: ChunkThread, blob: number) {
    this.#thread = thread
    this.#blob = blob
  }

  /** A buffer for a chunk, with anything in it. */
  buffer(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(LIMITS.chunkBytes))
  }

  /** Writes a chunk into the file `fd`, which must stay open until this is answered. The rest is as in `BlobWriter.append`. */
  async append(fd: number, bytes: Uint8Array, length: number, position: number, leaf: Uint8Array): Promise<boolean> {
    const reply = await this.#ask({ kind: 'append', blob: this.#blob, fd, bytes, length, position, leaf })
    if (!('isGood' in reply)) throw new Error('the thread that writes packages answered something else')
    if (this.#isOpen) this.#free.push(bytes)
    return reply.isGood
  }

  /** The digest of all that was written, in hexadecimal. */
  async digest(): Promise<string> {
    const reply = await this.#ask({ kind: 'digest', blob: this.#blob })
    if (!('digest' in reply)) throw new Error('the thread that writes packages answered something else')
    return reply.digest
  }

  /** Must be called once everything has been answered. Safe to call again. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#free.length = 0
    this.#thread.forget(this.#blob)
  }

  async #ask(job: ChunkJob): Promise<ChunkReply> {
    const reply = await this.#thread.ask(job)
    if ('failure' in reply) throw Object.assign(new Error(reply.failure), { code: reply.code })
    return reply
  }
}
