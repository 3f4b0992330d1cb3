import { randomFillSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** A real module that ships in an npm package, 48 KB. */
const MODULE = readFileSync(createRequire(import.meta.url).resolve('source-map/lib/mappings.wasm'))
const NAME = Buffer.from('filler')
/** Section id, a length in five bytes, the length of the name, the name. */
const FRAME_BYTES = 1 + 5 + 1 + NAME.length
const COUNTER_BYTES = 8

/** A valid WebAssembly module of exactly `size` bytes; two with different numbers differ. */
export function wasmOf(size: number, number: number): Buffer {
  const filler = size - MODULE.length - FRAME_BYTES
  if (filler < COUNTER_BYTES) throw new RangeError(`${size} bytes; the module and its number need more`)
  const bytes = Buffer.allocUnsafeSlow(size)
  MODULE.copy(bytes)
  let at = bytes.writeUInt8(0, MODULE.length)
  const content = 1 + NAME.length + filler
  // LEB128, padded to five bytes.
  for (let i = 0; i < 5; i++) at = bytes.writeUInt8(((content >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0), at)
  at = bytes.writeUInt8(NAME.length, at)
  at += NAME.copy(bytes, at)
  randomFillSync(bytes, at)
  renumber(bytes, number)
  return bytes
}

/** Makes another module of one made by {@link wasmOf}, in place. */
export function renumber(module: Buffer, number: number): void {
  module.writeBigUInt64LE(BigInt(number), module.length - COUNTER_BYTES)
}
