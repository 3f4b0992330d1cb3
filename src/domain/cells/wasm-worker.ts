import { open } from 'node:fs/promises'
import { parentPort } from 'node:worker_threads'
import type { ValidationIssue, WasmReport } from '../../../protocol/annotations.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import {
  checkLocals,
  LISTED_ENTRIES,
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

/** What was found in a package. `report` is null when there is an error among the issues. */
export interface WasmFindings {
  readonly issues: ValidationIssue[]
  readonly passed: string[]
  readonly report: WasmReport | null
}

/** A worker's answer: findings, or why the file could not be read. */
export type WasmReply = { readonly findings: WasmFindings } | { readonly failure: string }

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

function inspect(bytes: Uint8Array): WasmFindings {
  const passed: string[] = []
  try {
    const frame = readFrame(bytes)
    passed.push('wasm_preamble', 'wasm_sections')
    return frame.kind === 'component' ? inspectComponent(passed) : inspectModule(bytes, frame, passed)
  } catch (error) {
    if (!(error instanceof WasmFormatError)) throw error
    return { issues: [issue('error', error.code, error.message, error.offset)], passed, report: null }
  }
}

/** No engine for components is at hand, so only their frame is judged. */
function inspectComponent(passed: string[]): WasmFindings {
  const message = 'a component: its frame was checked, its content was not compiled'
  const report: WasmReport = {
    kind: 'component',
    imports: [],
    exports: [],
    memory_min_bytes: null,
    memory_max_bytes: null,
    compile_ms: null,
  }
  return { issues: [issue('warning', 'WASM_COMPONENT_NOT_COMPILED', message)], passed, report }
}

function inspectModule(bytes: Uint8Array, frame: WasmFrame, passed: string[]): WasmFindings {
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
  if (contents.importCount > LISTED_ENTRIES) {
    const message = `${contents.importCount} imports: the first ${LISTED_ENTRIES} are listed`
    found.push(issue('warning', 'WASM_MANY_IMPORTS', message))
  }
  if (contents.exportCount > LISTED_ENTRIES) {
    const message = `${contents.exportCount} exports: the first ${LISTED_ENTRIES} are listed`
    found.push(issue('warning', 'WASM_MANY_EXPORTS', message))
  }
  return found
}

/** The engine's reason, without the name of the call that asked and without the offset that `location` carries. */
function engineText(error: Error): string {
  return error.message
    .replace(/^WebAssembly\.Module\(\): /, '')
    .replace(/ @\+\d+$/, '')
    .slice(0, 1000)
}

function engineOffset(error: Error): number | undefined {
  const offset = /@\+(\d+)$/.exec(error.message)?.[1]
  return offset === undefined ? undefined : Number(offset)
}

function issue(severity: ValidationIssue['severity'], code: string, message: string, offset?: number): ValidationIssue {
  return { severity, code, message, location: offset === undefined ? 'package' : `package, byte ${offset}` }
}
