/** Rows that a matrix grows by, at least. */
const GROW = 64

/**
 * Vectors of length 1, eight bits a number: a quarter of the memory, and cosines that differ by less than a hundredth. Rows are numbered from 0; one
 * that was not set has no vector.
 */
export class QuantizedVectors {
  readonly dimensions: number
  #values = new Int8Array(0)
  /** What a number of a row is to be multiplied by; 0 where there is no vector. */
  #scales = new Float32Array(0)

  constructor(dimensions: number) {
    this.dimensions = dimensions
  }

  get bytes(): number {
    return this.#values.length + 4 * this.#scales.length
  }

  set(row: number, vector: Float32Array): void {
    if (vector.length !== this.dimensions)
      throw new RangeError(`a vector of ${vector.length} numbers among those of ${this.dimensions}`)
    this.#growTo(row + 1)
    const scale = scaleOf(vector)
    this.#scales[row] = scale
    if (scale > 0) quantize(vector, scale, this.#values.subarray(row * this.dimensions, (row + 1) * this.dimensions))
  }

  delete(row: number): void {
    if (row < this.#scales.length) this.#scales[row] = 0
  }

  has(row: number): boolean {
    return (this.#scales[row] ?? 0) > 0
  }

  /** The cosine of each row's vector and this one; undefined where there is none. */
  cosines(vector: Float32Array): (row: number) => number | undefined {
    const scale = scaleOf(vector)
    const query = quantize(vector, scale, new Int8Array(this.dimensions))
    const { dimensions } = this
    const values = this.#values
    const scales = this.#scales
    return (row) => {
      const own = scales[row] ?? 0
      if (own === 0) return undefined
      let sum = 0
      let at = row * dimensions
      for (let column = 0; column < dimensions; column++, at++) sum += query[column]! * values[at]!
      return sum * own * scale
    }
  }

  #growTo(rows: number): void {
    const had = this.#scales.length
    if (rows <= had) return
    const room = Math.max(rows, Math.ceil(had * 1.25), had + GROW)
    const values = new Int8Array(room * this.dimensions)
    const scales = new Float32Array(room)
    values.set(this.#values)
    scales.set(this.#scales)
    this.#values = values
    this.#scales = scales
  }
}

/** So that the largest number becomes 127. */
function scaleOf(vector: Float32Array): number {
  let most = 0
  for (const value of vector) most = Math.max(most, Math.abs(value))
  return Number.isFinite(most) ? most / 127 : 0
}

function quantize(vector: Float32Array, scale: number, to: Int8Array): Int8Array {
  for (let at = 0; at < to.length; at++) to[at] = scale === 0 ? 0 : Math.round(vector[at]! / scale)
  return to
}
