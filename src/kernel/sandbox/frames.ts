/** Bytes in front of each message: its length, big-endian. */
const HEADER_BYTES = 4

/** What precedes a message of `length` bytes on a stream. */
export function frameHeader(length: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES)
  new DataView(header.buffer).setUint32(0, length)
  return header
}

/** Takes a stream of messages apart, whatever pieces it comes in. */
export class FrameReader {
  readonly #most: number
  #rest: Uint8Array = new Uint8Array()

  /** `most`: bytes of a message. */
  constructor(most: number) {
    this.#most = most
  }

  /** The messages that `bytes` complete; valid until the bytes are reused. Throws for one that is too long. */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    while (this.#rest.length >= HEADER_BYTES) {
      const { buffer, byteOffset } = this.#rest
      const length = new DataView(buffer, byteOffset).getUint32(0)
      if (length > this.#most) throw new Error(`a message of ${length} bytes, at most ${this.#most} are read`)
      const end = HEADER_BYTES + length
      if (this.#rest.length < end) return
      const message = this.#rest.subarray(HEADER_BYTES, end)
      this.#rest = this.#rest.subarray(end)
      yield message
    }
  }
}
