import type { BinaryWriter } from './binary.ts'
import { constant, OP, op } from './instructions.ts'

/** The one NaN that is seen as bits, of 64 and of 32. */
const NAN64 = 0x7ff8000000000000n
const NAN32 = 0x7fc00000n

/** Locals that are free for a float of each size. */
export interface FloatLocals {
  readonly float32: number
  readonly float64: number
}

/**
 * Writes an instruction that shows the bits of a float, or its sign, so that it shows those of the one NaN for every NaN. Writes nothing, and is
 * false, for any other instruction. `immediate` are the bytes behind its opcode.
 */
export function writeWithOneNaN(
  code: BinaryWriter,
  opcode: number,
  immediate: Uint8Array,
  { float32, float64 }: FloatLocals,
): boolean {
  switch (opcode) {
    case OP.f32Store:
      bits32(code, float32)
      code.byte(OP.i32Store)
      code.append(immediate)
      return true
    case OP.f64Store:
      bits64(code, float64)
      code.byte(OP.i64Store)
      code.append(immediate)
      return true
    case OP.i32ReinterpretF32:
      bits32(code, float32)
      return true
    case OP.i64ReinterpretF64:
      bits64(code, float64)
      return true
    case OP.f32Copysign:
      op(code, OP.localSet, float32)
      code.byte(OP.f32Const, 0, 0, 0x80, 0x3f) // 1
      unlessNaN(code, float32, OP.f32Ne)
      code.byte(OP.f32Copysign)
      return true
    case OP.f64Copysign:
      op(code, OP.localSet, float64)
      code.byte(OP.f64Const, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f) // 1
      unlessNaN(code, float64, OP.f64Ne)
      code.byte(OP.f64Copysign)
      return true
    default:
      return false
  }
}

/** Turns the float on the operand stack into its bits. */
function bits32(code: BinaryWriter, local: number): void {
  op(code, OP.localSet, local)
  constant(code, OP.i32Const, NAN32)
  unlessNaN(code, local, OP.f32Ne, OP.i32ReinterpretF32)
}

function bits64(code: BinaryWriter, local: number): void {
  op(code, OP.localSet, local)
  constant(code, OP.i64Const, NAN64)
  unlessNaN(code, local, OP.f64Ne, OP.i64ReinterpretF64)
}

/** Chooses between what is on the operand stack, for a NaN, and the local, converted. */
function unlessNaN(code: BinaryWriter, local: number, notEqual: number, ...convert: readonly number[]): void {
  op(code, OP.localGet, local)
  code.byte(...convert)
  op(code, OP.localGet, local)
  op(code, OP.localGet, local)
  code.byte(notEqual, OP.select)
}
