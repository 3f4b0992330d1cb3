/** Why a module is refused: what was found, and what is allowed. */
export class RefusedModule extends Error {
  override readonly name = 'RefusedModule'
}

/** Reads the encodings of the WebAssembly binary format from a range of bytes. Nothing is read past the range. */
export class BinaryReader {
  at: number
  readonly end: number
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.at = start
    this.end = end
  }

  get done(): boolean {
    return this.at >= this.end
  }

  byte(): number {
    const value = this.at < this.end ? this.#bytes[this.at] : undefined
    if (value === undefined)
      throw new RefusedModule(`it is no WebAssembly module: it ends in a value, at byte ${this.at}`)
    this.at++
    return value
  }

  u32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80 && value < 2 ** 32) return value
      if (byte < 0x80) break
    }
    throw new RefusedModule(`it is no WebAssembly module: a number of more than 32 bits before byte ${this.at}`)
  }

  /** Passes over a LEB128 number of at most `bytes` bytes. */
  skipNumber(bytes: number): void {
    for (let count = 0; count < bytes; count++) if (this.byte() < 0x80) return
    throw new RefusedModule(`it is no WebAssembly module: a number of more than ${bytes} bytes before byte ${this.at}`)
  }

  skip(length: number): void {
    if (length > this.end - this.at) {
      throw new RefusedModule(
        `it is no WebAssembly module: ${length} bytes at byte ${this.at}, ${this.end - this.at} are left`,
      )
    }
    this.at += length
  }

  text(): string {
    const length = this.u32()
    const start = this.at
    this.skip(length)
    return new TextDecoder().decode(this.#bytes.subarray(start, this.at))
  }

  /** A range of `length` bytes, which this reader passes over. */
  range(length: number): BinaryReader {
    const start = this.at
    this.skip(length)
    return new BinaryReader(this.#bytes, start, this.at)
  }

  /** The bytes from `start` to where this reader is. */
  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.at)
  }
}

/** Writes them. */
export class BinaryWriter {
  #bytes = new Uint8Array(1024)
  #length = 0

  get length(): number {
    return this.#length
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  byte(...values: readonly number[]): void {
    this.append(values)
  }

  append(values: ArrayLike<number>): void {
    const length = this.#length + values.length
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(2 * length)
      larger.set(this.bytes)
      this.#bytes = larger
    }
    this.#bytes.set(values, this.#length)
    this.#length = length
  }

  u32(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 0x80)
    this.byte(rest)
  }

  signed(value: bigint): void {
    let rest = value
    for (; rest < -64n || rest > 63n; rest >>= 7n) this.byte(Number(rest & 0x7fn) | 0x80)
    this.byte(Number(rest & 0x7fn))
  }

  /** Bytes with their length in front. */
  sized(bytes: Uint8Array): void {
    this.u32(bytes.length)
    this.append(bytes)
  }
}
