import type { Stream } from '@libp2p/interface'
import { Compile } from 'typebox/compile'
import { PackageStreamRequest } from '../../protocol/rpc.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { encodeFrame, FrameDecoder } from './frames.ts'
import type { NetworkHandlers, OpenPackage } from './handlers.ts'
import { PeerError } from './peer-error.ts'
import { StreamReader } from './stream-reader.ts'
import { drained, ignore } from './streams.ts'

const requestSchema = Compile(PackageStreamRequest)

/** Bytes of the request frame at most: a digest and a number. */
const REQUEST_FRAME_BYTES = 512
/** Milliseconds for the request to arrive. */
const REQUEST_MS = 5000
/** Uploads at once, over all peers: more would only make each of them slower, and each holds a file and a buffer. */
export const MAX_UPLOADS = 32

/** Asks for a package on a stream of the package protocol, and yields its bytes as they arrive. The stream is ended in every case. */
export async function* receivePackage(
  stream: Stream,
  digest: string,
  fromChunk: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new StreamReader(stream, signal)
  try {
    const request: PackageStreamRequest = { type: 'package_stream', digest, from_chunk: fromChunk }
    sendRequest(stream, request)
    stream.close({ signal }).catch(ignore)
    yield* reader
  } finally {
    reader.stop()
  }
}

function sendRequest(stream: Stream, request: PackageStreamRequest): void {
  try {
    stream.send(encodeFrame(JSON.stringify(request)))
  } catch (error) {
    throw new PeerError('unreachable', 'the peer refused the stream', { cause: error })
  }
}

/** Serves package streams. */
export class PackageServer {
  readonly #handlers: Pick<NetworkHandlers, 'openPackage'>
  readonly #logger: Logger
  #uploads = 0

  constructor(handlers: Pick<NetworkHandlers, 'openPackage'>, logger: Logger) {
    this.#handlers = handlers
    this.#logger = logger
  }

  /** Serves one stream. Whatever goes wrong resets it, so that the receiver never takes a part for the whole. Never rejects. */
  async serve(stream: Stream, remote: string): Promise<void> {
    if (this.#uploads >= MAX_UPLOADS) {
      stream.abort(new PeerError('busy', `${MAX_UPLOADS} uploads are under way`))
      return
    }
    this.#uploads++
    try {
      const request = await readRequest(stream)
      const source = await this.#handlers.openPackage(request.digest)
      if (source === undefined) throw new PeerError('bad_request', `${request.digest} is not held here`)
      try {
        await sendPackage(stream, source, request.from_chunk)
      } finally {
        await source.close()
      }
    } catch (error) {
      this.#logger.debug({ peer: remote, reason: errorMessage(error) }, 'a package transfer was broken off')
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    } finally {
      this.#uploads--
    }
  }
}

async function readRequest(stream: Stream): Promise<PackageStreamRequest> {
  const reader = new StreamReader(stream, AbortSignal.timeout(REQUEST_MS))
  const decoder = new FrameDecoder(REQUEST_FRAME_BYTES)
  for await (const part of reader) {
    for (const frame of decoder.push(part)) {
      const value = parseStrictJson(frame)
      if (!requestSchema.Check(value))
        throw new PeerError('violation', 'a package request has another form than the schema')
      reader.release()
      return value
    }
  }
  throw new PeerError('violation', 'the stream ended before the request')
}

async function sendPackage(stream: Stream, source: OpenPackage, fromChunk: number): Promise<void> {
  const start = fromChunk * source.chunkSize
  if (start >= source.size) throw new PeerError('bad_request', `chunk ${fromChunk} is past the end`)
  let left = source.size - start
  for await (const piece of source.read(fromChunk)) {
    left -= piece.byteLength
    if (left < 0) throw new RangeError('the package is longer than it said')
    stream.send(piece)
    // The piece may be reused after this turn, so it must have left our buffers.
    await drained(stream)
  }
  if (left !== 0) throw new RangeError(`the package is ${left} bytes shorter than it said`)
  await stream.close()
}
