/** Runs in the sandbox: opens one WebAssembly component from its standard input. */
import { registerHooks } from 'node:module'
import { buffer } from 'node:stream/consumers'
import type { WasmReport } from '../../../protocol/annotations.ts'
import type { Findings } from '../../kernel/plugins/packages/validators.ts'
import { answerSandbox } from '../../kernel/sandbox/program.ts'
import { coreModules, readComponentContents } from './component-sections.ts'
import { engineText, issue, manyEntries } from './wasm-findings.ts'
import { checkLocals, readFrame, WasmFormatError } from './wasm-sections.ts'

/** Characters of a tool's reason that a finding repeats. */
const REASON_LENGTH = 1000

await answerSandbox(async (input) => inspect(await buffer(input)))

/**
 * The engine judges the core modules, function bodies included; wasm-tools judges everything around them, and does not look at bodies.
 */
async function inspect(bytes: Uint8Array): Promise<Findings> {
  const passed: string[] = []
  try {
    for (const module of coreModules(bytes)) compile(module, module.byteOffset - bytes.byteOffset)
    passed.push('wasm_preamble', 'wasm_sections', 'wasm_compile')
    await decode(bytes)
    const contents = readComponentContents(bytes)
    passed.push('wasm_component', 'wasm_imports', 'wasm_exports')
    const report: WasmReport = {
      kind: 'component',
      imports: contents.imports,
      exports: contents.exports,
      memory_min_bytes: null,
      memory_max_bytes: null,
      compile_ms: null,
    }
    return { issues: manyEntries(contents), passed, report }
  } catch (error) {
    if (!(error instanceof WasmFormatError)) throw error
    return { issues: [issue('error', error.code, error.message, error.offset)], passed, report: null }
  }
}

/** `offset` is the module's place in the component. */
function compile(module: Uint8Array, offset: number): void {
  checkLocals(module, readFrame(module))
  try {
    new WebAssembly.Module(module as Uint8Array<ArrayBuffer>)
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error
    throw new WasmFormatError('WASM_INVALID', `a core module: ${engineText(error)}`, offset)
  }
}

async function decode(bytes: Uint8Array): Promise<void> {
  const { componentWit } = await loadTools()
  try {
    await componentWit(bytes)
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) {
      throw new WasmFormatError('WASM_TOO_COMPLEX', `cannot be examined: ${error.message}`, 0)
    }
    const reason = error instanceof Error && 'payload' in error ? String(error.payload) : undefined
    if (reason === undefined) throw error
    throw new WasmFormatError(
      'WASM_INVALID',
      reason.slice(0, REASON_LENGTH),
      Number(/offset (0x[0-9a-f]+)/.exec(reason)?.[1] ?? 0),
    )
  }
}

/**
 * wasm-tools is itself a component, and expects a file system, clocks and streams around it. Those for Node start a thread; those for
 * browsers have nothing behind them, which is what is wanted here.
 */
async function loadTools() {
  registerHooks({
    resolve: (specifier, context, next) => {
      const conditions = specifier.startsWith('@bytecodealliance/preview2-shim')
        ? context.conditions.filter((condition) => condition !== 'node')
        : context.conditions
      return next(specifier, { ...context, conditions })
    },
  })
  return await import('@bytecodealliance/jco-transpile/wasm-tools')
}
