import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { BinaryReader, RefusedModule } from './binary.ts'
import { OP, readValueType, TYPE } from './instructions.ts'

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
const TYPES = { [TYPE.i32]: 'i32', [TYPE.i64]: 'i64', [TYPE.f32]: 'f32', [TYPE.f64]: 'f64' } as const
const FUNCREF = 0x70
/** Kinds of exports. */
export const KIND = { function: 0, memory: 2, global: 3 } as const
/** Sections by number. */
export const SECTION = {
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
} as const

export interface FunctionType {
  readonly params: readonly number[]
  /** One at most. */
  readonly results: readonly number[]
}

/** What the meter needs to know of a module. The engine checks the rest. */
export interface EvaluatorModule {
  readonly types: readonly FunctionType[]
  /** Index of the type of each function. */
  readonly functions: readonly number[]
  /** Bodies of the functions. */
  readonly bodies: readonly BinaryReader[]
  readonly globalCount: number
  /** The globals, as they stand. */
  readonly globals: Uint8Array
  /** Pages that the memory begins with. */
  readonly pages: number
  readonly alloc: number
  readonly evaluate: number
  readonly start: number | undefined
  /** Contents of sections that stay as they are. */
  readonly kept: ReadonlyMap<number, Uint8Array>
}

const ALLOC: FunctionType = { params: [TYPE.i32], results: [TYPE.i32] }
const EVALUATE: FunctionType = { params: [TYPE.i32, TYPE.i32, TYPE.i32], results: [TYPE.i32] }

/** Reads a module as far as an evaluator may go. Throws `RefusedModule`. */
export function readModule(bytes: Uint8Array): EvaluatorModule {
  if (bytes.length > EVALUATOR_LIMITS.moduleBytes) {
    throw new RefusedModule(`it has ${bytes.length} bytes, allowed are at most ${EVALUATOR_LIMITS.moduleBytes}`)
  }
  if (PREAMBLE.some((byte, index) => bytes[index] !== byte)) {
    throw new RefusedModule(
      'it is no WebAssembly module: one begins with 0061736d01000000 (components are not allowed)',
    )
  }
  const sections = new Map<number, BinaryReader>()
  const reader = new BinaryReader(bytes, PREAMBLE.length, bytes.length)
  while (!reader.done) {
    const id = reader.byte()
    const content = reader.range(reader.u32())
    if (id === 0) continue
    if (id === 13) throw new RefusedModule('it uses exceptions (a section of tags), which are not allowed')
    if (id > 13 || sections.has(id))
      throw new RefusedModule(`it is no WebAssembly module: section ${id} is unknown, or there twice`)
    sections.set(id, content)
  }
  return contentsOf(sections)
}

function contentsOf(sections: ReadonlyMap<number, BinaryReader>): EvaluatorModule {
  checkImports(sections.get(SECTION.import))
  const kept = new Map<number, Uint8Array>()
  for (const id of [SECTION.type, SECTION.function, SECTION.table, SECTION.element, SECTION.data]) {
    const section = sections.get(id)
    if (section !== undefined) kept.set(id, whole(section))
  }
  const types = listOf(sections.get(SECTION.type), functionType)
  const functions = listOf(sections.get(SECTION.function), (reader) => reader.u32())
  const bodies = listOf(sections.get(SECTION.code), (reader) => reader.range(reader.u32()))
  if (bodies.length !== functions.length || functions.some((type) => type >= types.length)) {
    throw new RefusedModule('it is no WebAssembly module: its functions lack bodies or types')
  }
  const tables = listOf(sections.get(SECTION.table), checkTable)
  if (tables.length > 1) throw new RefusedModule(`it has ${tables.length} tables; allowed is one`)
  listOf(sections.get(SECTION.element), checkElements)
  listOf(sections.get(SECTION.data), checkData)
  const globals = sections.get(SECTION.global)
  const found = exportsOf(sections.get(SECTION.export))
  const typeOf = (index: number): FunctionType | undefined => types[functions[index] ?? -1]
  return {
    types,
    functions,
    bodies,
    ...globalsOf(globals),
    pages: pagesOf(sections.get(SECTION.memory)),
    alloc: exported(found, 'alloc', ALLOC, typeOf),
    evaluate: exported(found, 'evaluate', EVALUATE, typeOf),
    start: sections.get(SECTION.start)?.u32(),
    kept,
  }
}

/** All of a section, from a reader that is at its beginning. */
function whole(section: BinaryReader): Uint8Array {
  const start = section.at
  section.skip(section.end - start)
  const bytes = section.since(start)
  section.at = start
  return bytes
}

/** The items of a section that is a list, which they must fill; none without the section. */
function listOf<Item>(section: BinaryReader | undefined, item: (reader: BinaryReader) => Item): Item[] {
  const items: Item[] = []
  if (section === undefined) return items
  for (let count = section.u32(); count > 0; count--) items.push(item(section))
  if (!section.done) throw new RefusedModule('it is no WebAssembly module: a section is longer than its contents')
  return items
}

function checkImports(section: BinaryReader | undefined): void {
  if (section === undefined || section.u32() === 0) return
  throw new RefusedModule(`it imports ${section.text()}.${section.text()}; an evaluator imports nothing`)
}

