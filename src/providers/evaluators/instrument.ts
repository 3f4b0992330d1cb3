import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import { BinaryWriter } from './binary.ts'
import { OP, TYPE } from './instructions.ts'
import { FunctionMeter, type MeterGlobals } from './meter.ts'
import { type EvaluatorModule, KIND, preamble, readModule, SECTION } from './module.ts'

/** A metered module, but for the size of its memory. */
export interface MeteredModule {
  /** Pages that it needs at least. */
  readonly pages: number
  /** Its bytes. It imports `env.memory`, of so many pages, neither more nor less. */
  withPages(pages: number): Uint8Array<ArrayBuffer>
}

/** What a metered module exports. */
export interface MeteredExports {
  /** Fuel that is left: set before the first call; below zero once it was exhausted. */
  readonly fuel: { value: bigint }
  /** Below zero once the slots of stack were not enough. */
  readonly stack: { readonly value: number }
  /** What the module would have started with. */
  readonly start?: () => void
  readonly alloc: (length: number) => number
  readonly evaluate: (pointer: number, length: number, seed: number) => number
}

/** Checks a module that the engine has to check too, and meters it. Throws `RefusedModule`. */
export function instrument(bytes: Uint8Array): MeteredModule {
  const module = readModule(bytes)
  const globals = { fuel: module.globalCount, stack: module.globalCount + 1 }
  const before = new BinaryWriter()
  before.append(preamble())
  keep(before, module, SECTION.type)
  const after = new BinaryWriter()
  keep(after, module, SECTION.function, SECTION.table)
  section(after, SECTION.global, globalSection(module))
  section(after, SECTION.export, exportSection(module, globals))
  keep(after, module, SECTION.element)
  section(after, SECTION.code, codeSection(module, globals))
  keep(after, module, SECTION.data)
  return {
    pages: module.pages,
    withPages(pages) {
      const out = new BinaryWriter()
      out.append(before.bytes)
      section(out, SECTION.import, importSection(pages))
      out.append(after.bytes)
      return Uint8Array.from(out.bytes)
    },
  }
}

function keep(out: BinaryWriter, { kept }: EvaluatorModule, ...ids: readonly number[]): void {
  for (const id of ids) {
    const content = kept.get(id)
    if (content !== undefined) section(out, id, content)
  }
}

function section(out: BinaryWriter, id: number, content: Uint8Array): void {
  out.byte(id)
  out.sized(content)
}

function importSection(pages: number): Uint8Array {
  const out = new BinaryWriter()
  out.u32(1)
  out.sized(new TextEncoder().encode('env'))
  out.sized(new TextEncoder().encode('memory'))
  out.byte(KIND.memory, 1)
  out.u32(pages)
  out.u32(pages)
  return out.bytes
}

function globalSection({ globalCount, globals }: EvaluatorModule): Uint8Array {
  const out = new BinaryWriter()
  out.u32(globalCount + 2)
  out.append(globals)
  out.byte(TYPE.i64, 1, OP.i64Const, 0, OP.end)
  out.byte(TYPE.i32, 1, OP.i32Const)
  out.signed(BigInt(EVALUATOR_LIMITS.stackSlots))
  out.byte(OP.end)
  return out.bytes
}

function exportSection({ alloc, evaluate, start }: EvaluatorModule, { fuel, stack }: MeterGlobals): Uint8Array {
  const exports: [string, number, number][] = [
    ['alloc', KIND.function, alloc],
    ['evaluate', KIND.function, evaluate],
    ['fuel', KIND.global, fuel],
    ['stack', KIND.global, stack],
  ]
  if (start !== undefined) exports.push(['start', KIND.function, start])
  const out = new BinaryWriter()
  out.u32(exports.length)
  for (const [name, kind, index] of exports) {
    out.sized(new TextEncoder().encode(name))
    out.byte(kind)
    out.u32(index)
  }
  return out.bytes
}

function codeSection(module: EvaluatorModule, globals: MeterGlobals): Uint8Array {
  const out = new BinaryWriter()
  out.u32(module.bodies.length)
  for (const index of module.bodies.keys()) out.sized(new FunctionMeter(module, globals, index).metered())
  return out.bytes
}
