import type { WasmReport } from '../../../protocol/annotations.ts'
import { LISTED_ENTRIES, Reader, readFrame, WasmFormatError } from './wasm-sections.ts'

/** Components in components. */
const COMPONENT_DEPTH = 100

const SECTION = { coreModule: 1, component: 4, import: 10, export: 11 } as const

/** Sorts that an import or export may have (Component Model, "Binary format", `externdesc` and `sort`), in the words of WIT. */
const KINDS = ['module', 'function', 'value', 'type', 'component', 'instance'] as const

/** What a component's own sections declare. */
export interface ComponentContents {
  readonly imports: WasmReport['imports']
  readonly exports: WasmReport['exports']
  /** How many there are; the lists above end at {@link LISTED_ENTRIES}. */
  readonly importCount: number
  readonly exportCount: number
}

/** The core modules of a component, at any depth. Throws `WasmFormatError`. */
export function* coreModules(bytes: Uint8Array, depth = 0): Generator<Uint8Array> {
  if (depth > COMPONENT_DEPTH) {
    throw new WasmFormatError('WASM_TOO_COMPLEX', `components nested deeper than ${COMPONENT_DEPTH}`, 0)
  }
  for (const { id, start, end } of readFrame(bytes).sections) {
    if (id === SECTION.coreModule) yield bytes.subarray(start, end)
    else if (id === SECTION.component) yield* coreModules(bytes.subarray(start, end), depth + 1)
  }
}

/**
 * Lists imports and exports of a component that was found valid. A component's import has one name, that of an interface as a rule, and no
 * module.
 *
 * Throws `WasmFormatError` for a construct that this reader does not know.
 */
export function readComponentContents(bytes: Uint8Array): ComponentContents {
  const imports: WasmReport['imports'] = []
  const exports: WasmReport['exports'] = []
  let importCount = 0
  let exportCount = 0
  for (const { id, start, end } of readFrame(bytes).sections) {
    const reader = new Reader(bytes, start, end)
    if (id === SECTION.import) {
      for (let left = reader.u32(); left > 0; left--) {
        const name = externName(reader)
        const kind = kindOf(reader)
        skipDescription(reader, kind)
        if (importCount++ < LISTED_ENTRIES) imports.push({ module: '', name, kind })
      }
    } else if (id === SECTION.export) {
      for (let left = reader.u32(); left > 0; left--) {
        const name = externName(reader)
        const kind = kindOf(reader)
        reader.u32()
        if (reader.byte() === 1) skipDescription(reader, kindOf(reader))
        if (exportCount++ < LISTED_ENTRIES) exports.push({ name, kind })
      }
    }
  }
  return { imports, exports, importCount, exportCount }
}

function externName(reader: Reader): string {
  const form = reader.byte()
  if (form > 1) throw new WasmFormatError('WASM_INVALID', `a name of an unknown form (${form})`, reader.at - 1)
  return reader.name(true)
}

/** A core sort is followed by which one it is; of those, only modules can be imported and exported. */
function kindOf(reader: Reader): (typeof KINDS)[number] {
  const sort = reader.byte()
  const kind = KINDS[sort]
  if (kind === undefined || (sort === 0 && reader.byte() !== 0x11)) {
    throw new WasmFormatError('WASM_INVALID', 'an import or export of an unknown kind', reader.at - 1)
  }
  return kind
}

/** The type of an import: an index, except for bounds of types and values. */
function skipDescription(reader: Reader, kind: (typeof KINDS)[number]): void {
  if (kind === 'type') {
    // Equal to a type, or a resource of its own.
    if (reader.byte() === 0) reader.u32()
  } else if (kind === 'value') {
    reader.byte()
    reader.unsigned(35)
  } else reader.u32()
}