function functionType(reader: BinaryReader): FunctionType {
  const form = reader.byte()
  if (form !== 0x60)
    throw new RefusedModule(
      `it uses garbage collection (a type of the form 0x${form.toString(16)}), which is not allowed`,
    )
  const params = valueTypes(reader)
  const results = valueTypes(reader)
  if (results.length > 1) throw new RefusedModule(`it uses functions with ${results.length} results; allowed is one`)
  return { params, results }
}

function valueTypes(reader: BinaryReader): number[] {
  const types = []
  for (let count = reader.u32(); count > 0; count--) types.push(readValueType(reader))
  return types
}

function checkTable(reader: BinaryReader): void {
  const type = reader.byte()
  if (type !== FUNCREF)
    throw new RefusedModule(
      `it uses reference types (a table of 0x${type.toString(16)}); allowed is one table of functions`,
    )
  const elements = limits(reader, 'table')
  if (elements > EVALUATOR_LIMITS.tableElements) {
    throw new RefusedModule(`its table has ${elements} elements, allowed are at most ${EVALUATOR_LIMITS.tableElements}`)
  }
}

/** The minimum of limits. A maximum changes nothing: memory has the goal's size, and no instruction makes a table grow. */
function limits(reader: BinaryReader, what: string): number {
  const flags = reader.byte()
  if (flags > 1) {
    const feature = flags < 4 ? 'threads (shared memory)' : '64-bit addresses'
    throw new RefusedModule(`its ${what} uses ${feature}, which is not allowed`)
  }
  const least = reader.u32()
  if (flags === 1) reader.u32()
  return least
}

function pagesOf(section: BinaryReader | undefined): number {
  const memories = listOf(section, (reader) => limits(reader, 'memory'))
  const [pages] = memories
  if (pages === undefined || memories.length > 1)
    throw new RefusedModule(`it has ${memories.length} memories; an evaluator has one, and exports it`)
  if (pages > LIMITS.goalMemoryPages) {
    throw new RefusedModule(`its memory begins with ${pages} pages, allowed are at most ${LIMITS.goalMemoryPages}`)
  }
  return pages
}

function globalsOf(section: BinaryReader | undefined): Pick<EvaluatorModule, 'globalCount' | 'globals'> {
  if (section === undefined) return { globalCount: 0, globals: new Uint8Array() }
  const globalCount = section.u32()
  const start = section.at
  for (let count = globalCount; count > 0; count--) {
    readValueType(section)
    section.byte()
    skipConstant(section)
  }
  return { globalCount, globals: section.since(start) }
}

function checkElements(reader: BinaryReader): void {
  checkActive(reader, 'element')
  skipConstant(reader)
  for (let count = reader.u32(); count > 0; count--) reader.u32()
}

function checkData(reader: BinaryReader): void {
  checkActive(reader, 'data')
  skipConstant(reader)
  reader.skip(reader.u32())
}

function checkActive(reader: BinaryReader, what: string): void {
  const flags = reader.u32()
  if (flags !== 0)
    throw new RefusedModule(`it has ${what} segments of the form ${flags}; allowed are active ones of the form 0`)
}

/** Passes over an initial value: one constant. */
function skipConstant(reader: BinaryReader): void {
  const opcode = reader.byte()
  if (opcode === OP.i32Const) reader.skipNumber(5)
  else if (opcode === OP.i64Const) reader.skipNumber(10)
  else if (opcode === OP.f32Const) reader.skip(4)
  else if (opcode === OP.f64Const) reader.skip(8)
  else throw new RefusedModule(`an initial value begins with 0x${opcode.toString(16)}; allowed is one constant`)
  if (reader.byte() !== OP.end) throw new RefusedModule('an initial value is computed; allowed is one constant')
}

interface Export {
  readonly kind: number
  readonly index: number
}

function exportsOf(section: BinaryReader | undefined): ReadonlyMap<string, Export> {
  const found = new Map(
    listOf(section, (reader) => [reader.text(), { kind: reader.byte(), index: reader.u32() }] as const),
  )
  if (found.get('memory')?.kind !== KIND.memory) throw new RefusedModule('it exports no memory named memory')
  return found
}

/** The index of an exported function of this type. */
function exported(
  found: ReadonlyMap<string, Export>,
  name: string,
  wanted: FunctionType,
  typeOf: (index: number) => FunctionType | undefined,
): number {
  const entry = found.get(name)
  if (entry?.kind !== KIND.function)
    throw new RefusedModule(`it exports no function ${name}; wanted is ${name}: ${words(wanted)}`)
  const type = typeOf(entry.index)
  if (type === undefined || words(type) !== words(wanted)) {
    throw new RefusedModule(
      `it exports ${name}: ${type === undefined ? 'nothing' : words(type)}; wanted is ${words(wanted)}`,
    )
  }
  return entry.index
}

function words({ params, results }: FunctionType): string {
  const list = (types: readonly number[]): string => types.map((type) => TYPES[type as keyof typeof TYPES]).join(', ')
  return `(${list(params)}) -> (${list(results)})`
}

/** Bytes in front of the first section. */
export const preamble = (): Uint8Array => Uint8Array.from(PREAMBLE)
