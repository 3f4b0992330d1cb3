import type { BlobReader } from '../../kernel/plugins/packages/blob-stores.ts'

export type ReadAt = BlobReader['read']

/** Buffers of one reader: one that the consumer holds, one that is being filled. */
const BUFFERS = 2
/** Bytes of a piece: more do not make a download faster. */
const PIECE_BYTES = 512 * 1024
/** Bytes of a piece while {@link LARGE_READERS} others read. */
const SMALL_PIECE_BYTES = 64 * 1024
/**
 * Readers with large pieces at once: 64 MiB of buffers. Consumers that take nothing keep theirs, so the readers after them get
 * small buffers: they are slower, but they neither wait nor fail.
 */
const LARGE_READERS = 64

let largeReaders = 0

/**
 * Bytes from `start` to `end` (inclusive), in pieces of at most 512 KiB, reading one piece ahead as soon as the first was taken. A
 * piece is valid only until the next one is asked for: its buffer is used again. `available` resolves when the bytes up to a
 * position may be read. Throws when there are fewer.
 */
export async function* readAhead(
  readAt: ReadAt,
  start: number,
  end: number,
  available: (position: number) => Promise<void> | void,
): AsyncGenerator<Uint8Array> {
  const large = end - start + 1 > SMALL_PIECE_BYTES && largeReaders < LARGE_READERS
  if (large) largeReaders++
  try {
    yield* pieces(readAt, start, end, available, large ? PIECE_BYTES : SMALL_PIECE_BYTES)
  } finally {
    if (large) largeReaders--
  }
}

async function* pieces(
  readAt: ReadAt,
  start: number,
  end: number,
  available: (position: number) => Promise<void> | void,
  atMost: number,
): AsyncGenerator<Uint8Array> {
  const size = Math.min(atMost, end - start + 1)
  const buffers: Buffer[] = []
  const fill = async (position: number, turn: number): Promise<Uint8Array> => {
    buffers[turn] ??= Buffer.allocUnsafeSlow(size)
    const buffer = buffers[turn]
    const length = Math.min(size, end - position + 1)
    await available(position + length)
    for (let done = 0; done < length; ) {
      const { bytesRead } = await readAt(buffer.subarray(done), length - done, position + done)
      if (bytesRead === 0) throw new Error(`the package ends at ${position + done}, before ${end + 1}`)
      done += bytesRead
    }
    return buffer.subarray(0, length)
  }
  const first = await fill(start, 0)
  yield first
  let position = start + first.length
  let turn = 1
  let next = position <= end ? fill(position, turn) : undefined
  while (next !== undefined) {
    const piece: Uint8Array = await next
    position += piece.length
    turn = (turn + 1) % BUFFERS
    next = position <= end ? fill(position, turn) : undefined
    // A reader that leaves early must not turn a failed read-ahead into an unhandled rejection.
    next?.catch(() => undefined)
    yield piece
  }
}
