import type { Stream } from '@libp2p/interface'
import { LIMITS } from '../../protocol/limits.ts'
import { PackageStreamRequest } from '../../protocol/rpc.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { Counts } from '../kernel/base/counts.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import type { RateCap } from '../kernel/base/rate-cap.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { WantedRange } from './api.ts'
import { encodeFrame, FrameDecoder } from './frames.ts'
import type { NetworkHandlers, OpenPackage } from './handlers.ts'
import { PeerError } from './peer-error.ts'
import { StreamReader } from './stream-reader.ts'
import { drained, ignore, STREAM_WINDOW_BYTES } from './streams.ts'

const requestSchema = checkerOf(PackageStreamRequest)

/** Bytes of the request frame at most: a digest and a number. */
const REQUEST_FRAME_BYTES = 512
/** Milliseconds for the request to arrive. */
const REQUEST_MS = 5000
/** Bytes of requests that wait on one stream: as many as {@link LIMITS.rangesPerStream}, and what they come in. */
const WAITING_BYTES = 8 * REQUEST_FRAME_BYTES
/** Bytes that are sent at once under a cap: small, so that uploads share it evenly. */
const CAPPED_BYTES = 64 * 1024
/** Uploads at once, over all peers: more would only make each of them slower, and each holds a file and a buffer. */
export const MAX_UPLOADS = 64
/** Uploads at once to one peer, so that it takes sixteen to keep everybody else waiting. */
export const UPLOADS_PER_PEER = 4
/** Milliseconds that a peer may take for `SLOW_BYTES`: slower, and it holds a place for nothing. */
const SLOW_MS = 30_000
const SLOW_BYTES = 1024 * 1024
/** Unread bytes at which a stream of package bytes is reset: a paused reader may receive a whole window. */
const READ_BUFFER_BYTES = STREAM_WINDOW_BYTES + 1024 * 1024

/** Milliseconds in which a peer has to end a stream after its last byte. */
const END_MS = 5000
/** Ranges that are asked for and not here yet: one that comes, and one that comes next. */
const RANGES_AHEAD = 2

/** Asks for chunks on a stream of the package protocol, and yields their bytes as they arrive. The stream is ended in every case. */
export async function* receivePackage(
  stream: Stream,
  digest: string,
  nextRange: () => WantedRange | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  stream.maxReadBufferLength = READ_BUFFER_BYTES
  const reader = new StreamReader(stream, signal)
  /** Bytes that have still to come, of each range. */
  const open: number[] = []
  let isAsking = true
  const ask = (): void => {
    while (isAsking && open.length < RANGES_AHEAD) {
      const range = nextRange()
      if (range !== undefined) {
        sendRequest(stream, { type: 'package_stream', digest, from_chunk: range.from, to_chunk: range.to })
        open.push(range.bytes)
        continue
      }
      isAsking = false
      stream.close({ signal }).catch(ignore)
    }
  }
  let isDone = false
  try {
    ask()
    if (open.length === 0) return
    for await (const bytes of reader) {
      let used = 0
      for (let [coming] = open; coming !== undefined && used < bytes.byteLength; [coming] = open) {
        const part = Math.min(coming, bytes.byteLength - used)
        used += part
        open[0] = coming - part
        if (part < coming) continue
        open.shift()
        ask()
      }
      isDone = open.length === 0
      // What a peer sends after the last byte that was asked for is nobody's business.
      yield bytes.subarray(0, used)
      if (isDone) return
    }
    throw new PeerError('unreachable', 'the transfer ended early')
  } finally {
    if (isDone) letEnd(stream, reader)
    else reader.stop()
  }
}

