import type { WasmReport } from '../../../protocol/annotations.ts'

/** Entries of a module's import or export list that a report names: more tells a reader nothing, and costs every answer. */
export const LISTED_ENTRIES = 10_000

/** Characters of an import's or export's name that a report keeps. */
export const LISTED_NAME_LENGTH = 256

/**
 * Locals that all functions of a module may declare together. An engine lays out each of them, six bytes of code can declare
 * 50,000, and a compilation cannot be interrupted: without this line a 6 MB module occupies every core for tens of seconds.
 * Modules of today declare about one local per five bytes of code.
 */
export const MODULE_LOCALS = 200_000_000

const PAGE_BYTES = 65_536
const SECTION = { custom: 0, import: 2, memory: 5, export: 7, code: 10 } as const
const KINDS = ['function', 'table', 'memory', 'global', 'tag'] as const

/** Why a binary is refused before an engine sees it. */
export type WasmFault = 'WASM_MAGIC' | 'WASM_VERSION' | 'WASM_TRUNCATED' | 'WASM_INVALID' | 'WASM_TOO_COMPLEX'

/** A fault at a byte of the binary. */
export class WasmFormatError extends Error {
  override readonly name = 'WasmFormatError'
  readonly code: WasmFault
  /** Byte offset of the fault. */
  readonly offset: number

  constructor(code: WasmFault, message: string, offset: number) {
    super(message)
    this.code = code
    this.offset = offset
  }
}

/** One section: its id and where its content lies. */
export interface WasmSection {
  readonly id: number
  readonly start: number
  readonly end: number
}

/** The frame of a binary: what it is, and its sections in order. */
export interface WasmFrame {
  readonly kind: WasmReport['kind']
  readonly sections: readonly WasmSection[]
}

/** What a module's own sections declare. */
export interface WasmContents {
  readonly imports: WasmReport['imports']
  readonly exports: WasmReport['exports']
  /** How many there are; the lists above end at {@link LISTED_ENTRIES}. */
  readonly importCount: number
  readonly exportCount: number
  /** Memories, defined and imported, in index order. Sizes in bytes; `max` is null when none is declared. */
  readonly memories: readonly { readonly min: number; readonly max: number | null }[]
}

/**
 * Reads preamble and section frames (WebAssembly 3.0, 5.5.2 and 5.5.16; Component Model, "Binary format"). The content of custom
 * sections is not judged, as the specification demands; their names must be well-formed.
 *
 * @throws WasmFormatError
 */
export function readFrame(bytes: Uint8Array): WasmFrame {
  const kind = readPreamble(bytes)
  const reader = new Reader(bytes, 8, bytes.length)
  const sections: WasmSection[] = []
  while (reader.at < bytes.length) {
    const id = reader.byte()
    const size = reader.u32()
    const start = reader.at
    if (size > bytes.length - start) {
      const message = `section ${id} declares ${size} bytes, ${bytes.length - start} are left`
      throw new WasmFormatError('WASM_TRUNCATED', message, start)
    }
    if (id === SECTION.custom) new Reader(bytes, start, start + size).name(true)
    sections.push({ id, start, end: start + size })
    reader.at = start + size
  }
  return { kind, sections }
}

/**
 * Counts the locals of every function, so that a compilation's cost is known to be bounded before it starts.
 *
 * @throws WasmFormatError `WASM_TOO_COMPLEX` above {@link MODULE_LOCALS}, `WASM_INVALID` where the code section is malformed
 */
export function checkLocals(bytes: Uint8Array, frame: WasmFrame): void {
  let total = 0
  for (const section of frame.sections) {
    if (section.id !== SECTION.code) continue
    const reader = new Reader(bytes, section.start, section.end)
    const functions = reader.u32()
    for (let index = 0; index < functions; index++) {
      const size = reader.u32()
      const end = reader.at + size
      for (let groups = reader.u32(); groups > 0; groups--) {
        total += reader.u32()
        reader.valueType()
        if (total > MODULE_LOCALS) {
          const message = `functions declare more than ${MODULE_LOCALS} locals together`
          throw new WasmFormatError('WASM_TOO_COMPLEX', message, reader.at)
        }
      }
      reader.at = end
    }
  }
}

/**
 * Lists imports, exports and memories of a module that an engine has accepted.
 *
 * @throws WasmFormatError `WASM_INVALID` for a construct that this reader does not know: what cannot be accounted for is refused
 */
