import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { LIMITS } from '../../../protocol/limits.ts'
import type { BlobWriter } from './blobs.ts'
import type { ChunkJob, ChunkReply } from './chunk-worker.ts'

/** Milliseconds without work after which the thread is let go. */
const IDLE_MS = 10_000

/** Who waits for an answer of the thread. */
interface Waiting {
  readonly resolve: (reply: ChunkReply) => void
  readonly reject: (error: Error) => void
}

/** A thread that checks and writes the chunks of blobs. It is started when needed, and keeps no process alive while it has nothing to do. */
export class ChunkThread {
  #worker: Worker | undefined
  #waiting: Waiting[] = []
  #idle: NodeJS.Timeout | undefined
  #blobs = 0
  #open = 0

  /** Writes chunks into `writer`, which nobody else writes to. */
  writeTo(writer: BlobWriter): ChunkWriter {
    this.#open++
    return new ChunkWriter(this, writer, ++this.#blobs)
  }

  /** Asks for an answer. Rejects when the thread fails, which it does for all who wait. */
  ask(job: ChunkJob): Promise<ChunkReply> {
    clearTimeout(this.#idle)
    const worker = this.#started()
    worker.ref()
    return new Promise((resolve, reject) => {
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

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker
    // The worker's file has this file's extension, whether sources or the built package run.
    const url = new URL(`./chunk-worker${extname(import.meta.url)}`, import.meta.url)
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
    if (this.#open > 0) return
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
  readonly #writer: BlobWriter
  readonly #blob: number
  /** Shared with the thread: handing buffers to and fro would count as new memory each time, and call the garbage collector. */
  readonly #free: Uint8Array<SharedArrayBuffer>[] = []
  #isOpen = true

  constructor(thread: ChunkThread, writer: BlobWriter, blob: number) {
    this.#thread = thread
    this.#writer = writer
    this.#blob = blob
  }

  /** A buffer for a chunk, with anything in it. */
  buffer(): Uint8Array<SharedArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(LIMITS.chunkBytes))
  }

  /**
   * Writes the first `length` bytes of `bytes`, which belong to this writer from here on, as the chunk at `position`. Calls may overlap, and
   * are answered in order. False when the bytes are not those of `leaf`, or a chunk before them was not: then nothing was written. Rejects
   * when the disk refuses them.
   */
  async append(
    bytes: Uint8Array<SharedArrayBuffer>,
    length: number,
    position: number,
    leaf: Uint8Array,
  ): Promise<boolean> {
    const fd = this.#writer.descriptor()
    const reply = await this.#thread.ask({ kind: 'append', blob: this.#blob, fd, bytes, length, position, leaf })
    if ('failure' in reply) throw Object.assign(new Error(reply.failure), { code: reply.code })
    if (!('isGood' in reply)) throw new Error('the thread that writes packages answered something else')
    this.#free.push(bytes)
    if (reply.isGood) this.#writer.appended(length, leaf)
    return reply.isGood
  }

  /** Completes the hashes of the blob. */
  async hashed(): Promise<void> {
    const reply = await this.#thread.ask({ kind: 'digest', blob: this.#blob })
    if ('failure' in reply) throw Object.assign(new Error(reply.failure), { code: reply.code })
    if (!('digest' in reply)) throw new Error('the thread that writes packages answered something else')
    this.#writer.digested(reply.digest)
  }

  /** Must be called once everything has been answered. Safe to call again. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#free.length = 0
    this.#thread.forget(this.#blob)
  }
}
