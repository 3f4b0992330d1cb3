import type { FileHandle } from 'node:fs/promises'
import { LIMITS } from '../../../protocol/limits.ts'

/** Reads `length` bytes at `position` into `buffer`; fewer only at the end of the file. */
export type ReadAt = (buffer: Uint8Array, length: number, position: number) => Promise<{ bytesRead: number }>

/** Buffers of one reader: one that the consumer holds, one that is being filled. */
const BUFFERS = 2

/**
 * Bytes from `start` to `end` (inclusive), in pieces of at most 1 MiB, reading one piece ahead. A piece is valid only until the next
 * one is asked for: its buffer is used again. `available` resolves when the bytes up to a position may be read. Throws when the file is shorter.
 */
export async function* readAhead(
  readAt: ReadAt,
  start: number,
  end: number,
  available: (position: number) => Promise<void> | void,
): AsyncGenerator<Uint8Array> {
  const size = Math.min(LIMITS.chunkBytes, end - start + 1)
  const buffers = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(size))
  const fill = async (position: number, buffer: Buffer): Promise<Uint8Array> => {
    const length = Math.min(size, end - position + 1)
    await available(position + length)
    for (let done = 0; done < length; ) {
      const { bytesRead } = await readAt(buffer.subarray(done), length - done, position + done)
      if (bytesRead === 0) throw new Error(`the package ends at ${position + done}, before ${end + 1}`)
      done += bytesRead
    }
    return buffer.subarray(0, length)
  }
  let turn = 0
  let next: Promise<Uint8Array> | undefined = fill(start, buffers[turn]!)
  for (let position = start; next !== undefined; ) {
    const piece: Uint8Array = await next
    position += piece.length
    turn = (turn + 1) % BUFFERS
    next = position <= end ? fill(position, buffers[turn]!) : undefined
    // A reader that leaves early must not turn a failed read-ahead into an unhandled rejection.
    next?.catch(() => undefined)
    yield piece
  }
}

export const fileReader =
  (handle: FileHandle): ReadAt =>
  (buffer, length, position) =>
    handle.read(buffer, 0, length, position)
