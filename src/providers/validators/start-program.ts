/** Runs in the sandbox: starts one WebAssembly module from its standard input a few times, and measures that. */
import { buffer } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { StartMeasurement } from '../../kernel/plugins/packages/validators.ts'
import { answerSandbox } from '../../kernel/sandbox/program.ts'
import { readContents, readFrame } from './wasm-sections.ts'

/** Starts of which the median counts. */
const STARTS = 3
/** Characters of a reason. */
const REASON_LENGTH = 300

/** What the type definitions of this Node lack. */
const TAGS = WebAssembly as unknown as { Tag: new (type: object) => WebAssembly.ImportValue }

// Without the types of its imports a module cannot be given any.
setFlagsFromString('--experimental-wasm-type-reflection')

await answerSandbox(async (input) => measure(await buffer(input)))

interface ImportType {
  readonly module: string
  readonly name: string
  readonly kind: WebAssembly.ImportExportKind | 'tag'
  readonly type: {
    readonly results: readonly string[]
    readonly minimum: number | bigint
    readonly maximum?: number | bigint
    readonly shared: boolean
    readonly address: string
    readonly element: string
    readonly value: string
    readonly mutable: boolean
    readonly parameters: readonly string[]
  }
}

/** What is imported is there in its declared type, and does nothing: functions answer zeros, memories, tables and globals hold them. */
function measure(bytes: Buffer<ArrayBuffer>): StartMeasurement {
  try {
    const module = new WebAssembly.Module(bytes)
    const declared = readContents(bytes, readFrame(bytes)).memories.length
    const times: number[] = []
    let after: number | null = null
    for (let start = 0; start < STARTS; start++) {
      const imports = stubs(WebAssembly.Module.imports(module) as unknown as ImportType[])
      const started = performance.now()
      const instance = new WebAssembly.Instance(module, imports)
      times.push(performance.now() - started)
      after = visibleMemory(instance, imports, declared)
    }
    const median = times.sort((a, b) => a - b)[Math.floor(STARTS / 2)]!
    return {
      start_ms: Math.round(median * 1000) / 1000,
      memory_after_start_bytes: after,
      start_failure: null,
    }
  } catch (error) {
    const reason = errorMessage(error).slice(0, REASON_LENGTH)
    return { start_ms: null, memory_after_start_bytes: null, start_failure: reason }
  }
}

function stubs(imports: readonly ImportType[]): WebAssembly.Imports {
  const modules: WebAssembly.Imports = Object.create(null)
  for (const wanted of imports) {
    modules[wanted.module] ??= Object.create(null) as WebAssembly.ModuleImports
    modules[wanted.module]![wanted.name] ??= stub(wanted)
  }
  return modules
}

function stub({ kind, type }: ImportType): WebAssembly.ImportValue {
  const limits = { minimum: type.minimum, maximum: type.maximum, address: type.address }
  switch (kind) {
    case 'function': {
      const zeros = type.results.map(zero)
      return () => (zeros.length > 1 ? zeros : zeros[0])
    }
    case 'memory':
      return new WebAssembly.Memory({ ...defined(limits), shared: type.shared } as never)
    case 'table':
      return new WebAssembly.Table({ ...defined(limits), element: type.element } as never)
    case 'global':
      return new WebAssembly.Global({ value: type.value, mutable: type.mutable } as never, zero(type.value))
    case 'tag':
      return new TAGS.Tag({ parameters: type.parameters })
  }
}

/** References are null; a type that has no zero makes the start fail, which is said. */
function zero(type: string): unknown {
  if (type === 'i64') return 0n
  return /^(i32|f32|f64)$/.test(type) ? 0 : null
}

/** Members that are undefined count as given. */
function defined(limits: object): object {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
}

/** Bytes of all memories; null when one of them is the module's own secret. */
function visibleMemory(
  { exports }: WebAssembly.Instance,
  imports: WebAssembly.Imports,
  declared: number,
): number | null {
  const memories = new Set<WebAssembly.Memory>()
  for (const value of [...Object.values(imports).flatMap(Object.values), ...Object.values(exports)])
    if (value instanceof WebAssembly.Memory) memories.add(value)
  if (memories.size < declared) return null
  return [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
}
