import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import { type BinaryReader, BinaryWriter, RefusedModule } from './binary.ts'
import {
  constant,
  OP,
  onlyIndex,
  op,
  plainInstruction,
  readOpcode,
  readValueType,
  skipImmediate,
  TYPE,
} from './instructions.ts'
import type { EvaluatorModule, FunctionType } from './module.ts'
import { type FloatLocals, writeWithOneNaN } from './one-nan.ts'
import { OperandCount } from './operands.ts'

/** Bytes that memory.copy and memory.fill move for one unit of fuel, as a power of two. */
const BYTES_PER_UNIT_LOG2 = 3

/** Code that runs from its beginning to its end or not at all, but for what traps. */
interface Segment {
  /** Where it begins in the code. */
  readonly start: number
  /** Units of fuel. */
  cost: number
}

/** Indices of the globals that are added. */
export interface MeterGlobals {
  /** Fuel that is left: i64, below zero once it was exhausted. */
  readonly fuel: number
  /** Slots of stack that are left: i32, below zero once they were not enough. */
  readonly stack: number
}

/**
 * Rewrites the body of one function so that it pays for what it does. Fuel is kept in a local, and in the global where other functions run; each
 * segment pays in front. Functions that call take their frame from the stack's slots, and give it back. A NaN that becomes bits becomes the one
 * NaN. protocol/README.md, "Evaluators", says the same as rules.
 */
export class FunctionMeter {
  readonly #module: EvaluatorModule
  readonly #globals: MeterGlobals
  readonly #type: FunctionType
  readonly #reader: BinaryReader
  readonly #code = new BinaryWriter()
  readonly #segments: Segment[] = [{ start: 0, cost: 0 }]
  readonly #operands: OperandCount
  /** The last of the segments. */
  #segment = this.#segments[0]!
  #locals = 0
  #calls = false

  constructor(module: EvaluatorModule, globals: MeterGlobals, index: number) {
    this.#module = module
    this.#globals = globals
    this.#type = module.types[module.functions[index]!]!
    this.#reader = module.bodies[index]!
    this.#operands = new OperandCount(this.#type.results.length)
  }

