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
import { drained, ignore, STREAM_WINDOW_BYTES } from './streams.ts'

const requestSchema = Compile(PackageStreamRequest)

/** Bytes of the request frame at most: a digest and a number. */
const REQUEST_FRAME_BYTES = 512
/** Milliseconds for the request to arrive. */
const REQUEST_MS = 5000
/** Uploads at once, over all peers: more would only make each of them slower, and each holds a file and a buffer. */
export const MAX_UPLOADS = 64
/** Uploads at once to one peer, so that it takes sixteen to keep everybody else waiting. */
export const UPLOADS_PER_PEER = 4
/** Milliseconds that a peer may take for `SLOW_BYTES`: slower, and it holds a place for nothing. */
const SLOW_MS = 30_000
const SLOW_BYTES = 1024 * 1024
/** Unread bytes at which a stream of package bytes is reset: a paused reader may receive a whole window. */
const READ_BUFFER_BYTES = STREAM_WINDOW_BYTES + 1024 * 1024

/** Asks for a package on a stream of the package protocol, and yields its bytes as they arrive. The stream is ended in every case. */
export async function* receivePackage(
  stream: Stream,
  digest: string,
  fromChunk: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  stream.maxReadBufferLength = READ_BUFFER_BYTES
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
  readonly #slowMs: number
  readonly #peers = new Map<string, number>()
  #uploads = 0

  /** `slowMs`: milliseconds that a peer may take for each MiB. */
  constructor(handlers: Pick<NetworkHandlers, 'openPackage'>, logger: Logger, slowMs: number = SLOW_MS) {
    this.#handlers = handlers
    this.#logger = logger
    this.#slowMs = slowMs
  }

  /** Serves one stream. Whatever goes wrong resets it, so that the receiver never takes a part for the whole. Never rejects. */
  async serve(stream: Stream, remote: string): Promise<void> {
    const open = this.#peers.get(remote) ?? 0
    if (open >= UPLOADS_PER_PEER || this.#uploads >= MAX_UPLOADS) {
      const [count, whom] = open >= UPLOADS_PER_PEER ? [open, remote] : [this.#uploads, 'all peers']
      stream.abort(new PeerError('busy', `${count} uploads to ${whom} are under way`))
      return
    }
    this.#uploads++
    const leave = this.#enter(stream, remote)
    try {
      const request = await readRequest(stream)
      const source = await this.#handlers.openPackage(request.digest)
      if (source === undefined) throw new PeerError('bad_request', `${request.digest} is not held here`)
      try {
        await sendPackage(stream, source, request.from_chunk, this.#slowMs)
      } finally {
        leave()
        await source.close()
      }
    } catch (error) {
      this.#logger.debug({ peer: remote, reason: errorMessage(error) }, 'a package transfer was broken off')
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    } finally {
      leave()
      this.#uploads--
    }
  }

  /** Counts an upload to a peer until it is sent or its stream has ended, so that the peer may ask for the next one at once. */
  #enter(stream: Stream, remote: string): () => void {
    this.#peers.set(remote, (this.#peers.get(remote) ?? 0) + 1)
    let counted = true
    const leave = (): void => {
      if (!counted) return
      counted = false
      const left = (this.#peers.get(remote) ?? 1) - 1
      if (left === 0) this.#peers.delete(remote)
      else this.#peers.set(remote, left)
    }
    stream.addEventListener('close', leave)
    return leave
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

async function sendPackage(stream: Stream, source: OpenPackage, fromChunk: number, slowMs: number): Promise<void> {
  const start = fromChunk * source.chunkSize
  if (start >= source.size) throw new PeerError('bad_request', `chunk ${fromChunk} is past the end`)
  let left = source.size - start
  // Of the bytes that are timed, how many are sent, and how long the peer let us wait for it. Our own disk's time does not count.
  let sent = 0
  let waited = 0
  for await (const piece of source.read(fromChunk)) {
    left -= piece.byteLength
    if (left < 0) throw new RangeError('the package is longer than it said')
    stream.send(piece)
    // The piece may be reused after this turn, so it must have left our buffers.
    const from = performance.now()
    await drained(stream, slowMs - waited)
    waited += performance.now() - from
    sent += piece.byteLength
    if (sent >= SLOW_BYTES) {
      sent = 0
      waited = 0
    }
  }
  if (left !== 0) throw new RangeError(`the package is ${left} bytes shorter than it said`)
  await stream.close({ signal: AbortSignal.timeout(slowMs) })
}
