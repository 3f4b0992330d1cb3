import { type BinaryReader, type BinaryWriter, RefusedModule } from './binary.ts'

/** What follows an opcode. */
type Immediate = 'none' | 'index' | 'zero' | 'zeros' | 'memory' | 'i32' | 'i64' | 'f32' | 'f64'

/** An instruction that neither branches nor calls. */
export interface Plain {
  /** Operands that it takes. */
  readonly takes: number
  /** Results that it leaves. */
  readonly leaves: number
  readonly immediate: Immediate
}

/** Opcodes that the meter looks at or writes. Numbers above 255 stand for the opcode 0xfc and what follows it. */
export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Store: 0x36,
  i64Store: 0x37,
  f32Store: 0x38,
  f64Store: 0x39,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32LtS: 0x48,
  i64LtS: 0x53,
  f32Ne: 0x5c,
  f64Ne: 0x62,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32ShrU: 0x76,
  i64Sub: 0x7d,
  f32Copysign: 0x98,
  f64Copysign: 0xa6,
  i64ExtendI32U: 0xad,
  i32ReinterpretF32: 0xbc,
  i64ReinterpretF64: 0xbd,
  prefix: 0xfc,
  memoryCopy: 0xfc0a,
  memoryFill: 0xfc0b,
} as const

/** Value types, and the type of a block that leaves nothing. */
export const TYPE = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, nothing: 0x40 } as const

const PLAIN = new Map<number, Plain>()
function plain(from: number, to: number, takes: number, leaves: number, immediate: Immediate = 'none'): void {
  for (let opcode = from; opcode <= to; opcode++) PLAIN.set(opcode, { takes, leaves, immediate })
}
plain(0x01, 0x01, 0, 0) // nop
plain(0x1a, 0x1a, 1, 0) // drop
plain(0x1b, 0x1b, 3, 1) // select
plain(0x20, 0x20, 0, 1, 'index') // local.get
plain(0x21, 0x21, 1, 0, 'index') // local.set
plain(0x22, 0x22, 1, 1, 'index') // local.tee
plain(0x23, 0x23, 0, 1, 'index') // global.get
plain(0x24, 0x24, 1, 0, 'index') // global.set
plain(0x28, 0x35, 1, 1, 'memory') // loads
plain(0x36, 0x3e, 2, 0, 'memory') // stores
plain(0x3f, 0x3f, 0, 1, 'zero') // memory.size
plain(0x40, 0x40, 1, 1, 'zero') // memory.grow
plain(0x41, 0x41, 0, 1, 'i32')
plain(0x42, 0x42, 0, 1, 'i64')
plain(0x43, 0x43, 0, 1, 'f32')
plain(0x44, 0x44, 0, 1, 'f64')
plain(0x45, 0x45, 1, 1) // i32.eqz
plain(0x46, 0x4f, 2, 1) // comparisons of i32
plain(0x50, 0x50, 1, 1) // i64.eqz
plain(0x51, 0x66, 2, 1) // comparisons of i64, f32, f64
plain(0x67, 0x69, 1, 1) // i32.clz, ctz, popcnt
plain(0x6a, 0x78, 2, 1) // arithmetic of i32
plain(0x79, 0x7b, 1, 1) // i64.clz, ctz, popcnt
plain(0x7c, 0x8a, 2, 1) // arithmetic of i64
plain(0x8b, 0x91, 1, 1) // f32.abs … sqrt
plain(0x92, 0x98, 2, 1) // f32.add … copysign
plain(0x99, 0x9f, 1, 1) // f64.abs … sqrt
plain(0xa0, 0xa6, 2, 1) // f64.add … copysign
plain(0xa7, 0xbf, 1, 1) // conversions
plain(0xc0, 0xc4, 1, 1) // sign extension
plain(0xfc00, 0xfc07, 1, 1) // saturating conversions
plain(0xfc0a, 0xfc0a, 3, 0, 'zeros') // memory.copy
plain(0xfc0b, 0xfc0b, 3, 0, 'zero') // memory.fill

/** Features that are refused, by the opcodes that belong to them: from, to, name. */
const REFUSED: readonly (readonly [number, number, string])[] = [
  [0x06, 0x0a, 'exceptions'],
  [0x18, 0x19, 'exceptions'],
  [0x1f, 0x1f, 'exceptions'],
  [0x12, 0x13, 'tail calls'],
  [0x14, 0x15, 'typed function references'],
  [0x1c, 0x1c, 'reference types (select with a type)'],
  [0x25, 0x26, 'reference types'],
  [0xd0, 0xd6, 'reference types'],
  [0xfb, 0xfb, 'garbage collection'],
  [0xfd, 0xfd, 'SIMD'],
  [0xfe, 0xfe, 'threads'],
  [0xfc08, 0xfc09, 'passive data segments'],
  [0xfc0c, 0xfc11, 'bulk operations on tables'],
]

/** The opcode at the reader, with what follows 0xfc. */
export function readOpcode(reader: BinaryReader): number {
  const opcode = reader.byte()
  // What follows is below 256 for every instruction that is known.
  return opcode === OP.prefix ? 0xfc00 + Math.min(0xff, reader.u32()) : opcode
}

/** The plain instruction of an opcode. */
export function plainInstruction(opcode: number): Plain {
  const found = PLAIN.get(opcode)
  if (found !== undefined) return found
  const feature = REFUSED.find(([from, to]) => from <= opcode && opcode <= to)?.[2]
  throw new RefusedModule(
    `it uses ${feature ?? `the unknown instruction 0x${opcode.toString(16)}`}; allowed are the instructions of WebAssembly 1.0, sign extension, saturating conversions, memory.copy and memory.fill`,
  )
}

/** Passes over what follows an opcode. */
export function skipImmediate(reader: BinaryReader, immediate: Immediate): void {
  switch (immediate) {
    case 'none':
      return
    case 'index':
      reader.u32()
      return
    case 'zeros':
      onlyIndex(reader, 'memory')
      onlyIndex(reader, 'memory')
      return
    case 'zero':
      onlyIndex(reader, 'memory')
      return
    case 'memory':
      // A bit of the alignment says that the index of a memory follows.
      if (reader.u32() > 4)
        throw new RefusedModule('it uses several memories, or an unknown alignment; allowed is one memory')
      reader.u32()
      return
    case 'i32':
      reader.skipNumber(5)
      return
    case 'i64':
      reader.skipNumber(10)
      return
    case 'f32':
      reader.skip(4)
      return
    case 'f64':
      reader.skip(8)
  }
}

/** The index of the only memory or table. */
export function onlyIndex(reader: BinaryReader, what: 'memory' | 'table'): void {
  const index = reader.u32()
  if (index !== 0) throw new RefusedModule(`it uses ${what} ${index}; allowed is one ${what}, number 0`)
}

/** A value type: a number of 32 or 64 bits. */
export function readValueType(reader: BinaryReader): number {
  const type = reader.byte()
  if (type >= TYPE.f64 && type <= TYPE.i32) return type
  const feature = type === 0x7b ? 'SIMD' : 'reference types or garbage collection'
  throw new RefusedModule(`it uses ${feature} (type 0x${type.toString(16)}); allowed are i32, i64, f32 and f64`)
}

/** Writes an instruction with an index behind it. */
export function op(out: BinaryWriter, opcode: number, index: number): void {
  out.byte(opcode)
  out.u32(index)
}

/** Writes an instruction with an integer behind it. */
export function constant(out: BinaryWriter, opcode: number, value: bigint): void {
  out.byte(opcode)
  out.signed(value)
}
