/** What is open: the function itself, a block, a loop or an if. */
interface Frame {
  /** Operands when it began. */
  readonly height: number
  readonly results: number
}

/** Counts the operands that code holds, as it is read from its beginning to its end. */
export class OperandCount {
  readonly #frames: Frame[]
  #height = 0
  #highest = 0

  /** `results`: of the function. */
  constructor(results: number) {
    this.#frames = [{ height: 0, results }]
  }

  /** Frames that are open; 0 behind the end of the function. */
  get depth(): number {
    return this.#frames.length
  }

  /** The most that there were at once. */
  get highest(): number {
    return this.#highest
  }

  open(results: number): void {
    this.#frames.push({ height: this.#height, results })
  }

  close(): void {
    const { results } = this.#frame
    this.drop()
    this.#frames.pop()
    this.change(0, results)
  }

  /** Back to as many as the frame began with: nothing comes here from above. */
  drop(): void {
    this.#height = this.#frame.height
  }

  /** In code that nothing reaches there may be fewer than are taken. */
  change(takes: number, leaves: number): void {
    this.#height = Math.max(this.#frames.at(-1)?.height ?? 0, this.#height - takes) + leaves
    this.#highest = Math.max(this.#highest, this.#height)
  }

  get #frame(): Frame {
    return this.#frames.at(-1)!
  }
}
