import { open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { siblingOf } from '../../kernel/base/siblings.ts'
import type { Findings, PackageFacts, StartMeasurement, Validator } from '../../kernel/plugins/packages/validators.ts'
import { measureModuleStart } from './measured-start.ts'
import { refusal } from './refusal.ts'
import { checkSize, DEFAULT_TIMEOUT_MS, SandboxedOpener, type ValidatorConfig } from './sandboxed.ts'
import type { WasmJob, WasmReply } from './wasm-worker.ts'

/** Bytes of a module that is opened: the engine needs it in memory twice, and the largest in use are a fifth of this. */
export const MAX_WASM_BYTES = 512 * 1024 * 1024

/** Bytes compiled after which a worker is replaced: what modules took is given back then, instead of at some late collection. */
const RECYCLE_BYTES = 64 * 1024 * 1024

/** Threads that compile at the same time. The engine spreads one large module over cores by itself. */
const WORKERS = Math.min(2, availableParallelism())

/** Bounds of a worker's JavaScript heap. The bytes of a module and its code are outside, bounded by {@link MAX_WASM_BYTES}. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 }

/** Bytes of a component that is opened. */
export const MAX_COMPONENT_BYTES = 64 * 1024 * 1024

/** Bytes of memory to examine one: its bytes several times over, and the tool that examines it. */
const COMPONENT_MEMORY_BYTES = 512 * 1024 * 1024

const MAGIC = [0x00, 0x61, 0x73, 0x6d]
const COMPONENT_PREAMBLE = Uint8Array.of(...MAGIC, 0x0d, 0, 1, 0)

interface Task {
  readonly job: WasmJob
  readonly resolve: (findings: Findings) => void
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

/**
 * Opens packages of the format `wasm`: modules and components. Of a module, preamble and section frames are checked, the engine compiles
 * it, and what it declares is listed; up to two threads do that, started when first needed and then kept. Components are examined in the
 * sandbox. The content of custom sections (names, debug data) is not judged: the WebAssembly specification says that it never makes a
 * module invalid.
 *
 * Errors among the issues: `WASM_MAGIC`, `WASM_VERSION`, `WASM_TRUNCATED`, `WASM_INVALID`, `WASM_TOO_COMPLEX`, `WASM_TOO_LARGE`,
 * `WASM_TIMEOUT`, `WASM_RESOURCES`; for components also `SANDBOX_TIMEOUT`, `SANDBOX_MEMORY`. Warnings: `WASM_MEMORY_UNBOUNDED`,
 * `WASM_MANY_IMPORTS`, `WASM_MANY_EXPORTS`.
 */
export const createWasmValidator = (_signal: AbortSignal, config: ValidatorConfig): Validator =>
  new WasmValidator(config)

class WasmValidator implements Validator {
  readonly formats = ['wasm']
  readonly mediaType = 'application/wasm'
  readonly #modules: WorkerPool
  readonly #components: SandboxedOpener

  constructor(config: ValidatorConfig) {
    this.#modules = new WorkerPool(config.timeout ?? DEFAULT_TIMEOUT_MS)
    const opener = {
      program: sibling('component-program'),
      memoryBytes: COMPONENT_MEMORY_BYTES,
    }
    this.#components = new SandboxedOpener(opener, config)
  }

  recognises(head: Uint8Array): boolean {
    return MAGIC.every((byte, index) => head[index] === byte)
  }

  async validate(source: string | Uint8Array, facts: PackageFacts): Promise<Findings> {
    if (typeof source !== 'string') checkSize(source, facts.size)
    if (facts.size > MAX_WASM_BYTES) return tooLarge(facts.size, MAX_WASM_BYTES)
    const head = await preamble(source)
    const isComponent = COMPONENT_PREAMBLE.every((byte, index) => head[index] === byte)
    if (!isComponent) return this.#modules.validate(source, facts.size)
    if (facts.size > MAX_COMPONENT_BYTES) return tooLarge(facts.size, MAX_COMPONENT_BYTES)
    return this.#components.open(source, facts)
  }

  measureStart(bytes: Uint8Array, signal: AbortSignal): Promise<StartMeasurement> {
    return measureModuleStart(sibling('start-program'), bytes, signal)
  }

  async close(): Promise<void> {
    await Promise.all([this.#modules.close(), this.#components.close()])
  }
}

const tooLarge = (size: number, most: number): Findings =>
  refusal('WASM_TOO_LARGE', `${size} bytes, at most ${most} can be opened`)

/** A file beside this one, with its extension, whether sources or the built package run. */
const sibling = (name: string): URL => siblingOf(import.meta.url, name)

/** The first bytes of a package, as many as a preamble has. */
async function preamble(source: string | Uint8Array): Promise<Uint8Array> {
  if (typeof source !== 'string') return source.subarray(0, COMPONENT_PREAMBLE.length)
  const file = await open(source)
  try {
    const { buffer, bytesRead } = await file.read({ buffer: new Uint8Array(COMPONENT_PREAMBLE.length) })
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

class WorkerPool {
  readonly #timeoutMs: number
  readonly #waiting: Task[] = []
  readonly #slots = new Set<Slot>()
  #closed = false

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  validate(source: string | Uint8Array, size: number): Promise<Findings> {
    if (this.#closed) return Promise.reject(new Error('the validator is closed'))
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
      slot.timer = setTimeout(() => this.#expire(slot), this.#timeoutMs)
      slot.worker.postMessage(task.job, transferred(task.job.source))
    }
  }

  #idleSlot(): Slot | undefined {
    for (const slot of this.#slots) if (slot.task === undefined && !slot.ending) return slot
    return this.#slots.size < WORKERS ? this.#start() : undefined
  }

  #start(): Slot {
    const worker = new Worker(sibling('wasm-worker'), { resourceLimits: WORKER_LIMITS, env: {}, execArgv: [] })
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
    this.#finish(slot)?.resolve(refusal('WASM_TIMEOUT', `not compiled within ${this.#timeoutMs} ms`))
    void this.#end(slot)
  }

  /** A thread that ran out of heap says so about its package; any other failure is this node's, not the package's. */
  #fail(slot: Slot, error: Error): void {
    slot.ending = true
    const task = this.#finish(slot)
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
