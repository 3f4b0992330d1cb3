import { open } from 'node:fs/promises'
import { parentPort } from 'node:worker_threads'
import type { ValidationIssue, WasmReport } from '../../../protocol/annotations.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { Findings } from '../../kernel/plugins/packages/validators.ts'
import { engineText, issue, manyEntries } from './wasm-findings.ts'
import {
  checkLocals,
  readContents,
  readFrame,
  type WasmContents,
  WasmFormatError,
  type WasmFrame,
} from './wasm-sections.ts'

/** One package to look at. */
export interface WasmJob {
  /** Path of its file, or its bytes. */
  readonly source: string | Uint8Array
  /** Bytes that it must have. */
  readonly size: number
}

/** A worker's answer: findings, or why the file could not be read. */
export type WasmReply = { readonly findings: Findings } | { readonly failure: string }

parentPort?.on('message', (job: WasmJob) => {
  readPackage(job).then(
    (bytes) => reply({ findings: inspect(bytes) }),
    (error: unknown) => reply({ failure: errorMessage(error) }),
  )
})

function reply(message: WasmReply): void {
  parentPort?.postMessage(message)
}

async function readPackage({ source, size: expected }: WasmJob): Promise<Uint8Array> {
  if (typeof source !== 'string') return source
  const file = await open(source)
  try {
    const { size } = await file.stat()
    if (size !== expected) throw new Error(`${source} has ${size} bytes, expected ${expected}`)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

function inspect(bytes: Uint8Array): Findings {
  const passed: string[] = []
  try {
    const frame = readFrame(bytes)
    passed.push('wasm_preamble', 'wasm_sections')
    return inspectModule(bytes, frame, passed)
  } catch (error) {
    if (!(error instanceof WasmFormatError)) throw error
    return { issues: [issue('error', error.code, error.message, error.offset)], passed, report: null }
  }
}

function inspectModule(bytes: Uint8Array, frame: WasmFrame, passed: string[]): Findings {
  checkLocals(bytes, frame)
  const started = performance.now()
  try {
    // The engine validates every function body here; machine code follows at a function's first call.
    new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>)
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error
    return { issues: [issue('error', 'WASM_INVALID', engineText(error), engineOffset(error))], passed, report: null }
  }
  const compileMs = Math.round((performance.now() - started) * 1000) / 1000
  const contents = readContents(bytes, frame)
  const bounded = contents.memories.every((memory) => memory.max !== null)
  passed.push('wasm_compile', 'wasm_imports', 'wasm_exports', ...(bounded ? ['wasm_memory_bounded'] : []))
  const report: WasmReport = {
    kind: 'module',
    imports: contents.imports,
    exports: contents.exports,
    memory_min_bytes: contents.memories.reduce((sum, memory) => sum + memory.min, 0),
    memory_max_bytes: bounded ? contents.memories.reduce((sum, memory) => sum + (memory.max ?? 0), 0) : null,
    compile_ms: compileMs,
  }
  return { issues: warnings(contents, bounded), passed, report }
}

function warnings(contents: WasmContents, bounded: boolean): ValidationIssue[] {
  const found: ValidationIssue[] = []
  if (!bounded) {
    found.push(
      issue('warning', 'WASM_MEMORY_UNBOUNDED', 'a memory declares no maximum: it may grow to all that a host gives'),
    )
  }
  return [...found, ...manyEntries(contents)]
}

function engineOffset(error: Error): number | undefined {
  const offset = /@\+(\d+)$/.exec(error.message)?.[1]
  return offset === undefined ? undefined : Number(offset)
}
