import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { WasmFindings, WasmJob, WasmReply } from './wasm-worker.ts'

/** Bytes of a module that is opened: the engine needs it in memory twice, and the largest in use are a fifth of this. */
export const MAX_WASM_BYTES = 512 * 1024 * 1024

/** Bytes compiled after which a worker is replaced: what modules took is given back then, instead of at some late collection. */
const RECYCLE_BYTES = 64 * 1024 * 1024

/** Threads that compile at the same time. The engine spreads one large module over cores by itself. */
const WORKERS = Math.min(2, availableParallelism())

/** Bounds of a worker's JavaScript heap. The bytes of a module and its code are outside, bounded by {@link MAX_WASM_BYTES}. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 }

/** Options of {@link createWasmValidator}. */
export interface WasmValidatorOptions {
  /** Milliseconds that one package may take. */
  readonly timeoutMs: number
  /** Told of workers that had to be replaced. */
  readonly logger?: { warn(details: object, message: string): void } | undefined
}

/** Opens packages of the format `wasm`. */
export interface WasmValidator {
  /**
   * Checks the preamble and the section frames, compiles the module with the engine, and lists what it declares. Components are
   * framed but not compiled. The content of custom sections (names, debug data) is not judged: the WebAssembly specification says
   * that it never makes a module invalid.
   *
   * Errors among the issues: `WASM_MAGIC`, `WASM_VERSION`, `WASM_TRUNCATED`, `WASM_INVALID`, `WASM_TOO_COMPLEX`, `WASM_TOO_LARGE`,
   * `WASM_TIMEOUT`, `WASM_RESOURCES`. Warnings: `WASM_MEMORY_UNBOUNDED`, `WASM_MANY_IMPORTS`, `WASM_MANY_EXPORTS`,
   * `WASM_COMPONENT_NOT_COMPILED`. `report` is null exactly when there is an error.
   *
   * @param source path of the file, or the bytes of a small package, which are the validator's from then on
   * @param size bytes of the package; another size on disk rejects
   * @throws Error when the file cannot be read, or the validator is closed
   */
  validate(source: string | Uint8Array, size: number): Promise<WasmFindings>
  /** Stops the workers. Packages under way are rejected. */
  close(): Promise<void>
}

interface Task {
  readonly job: WasmJob
  readonly resolve: (findings: WasmFindings) => void
  readonly reject: (error: Error) => void
}

interface Slot {
  readonly worker: Worker
  /** What it works on; undefined when idle. */
  task: Task | undefined
  timer: NodeJS.Timeout | undefined
  /** Bytes it has compiled. */
  bytes: number
  /** True once it was told to end; it keeps its place until its thread is gone, so that threads never pile up. */
  ending: boolean
}

/** A validator with up to two worker threads, started when first needed and then kept. */
export function createWasmValidator(options: WasmValidatorOptions): WasmValidator {
  return new WorkerPool(options)
}

class WorkerPool implements WasmValidator {
  readonly #options: WasmValidatorOptions
  readonly #waiting: Task[] = []
  readonly #slots = new Set<Slot>()
  #closed = false

  constructor(options: WasmValidatorOptions) {
    this.#options = options
  }

  validate(source: string | Uint8Array, size: number): Promise<WasmFindings> {
    if (this.#closed) return Promise.reject(new Error('the validator is closed'))
    if (size > MAX_WASM_BYTES) {
      return Promise.resolve(refusal('WASM_TOO_LARGE', `${size} bytes, at most ${MAX_WASM_BYTES} can be opened`))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job: { source, size }, resolve, reject })
      this.#dispatch()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    const stopped = new Error('the validator was closed')
    for (const task of this.#waiting.splice(0)) task.reject(stopped)
    await Promise.all(
      [...this.#slots].map((slot) => {
        this.#finish(slot)?.reject(stopped)
        return this.#end(slot)
      }),
    )
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const slot = this.#idleSlot()
      const task = slot === undefined ? undefined : this.#waiting.shift()
      if (slot === undefined || task === undefined) return
      slot.task = task
      slot.worker.ref()
      slot.timer = setTimeout(() => this.#expire(slot), this.#options.timeoutMs)
      slot.worker.postMessage(task.job, transferred(task.job.source))
    }
  }

  #idleSlot(): Slot | undefined {
    for (const slot of this.#slots) if (slot.task === undefined && !slot.ending) return slot
    return this.#slots.size < WORKERS ? this.#start() : undefined
  }

  #start(): Slot {
    // The worker's file has this file's extension, whether sources or the built package run.
    const url = new URL(`./wasm-worker${extname(import.meta.url)}`, import.meta.url)
    const worker = new Worker(url, { resourceLimits: WORKER_LIMITS, env: {}, execArgv: [] })
    const slot: Slot = { worker, task: undefined, timer: undefined, bytes: 0, ending: false }
    this.#slots.add(slot)
    worker.on('message', (reply: WasmReply) => this.#receive(slot, reply))
    worker.on('error', (error) => this.#fail(slot, error))
    worker.on('exit', () => {
      this.#slots.delete(slot)
      this.#finish(slot)?.reject(new Error('the validating thread ended unexpectedly'))
      this.#dispatch()
    })
    return slot
  }

  #receive(slot: Slot, reply: WasmReply): void {
    const task = this.#finish(slot)
    if (task === undefined) return
    if ('findings' in reply) task.resolve(reply.findings)
    else task.reject(new Error(reply.failure))
    slot.bytes += task.job.size
    if (slot.bytes > RECYCLE_BYTES) void this.#end(slot)
    else slot.worker.unref()
    this.#dispatch()
  }

  #expire(slot: Slot): void {
    const { timeoutMs } = this.#options
    this.#finish(slot)?.resolve(refusal('WASM_TIMEOUT', `not compiled within ${timeoutMs} ms`))
    this.#options.logger?.warn({ timeout_ms: timeoutMs }, 'a package took too long to validate; its thread is replaced')
    void this.#end(slot)
  }

  /** A thread that ran out of heap says so about its package; any other failure is this node's, not the package's. */
  #fail(slot: Slot, error: Error): void {
    slot.ending = true
    const task = this.#finish(slot)
    this.#options.logger?.warn({ err: error }, 'a validating thread failed and is replaced')
    if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      task?.resolve(refusal('WASM_RESOURCES', 'the package needs more memory than its validation may take'))
    } else {
      task?.reject(error)
    }
  }

  /** Takes the task from a slot. */
  #finish(slot: Slot): Task | undefined {
    const task = slot.task
    slot.task = undefined
    clearTimeout(slot.timer)
    return task
  }

  async #end(slot: Slot): Promise<void> {
    slot.ending = true
    await slot.worker.terminate()
  }
}

/** Bytes that fill their buffer are handed over instead of copied. */
const transferred = (source: string | Uint8Array): ArrayBuffer[] =>
  typeof source !== 'string' && source.buffer instanceof ArrayBuffer && source.byteLength === source.buffer.byteLength
    ? [source.buffer]
    : []

function refusal(code: string, message: string): WasmFindings {
  return { issues: [{ severity: 'error', code, message, location: 'package' }], passed: [], report: null }
}