export function readContents(bytes: Uint8Array, frame: WasmFrame): WasmContents {
  const imports: WasmReport['imports'] = []
  const exports: WasmReport['exports'] = []
  const memories: { min: number; max: number | null }[] = []
  let importCount = 0
  let exportCount = 0
  for (const section of frame.sections) {
    const reader = new Reader(bytes, section.start, section.end)
    if (section.id === SECTION.import) {
      importCount = reader.u32()
      for (let index = 0; index < importCount; index++) {
        const listed = index < LISTED_ENTRIES
        const module = reader.name(listed)
        const name = reader.name(listed)
        const kind = reader.kind()
        if (kind === 'memory') memories.push(reader.memory())
        else reader.skipImportType(kind)
        if (listed) imports.push({ module, name, kind })
      }
    } else if (section.id === SECTION.memory) {
      for (let count = reader.u32(); count > 0; count--) memories.push(reader.memory())
    } else if (section.id === SECTION.export) {
      exportCount = reader.u32()
      for (let index = 0; index < Math.min(exportCount, LISTED_ENTRIES); index++) {
        const name = reader.name(true)
        const kind = reader.kind()
        reader.u32()
        exports.push({ name, kind })
      }
    }
  }
  return { imports, exports, importCount, exportCount, memories }
}

function readPreamble(bytes: Uint8Array): WasmFrame['kind'] {
  const magic = [0x00, 0x61, 0x73, 0x6d]
  if (magic.some((byte, index) => bytes[index] !== byte)) {
    const found = Buffer.from(bytes.subarray(0, 4)).toString('hex') || 'nothing'
    throw new WasmFormatError(
      'WASM_MAGIC',
      `not a WebAssembly binary: found ${found}, a binary starts with 0061736d`,
      0,
    )
  }
  if (bytes.length < 8)
    throw new WasmFormatError('WASM_TRUNCATED', `${bytes.length} bytes, a preamble has 8`, bytes.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
  const version = view.getUint16(4, true)
  const layer = view.getUint16(6, true)
  if (layer === 0 && version === 1) return 'module'
  if (layer === 1 && version === 0x0d) return 'component'
  const message = `version ${version} of layer ${layer}: version 1 of layer 0 (module) and version 13 of layer 1 (component) are known`
  throw new WasmFormatError('WASM_VERSION', message, 4)
}

/** Reads the encodings of the binary format from a range of bytes. Nothing is read past the range. */
export class Reader {
  at: number
  readonly #bytes: Uint8Array
  readonly #end: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.at = start
    this.#end = end
  }

  byte(): number {
    const value = this.at < this.#end ? this.#bytes[this.at] : undefined
    if (value === undefined) {
      const cut = this.#end === this.#bytes.length
      throw new WasmFormatError(cut ? 'WASM_TRUNCATED' : 'WASM_INVALID', 'ends in the middle of a value', this.at)
    }
    this.at++
    return value
  }

  /** An unsigned LEB128 number of at most `bits` bits; exact up to 2^53. */
  unsigned(bits: number): number {
    const start = this.at
    let value = 0
    let scale = 1
    for (let shift = 0; shift < bits; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value < 2 ** bits) return value
        break
      }
      scale *= 128
    }
    throw new WasmFormatError('WASM_INVALID', `a number is longer than ${bits} bits`, start)
  }

  u32(): number {
    return this.unsigned(32)
  }

  /** A name; its text only where it is `wanted`, cut to {@link LISTED_NAME_LENGTH} characters. */
  name(wanted: boolean): string {
    const length = this.u32()
    const start = this.at
    if (length > this.#end - start)
      throw new WasmFormatError('WASM_INVALID', 'a name is longer than its section', start)
    this.at += length
    if (!wanted) return ''
    // Four bytes a character at most, so the cut never reaches a character that is kept.
    const text = new TextDecoder().decode(this.#bytes.subarray(start, start + Math.min(length, 4 * LISTED_NAME_LENGTH)))
    if (text.length <= LISTED_NAME_LENGTH) return text
    return `${text.slice(0, LISTED_NAME_LENGTH - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
  }

  kind(): (typeof KINDS)[number] {
    const kind = KINDS[this.byte()]
    if (kind === undefined)
      throw new WasmFormatError('WASM_INVALID', 'an import or export of an unknown kind', this.at - 1)
    return kind
  }

  memory(): { min: number; max: number | null } {
    return this.#limits(PAGE_BYTES)
  }

  skipImportType(kind: (typeof KINDS)[number]): void {
    if (kind === 'function') this.u32()
    else if (kind === 'table') {
      this.valueType()
      this.#limits(1)
    } else if (kind === 'global') {
      this.valueType()
      this.byte()
    } else {
      this.byte()
      this.u32()
    }
  }

  /** A value or reference type; the long forms carry a heap type. */
  valueType(): void {
    const type = this.byte()
    if (type === 0x63 || type === 0x64) this.unsigned(35)
  }

  /** Limits: bit 0 maximum, bit 1 shared, bit 2 64-bit addresses. */
  #limits(unit: number): { min: number; max: number | null } {
    const flags = this.byte()
    if (flags > 7) throw new WasmFormatError('WASM_INVALID', `limits of an unknown form (flags ${flags})`, this.at - 1)
    const bits = flags & 4 ? 64 : 32
    const min = this.unsigned(bits) * unit
    return { min, max: flags & 1 ? this.unsigned(bits) * unit : null }
  }
}
