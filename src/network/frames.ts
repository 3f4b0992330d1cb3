import { LIMITS } from '../../protocol/limits.ts'

/** Bytes of a frame's length, big-endian. */
export const FRAME_HEADER_BYTES = 4

/** A frame that breaks a limit. The stream cannot go on: where the next frame starts is unknown. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** One frame: the length of `payload` (4 bytes, big-endian), then `payload`. */
export function encodeFrame(payload: string | Uint8Array): Uint8Array {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + bytes.byteLength)
  frame.writeUInt32BE(bytes.byteLength)
  frame.set(bytes, FRAME_HEADER_BYTES)
  return frame
}

/**
 * Cuts a byte stream into frames. A length of zero or above the limit is refused before anything is stored, and memory grows with
 * what arrived, not with what a length promises. Payloads may be views of the chunks that were pushed.
 */
export class FrameDecoder {
  /** Bytes of a payload at most. */
  maxBytes: number
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES)
  #headerBytes = 0
  /** Bytes of the frame that is arriving; 0 while its header is. */
  #length = 0
  #payload: Buffer = EMPTY
  #payloadBytes = 0

  constructor(maxBytes: number = LIMITS.frameBytes) {
    this.maxBytes = maxBytes
  }

  /** True between frames: the stream may end here without a part being lost. */
  get isEmpty(): boolean {
    return this.#headerBytes === 0
  }

  /** Bytes that are kept of a frame that is not complete. */
  get heldBytes(): number {
    return this.#payload.byteLength
  }

  /** The payloads of the frames that `chunk` completes, one by one. Throws `FrameError`. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#length === 0) {
        at = this.#readHeader(chunk, at)
        continue
      }
      const missing = this.#length - this.#payloadBytes
      if (chunk.byteLength - at < missing) {
        this.#keep(chunk.subarray(at))
        return
      }
      const end = chunk.subarray(at, at + missing)
      at += missing
      const payload = this.#complete(end)
      yield payload
    }
  }

  #readHeader(chunk: Uint8Array, start: number): number {
    let at = start
    while (this.#headerBytes < FRAME_HEADER_BYTES && at < chunk.byteLength) {
      this.#header[this.#headerBytes++] = chunk[at++] as number
    }
    if (this.#headerBytes < FRAME_HEADER_BYTES) return at
    const length = this.#header.readUInt32BE()
    if (length === 0) throw new FrameError('a frame of 0 bytes; a frame has at least 1')
    if (length > this.maxBytes) throw new FrameError(`a frame of ${length} bytes; at most ${this.maxBytes} are allowed`)
    this.#length = length
    return at
  }

  /** Stores a part of a payload, doubling the buffer as bytes arrive. */
  #keep(part: Uint8Array): void {
    const needed = this.#payloadBytes + part.byteLength
    if (needed > this.#payload.byteLength) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#length, Math.max(needed * 2, FIRST_BUFFER_BYTES)))
      grown.set(this.#payload.subarray(0, this.#payloadBytes))
      this.#payload = grown
    }
    this.#payload.set(part, this.#payloadBytes)
    this.#payloadBytes = needed
  }

  #complete(end: Uint8Array): Uint8Array {
    let payload = end
    if (this.#payloadBytes > 0) {
      this.#keep(end)
      payload = this.#payload.subarray(0, this.#length)
    }
    this.#headerBytes = 0
    this.#length = 0
    this.#payload = EMPTY
    this.#payloadBytes = 0
    return payload
  }
}

const EMPTY = Buffer.alloc(0)
/** Most frames are a few kilobytes. */
const FIRST_BUFFER_BYTES = 4096