  /** The body, without its length. Throws `RefusedModule`. */
  metered(): Uint8Array {
    const reader = this.#reader
    const size = reader.end - reader.at
    if (size > EVALUATOR_LIMITS.functionBytes) {
      throw new RefusedModule(`a function has ${size} bytes, allowed are at most ${EVALUATOR_LIMITS.functionBytes}`)
    }
    const groups = this.#readLocals()
    this.#segment.cost = this.#locals - this.#type.params.length
    while (this.#operands.depth > 0) this.#instruction()
    if (!reader.done) throw new RefusedModule('it is no WebAssembly module: a function is longer than its code')
    const frame = EVALUATOR_LIMITS.frameOverhead + this.#locals + this.#operands.highest
    if (frame > EVALUATOR_LIMITS.frameSlots) {
      throw new RefusedModule(
        `a function has a frame of ${frame} slots (parameters, locals, operands), allowed are at most ${EVALUATOR_LIMITS.frameSlots}`,
      )
    }
    const out = new BinaryWriter()
    out.u32(groups.count + 4)
    out.append(groups.bytes)
    for (const type of [TYPE.i64, TYPE.i32, TYPE.f32, TYPE.f64]) out.byte(1, type)
    this.#writeBody(out, frame)
    return out.bytes
  }

  // The added locals, after those of the function.
  get #fuel(): number {
    return this.#locals
  }
  get #number(): number {
    return this.#locals + 1
  }
  get #floats(): FloatLocals {
    return { float32: this.#locals + 2, float64: this.#locals + 3 }
  }

  #readLocals(): { count: number; bytes: Uint8Array } {
    const reader = this.#reader
    this.#locals = this.#type.params.length
    const count = reader.u32()
    const start = reader.at
    for (let left = count; left > 0; left--) {
      this.#locals += reader.u32()
      readValueType(reader)
      if (this.#locals > EVALUATOR_LIMITS.frameSlots) {
        throw new RefusedModule(
          `a function has more than ${EVALUATOR_LIMITS.frameSlots} parameters and locals, which are not allowed`,
        )
      }
    }
    return { count, bytes: reader.since(start) }
  }

  #writeBody(out: BinaryWriter, frame: number): void {
    const { fuel, stack } = this.#globals
    if (this.#calls) {
      op(out, OP.globalGet, stack)
      constant(out, OP.i32Const, BigInt(frame))
      out.byte(OP.i32Sub)
      op(out, OP.localTee, this.#number)
      op(out, OP.globalSet, stack)
      op(out, OP.localGet, this.#number)
      constant(out, OP.i32Const, 0n)
      out.byte(OP.i32LtS, OP.if, TYPE.nothing, OP.unreachable, OP.end)
    }
    op(out, OP.globalGet, fuel)
    op(out, OP.localSet, this.#fuel)
    out.byte(OP.block, this.#type.results[0] ?? TYPE.nothing)
    for (const [index, { start, cost }] of this.#segments.entries()) {
      if (cost > 0) {
        op(out, OP.localGet, this.#fuel)
        constant(out, OP.i64Const, BigInt(cost))
        this.#pay(out)
      }
      out.append(this.#code.bytes.subarray(start, this.#segments[index + 1]?.start))
    }
    op(out, OP.localGet, this.#fuel)
    op(out, OP.globalSet, fuel)
    if (this.#calls) {
      op(out, OP.globalGet, stack)
      constant(out, OP.i32Const, BigInt(frame))
      out.byte(OP.i32Add)
      op(out, OP.globalSet, stack)
    }
    out.byte(OP.end)
  }

  /** Subtracts the cost that is on the operand stack from the fuel below it, and traps where that was not enough. */
  #pay(out: BinaryWriter): void {
    out.byte(OP.i64Sub)
    op(out, OP.localTee, this.#fuel)
    constant(out, OP.i64Const, 0n)
    out.byte(OP.i64LtS, OP.if, TYPE.nothing)
    op(out, OP.localGet, this.#fuel)
    op(out, OP.globalSet, this.#globals.fuel)
    out.byte(OP.unreachable, OP.end)
  }

  #instruction(): void {
    const reader = this.#reader
    const start = reader.at
    const opcode = readOpcode(reader)
    switch (opcode) {
      case OP.block:
      case OP.loop:
        this.#open(start)
        if (opcode === OP.loop) this.#newSegment()
        return
      case OP.if:
        this.#segment.cost++
        this.#operands.change(1, 0)
        this.#open(start)
        this.#newSegment()
        return
      case OP.else:
        this.#operands.drop()
        this.#keep(start)
        this.#newSegment()
        return
      case OP.end:
        this.#operands.close()
        this.#keep(start)
        if (this.#operands.depth > 0) this.#newSegment()
        return
      case OP.br:
        reader.u32()
        this.#leave(start)
        return
      case OP.brIf:
        reader.u32()
        this.#segment.cost++
        this.#operands.change(1, 0)
        this.#keep(start)
        this.#newSegment()
        return
      case OP.brTable:
        this.#targets()
        this.#leave(start)
        return
      case OP.unreachable:
        this.#leave(start)
        return
      case OP.return:
        this.#segment.cost++
        op(this.#code, OP.br, this.#operands.depth - 1)
        this.#operands.drop()
        this.#newSegment()
        return
      case OP.call:
        this.#call(start, this.#typeOf(this.#module.functions[reader.u32()]), 0)
        return
      case OP.callIndirect: {
        const type = this.#typeOf(reader.u32())
        onlyIndex(reader, 'table')
        this.#call(start, type, 1)
        return
      }
      default:
        this.#plain(opcode, start)
    }
  }

  #plain(opcode: number, start: number): void {
    const { takes, leaves, immediate } = plainInstruction(opcode)
    const after = this.#reader.at
    skipImmediate(this.#reader, immediate)
    this.#segment.cost++
    this.#operands.change(takes, leaves)
    const code = this.#code
    if (writeWithOneNaN(code, opcode, this.#reader.since(after), this.#floats)) return
    switch (opcode) {
      case OP.memoryCopy:
      case OP.memoryFill:
        op(code, OP.localSet, this.#number)
        op(code, OP.localGet, this.#fuel)
        op(code, OP.localGet, this.#number)
        constant(code, OP.i32Const, BigInt(BYTES_PER_UNIT_LOG2))
        code.byte(OP.i32ShrU, OP.i64ExtendI32U)
        this.#pay(code)
        op(code, OP.localGet, this.#number)
        this.#keep(start)
        return
      default:
        this.#keep(start)
    }
  }

  #call(start: number, type: FunctionType, more: number): void {
    const code = this.#code
    this.#calls = true
    this.#segment.cost++
    op(code, OP.localGet, this.#fuel)
    op(code, OP.globalSet, this.#globals.fuel)
    this.#keep(start)
    op(code, OP.globalGet, this.#globals.fuel)
    op(code, OP.localSet, this.#fuel)
    this.#operands.change(type.params.length + more, type.results.length)
  }

  #typeOf(index: number | undefined): FunctionType {
    const type = this.#module.types[index ?? -1]
    if (type === undefined) throw new RefusedModule('it is no WebAssembly module: it calls what is not there')
    return type
  }

  #targets(): void {
    const count = this.#reader.u32()
    if (count > EVALUATOR_LIMITS.branchTargets) {
      throw new RefusedModule(`a br_table has ${count} targets, allowed are at most ${EVALUATOR_LIMITS.branchTargets}`)
    }
    for (let left = count; left >= 0; left--) this.#reader.u32()
  }

  /** A branch that is always taken: what follows runs only where another branch leads there. */
  #leave(start: number): void {
    this.#segment.cost++
    this.#keep(start)
    this.#operands.drop()
    this.#newSegment()
  }

  #open(start: number): void {
    const type = this.#reader.byte()
    if (type !== TYPE.nothing && !(type >= TYPE.f64 && type <= TYPE.i32)) {
      throw new RefusedModule(
        `it has blocks of the type 0x${type.toString(16)}; allowed are those without parameters that leave nothing or one number`,
      )
    }
    this.#operands.open(type === TYPE.nothing ? 0 : 1)
    if (this.#operands.depth > EVALUATOR_LIMITS.nesting) {
      throw new RefusedModule(
        `it has more than ${EVALUATOR_LIMITS.nesting} blocks within each other, which are not allowed`,
      )
    }
    this.#keep(start)
  }

  #newSegment(): void {
    this.#segment = { start: this.#code.length, cost: 0 }
    this.#segments.push(this.#segment)
  }

  /** Leaves an instruction as it is. */
  #keep(start: number): void {
    this.#code.append(this.#reader.since(start))
  }
}