/** Everything is here: only the end of the stream is missing, which nobody waits for. */
function letEnd(stream: Stream, reader: StreamReader): void {
  reader.release()
  if (stream.status !== 'open') return
  stream.maxReadBufferLength = 0
  const timer = setTimeout(() => stream.abort(new PeerError('unreachable', 'the peer does not end the stream')), END_MS)
  stream.addEventListener('close', () => clearTimeout(timer))
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
  readonly #cap: RateCap
  readonly #slowMs: number
  /** Uploads by peer. */
  readonly #peers = new Counts()
  #uploads = 0

  /** `cap` is what all uploads share; `slowMs`: milliseconds that a peer may take for each MiB, and to ask for more. */
  constructor(handlers: Pick<NetworkHandlers, 'openPackage'>, logger: Logger, cap: RateCap, slowMs: number = SLOW_MS) {
    this.#handlers = handlers
    this.#logger = logger
    this.#cap = cap
    this.#slowMs = slowMs
  }

  /** Serves one stream. Whatever goes wrong resets it, so that the receiver never takes a part for the whole. Never rejects. */
  async serve(stream: Stream, remote: string): Promise<void> {
    const open = this.#peers.of(remote)
    if (open >= UPLOADS_PER_PEER || this.#uploads >= MAX_UPLOADS) {
      const [count, whom] = open >= UPLOADS_PER_PEER ? [open, remote] : [this.#uploads, 'all peers']
      stream.abort(new PeerError('busy', `${count} uploads to ${whom} are under way`))
      return
    }
    this.#uploads++
    const leave = this.#enter(stream, remote)
    try {
      await this.#answer(stream, leave)
    } catch (error) {
      this.#logger.debug({ peer: remote, reason: errorMessage(error) }, 'a package transfer was broken off')
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    } finally {
      leave()
      this.#uploads--
    }
  }

  /** Sends what is asked for on a stream, to the end of the asking. */
  async #answer(stream: Stream, leave: () => void): Promise<void> {
    const requests = new PackageRequests(stream, this.#slowMs)
    try {
      const first = await requests.next()
      if (first === undefined) throw new PeerError('violation', 'the stream ended before the request')
      const source = await this.#handlers.openPackage(first.digest)
      if (source === undefined) throw new PeerError('bad_request', `${first.digest} is not held here`)
      const upload = { stream, source, cap: this.#cap, slowMs: this.#slowMs }
      try {
        for (let request = first; ; ) {
          await sendChunks(upload, request)
          const next = await requests.next()
          if (next === undefined) break
          if (next.digest !== first.digest) throw new PeerError('violation', 'a stream asks for two packages')
          request = next
        }
        await stream.close({ signal: AbortSignal.timeout(this.#slowMs) })
      } finally {
        leave()
        await source.close()
      }
    } finally {
      requests.stop()
    }
  }

  /** Counts an upload to a peer until it is sent or its stream has ended, so that the peer may ask for the next one at once. */
  #enter(stream: Stream, remote: string): () => void {
    this.#peers.add(remote, 1)
    let counted = true
    const leave = (): void => {
      if (!counted) return
      counted = false
      this.#peers.add(remote, -1)
    }
    stream.addEventListener('close', leave)
    return leave
  }
}

/** The requests of one stream, in order. */
class PackageRequests {
  readonly #reader: StreamReader
  readonly #parts: AsyncIterator<Uint8Array>
  readonly #decoder = new FrameDecoder(REQUEST_FRAME_BYTES)
  readonly #late = new AbortController()
  readonly #waitMs: number
  #waiting: PackageStreamRequest[] = []
  #timeMs = REQUEST_MS

  /** `waitMs`: milliseconds that the peer may take to ask for more. */
  constructor(stream: Stream, waitMs: number) {
    // What waits here and there is a few requests, or an attack.
    stream.maxReadBufferLength = WAITING_BYTES
    this.#reader = new StreamReader(stream, this.#late.signal, WAITING_BYTES)
    this.#parts = this.#reader[Symbol.asyncIterator]()
    this.#waitMs = waitMs
  }

  /** The next one; undefined when the peer has asked for everything. */
  async next(): Promise<PackageStreamRequest | undefined> {
    const timer = setTimeout(
      () => this.#late.abort(new PeerError('unreachable', 'the peer asks for nothing')),
      this.#timeMs,
    )
    this.#timeMs = this.#waitMs
    try {
      while (this.#waiting.length === 0) {
        const part = await this.#parts.next()
        if (part.done === true) return undefined
        this.#take(part.value)
      }
      return this.#waiting.shift()
    } finally {
      clearTimeout(timer)
    }
  }

  /** Lets the stream go, in whatever state it is. */
  stop(): void {
    this.#reader.release()
  }

  #take(part: Uint8Array): void {
    for (const frame of this.#decoder.push(part)) {
      const value = parseStrictJson(frame)
      if (!requestSchema.Check(value))
        throw new PeerError('violation', 'a package request has another form than the schema')
      this.#waiting.push(value)
    }
    if (this.#waiting.length > LIMITS.rangesPerStream) {
      throw new PeerError('violation', `${this.#waiting.length} requests wait; at most ${LIMITS.rangesPerStream} may`)
    }
  }
}

interface Upload {
  readonly stream: Stream
  readonly source: OpenPackage
  readonly cap: RateCap
  readonly slowMs: number
}

async function sendChunks(upload: Upload, { from_chunk: from, to_chunk }: PackageStreamRequest): Promise<void> {
  const { stream, source, cap, slowMs } = upload
  const chunks = Math.ceil(source.size / source.chunkSize)
  const to = Math.min(to_chunk ?? chunks, chunks)
  if (from >= to) throw new PeerError('bad_request', `the chunks ${from} to ${to - 1} of ${chunks} are none`)
  let left = Math.min(to * source.chunkSize, source.size) - from * source.chunkSize
  const ended = new AbortController()
  const end = (): void => ended.abort(new PeerError('unreachable', 'the stream closed before everything was sent'))
  stream.addEventListener('close', end)
  // Of the bytes that are timed, how many are sent, and how long the peer let us wait for it. Our own disk's time and the cap's do not count.
  let sent = 0
  let waited = 0
  try {
    for await (const piece of source.read(from, to)) {
      left -= piece.byteLength
      if (left < 0) throw new RangeError('the package is longer than it said')
      const size = cap.isNone ? piece.byteLength : CAPPED_BYTES
      for (let at = 0; at < piece.byteLength; at += size) {
        const part = piece.subarray(at, at + size)
        if (!cap.isNone) await cap.take(part.byteLength, ended.signal)
        stream.send(part)
        // The piece may be reused after this turn, so it must have left our buffers.
        const since = performance.now()
        await drained(stream, slowMs - waited)
        waited += performance.now() - since
        sent += part.byteLength
        if (sent < SLOW_BYTES) continue
        sent = 0
        waited = 0
      }
    }
  } finally {
    stream.removeEventListener('close', end)
  }
  if (left !== 0) throw new RangeError(`the package is ${left} bytes shorter than it said`)
}
