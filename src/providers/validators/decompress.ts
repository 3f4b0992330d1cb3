import { createGunzip, createZstdDecompress } from 'node:zlib'
import { ArchiveFault } from './archive-findings.ts'

/** How bytes are compressed. */
export type Compression = 'none' | 'gzip' | 'zstd'

/** Bytes that a decompressor writes at once. */
const OUTPUT_BYTES = 256 * 1024

const engines = {
  gzip: () => createGunzip({ chunkSize: OUTPUT_BYTES }),
  zstd: () => createZstdDecompress({ chunkSize: OUTPUT_BYTES }),
}

/** What the first bytes say (RFC 1952 §2.3.1, RFC 8878 §3.1.1; a skippable frame may come first, §3.1.2). */
export function compressionOf(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip'
  if (head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd && head[0] === 0x28) return 'zstd'
  if (((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return 'zstd'
  return 'none'
}

/**
 * Unpacks as much as is asked for, and holds back the source meanwhile. Several gzip members or zstd frames in a row are one content, as
 * their specifications say.
 *
 * Throws `ArchiveFault`: `ARCHIVE_TRUNCATED`, `ARCHIVE_COMPRESSION`.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  if (compression === 'none') return yield* source
  let engine = new Engine(compression)
  try {
    for await (const chunk of source) {
      for (let rest = chunk; rest.length > 0; ) {
        const taken = engine.taken
        yield* engine.write(rest)
        rest = rest.subarray(engine.taken - taken)
        if (rest.length === 0) break
        // The engine stops at the end of a zstd frame. Of gzip members it stops at the last.
        if (compression === 'gzip') throw new ArchiveFault('ARCHIVE_COMPRESSION', 'something follows the gzip data')
        engine.close()
        engine = new Engine(compression)
      }
    }
    yield* engine.end()
  } catch (error) {
    throw engineFault(error)
  } finally {
    engine.close()
  }
}

/** A decompressor that is pulled from: it works while somebody takes what it writes. */
class Engine {
  readonly #stream: ReturnType<(typeof engines)[keyof typeof engines]>
  #ended = false
  #failure: Error | undefined
  /** Ends a wait for the stream. */
  #wake: () => void = () => undefined

  constructor(compression: keyof typeof engines) {
    this.#stream = engines[compression]()
    this.#stream.on('readable', () => this.#wake())
    this.#stream.on('end', () => {
      this.#ended = true
      this.#wake()
    })
    this.#stream.on('error', (error) => {
      this.#failure = error
      this.#wake()
    })
  }

  /** Packed bytes that it took. */
  get taken(): number {
    return this.#stream.bytesWritten
  }

  /** Takes a chunk, or what belongs to the content of it, and gives what comes out. */
  async *write(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
    let written = false
    this.#stream.write(chunk, () => {
      written = true
      this.#wake()
    })
    yield* this.#read(() => written)
  }

  async *end(): AsyncGenerator<Uint8Array> {
    this.#stream.end()
    yield* this.#read(() => false)
  }

  close(): void {
    this.#stream.destroy()
  }

  async *#read(isDone: () => boolean): AsyncGenerator<Uint8Array> {
    while (true) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      const output: Uint8Array | null = this.#stream.read()
      if (output !== null) yield output
      else if (this.#failure !== undefined) throw this.#failure
      else if (this.#ended || isDone()) return
      else await promise
    }
  }
}

function engineFault(error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error)) return error
  if (error.code === 'Z_BUF_ERROR') return new ArchiveFault('ARCHIVE_TRUNCATED', 'the compressed data ends too early')
  const isTheirs = typeof error.code === 'string' && /^(Z_DATA|Z_NEED|ZSTD_)/.test(error.code)
  return isTheirs ? new ArchiveFault('ARCHIVE_COMPRESSION', `not decompressed: ${error.message}`) : error
}
