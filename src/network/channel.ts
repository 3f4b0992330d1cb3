import type { Stream } from '@libp2p/interface'
import { LIMITS } from '../../protocol/limits.ts'
import { BatchOpener, BatchSealer } from './batch.ts'
import { encodeFrame, FRAME_HEADER_BYTES, FrameDecoder } from './frames.ts'
import type { IncompleteBatches } from './incomplete-batches.ts'
import { PeerError } from './peer-error.ts'
import {
  answerHandshake,
  HANDSHAKE_FRAME_BYTES,
  HandshakeError,
  openHandshake,
  type Session,
  type WireIdentity,
} from './session.ts'
import { type PeerSession, peerSession } from './session-key.ts'
import { partsOf } from './streams.ts'

/**
 * Frames from which on a batch for a peer that has nothing to do leaves in two halves: then one side works on one half while the other works on
 * the other. In one batch, each would wait for the other.
 */
const SPLIT_FRAMES = 16

/** Milliseconds for the handshake of a stream: one round trip and two signatures. */
const HANDSHAKE_MS = 5000

/** Who uses a channel. */
export interface ChannelUser {
  /** A frame of a verified batch, parsed, in the order in which it was written. What it throws aborts the channel. */
  onFrame(value: unknown): void
  /** Called once; nothing follows. */
  onClose(error: Error): void
  /** Frames that were sent, or are about to be, and that the peer has not answered. For the side that asks. */
  unanswered?(): number
}

/** Options of a channel. */
export interface ChannelOptions {
  readonly stream: Stream
  /** Provider id that the transport authenticated. */
  readonly remote: string
  readonly self: WireIdentity
  readonly user: ChannelUser
  /** What all channels together hold of batches that are not complete. */
  readonly incomplete: IncompleteBatches
  /**
   * Whether to stop reading while the peer does not take what is written. For the side that answers: were both sides to do so, both could
   * wait for ever.
   */
  readonly pauseWhenFull: boolean
}

/**
 * One standing stream: handshake, then signed batches in both directions. What is sent during one turn of the event loop leaves as one
 * batch (two, for a peer that would be idle otherwise), in one buffer, with one signature.
 */
export class Channel {
  readonly remote: string
  readonly #stream: Stream
  readonly #user: ChannelUser
  readonly #incomplete: IncompleteBatches
  readonly #pauseWhenFull: boolean
  readonly #decoder = new FrameDecoder(HANDSHAKE_FRAME_BYTES)
  #session: PeerSession | undefined
  #sealer: BatchSealer | undefined
  #opener: BatchOpener | undefined
  #handshake: ((frame: Uint8Array) => void) | undefined
  #outbox: Uint8Array[] = []
  #outboxBytes = 0
  #flushing = false
  #closed: Error | undefined

  private constructor(options: ChannelOptions) {
    this.remote = options.remote
    this.#stream = options.stream
    this.#user = options.user
    this.#incomplete = options.incomplete
    this.#pauseWhenFull = options.pauseWhenFull
  }

  /** Opens the channel on a stream that this node opened. Throws `HandshakeError` or `PeerError`; the stream is aborted then. */
  static open(options: ChannelOptions): Promise<Channel> {
    const channel = new Channel(options)
    const { challenge, finish } = openHandshake(options.self, options.remote)
    const opened = channel.#shake((frame) => channel.#begin(options.self, finish(frame)))
    channel.#sendRaw(encodeFrame(challenge))
    return opened
  }

  /** Opens the channel on a stream that the peer opened. Throws as `open` does. */
  static accept(options: ChannelOptions): Promise<Channel> {
    const channel = new Channel(options)
    return channel.#shake((frame) => {
      const { response, session } = answerHandshake(options.self, options.remote, frame)
      channel.#sendRaw(encodeFrame(response))
      channel.#begin(options.self, session)
    })
  }

  get isOpen(): boolean {
    return this.#closed === undefined
  }

  /** What both ends agreed on. Throws before they did, which no user of a channel sees. */
  get session(): PeerSession {
    if (this.#session === undefined) throw new HandshakeError(`no handshake with ${this.remote} yet`)
    return this.#session
  }

  /** Bytes that wait for the peer to take them. */
  get queuedBytes(): number {
    return this.#outboxBytes + this.#stream.writeBufferLength
  }

  /** Sends one JSON text. Throws `RangeError` when it does not fit a frame. On a closed channel it does nothing: `onClose` was called. */
  send(text: string): void {
    if (this.#closed !== undefined) return
    const payload = Buffer.from(text)
    if (payload.byteLength > LIMITS.frameBytes) {
      throw new RangeError(`a frame of ${payload.byteLength} bytes; at most ${LIMITS.frameBytes} are allowed`)
    }
    this.#outbox.push(payload)
    this.#outboxBytes += FRAME_HEADER_BYTES + payload.byteLength
    this.#flushSoon()
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      const waiting = this.#outbox.length
      if (waiting >= SPLIT_FRAMES && this.#user.unanswered?.() === waiting && !this.#stream.writableNeedsDrain) {
        this.#flushBatch(Math.ceil(waiting / 2))
        this.#flushSoon()
      } else this.#flush()
    })
  }

  /** Ends the channel at once; the peer sees a reset. */
  abort(error: Error): void {
    if (this.#closed !== undefined) return
    this.#end(error)
    this.#stream.abort(error)
  }

  #shake(onFirstFrame: (frame: Uint8Array) => void): Promise<Channel> {
    const { promise, resolve, reject } = Promise.withResolvers<Channel>()
    const timer = setTimeout(
      () => this.abort(new HandshakeError(`no handshake within ${HANDSHAKE_MS} ms`)),
      HANDSHAKE_MS,
    )
    this.#handshake = (frame) => {
      onFirstFrame(frame)
      this.#handshake = undefined
      clearTimeout(timer)
      resolve(this)
    }
    this.#onEnd = (error) => {
      clearTimeout(timer)
      reject(error)
    }
    this.#listen()
    return promise
  }

  #onEnd: (error: Error) => void = () => undefined

  #begin(self: WireIdentity, session: Session): void {
    const { network } = self
    this.#decoder.maxBytes = LIMITS.frameBytes
    this.#session = peerSession(session.id, session.key, network)
    this.#sealer = new BatchSealer({ network, session: session.id, from: self.providerId }, self.key)
    this.#opener = new BatchOpener(
      { network, session: session.id, from: session.remote },
      session.remoteKey,
      self.verifier,
      (value) => {
        if (this.#closed === undefined) this.#user.onFrame(value)
      },
    )
    this.#onEnd = (error) => this.#user.onClose(error)
  }

  #listen(): void {
    const stream = this.#stream
    stream.addEventListener('message', ({ data }) => this.#receive(partsOf(data)))
    stream.addEventListener('drain', () => queueMicrotask(() => this.#flush()))
    stream.addEventListener('remoteCloseWrite', () => {
      this.#end(new PeerError('unreachable', `${this.remote} closed the stream`))
      stream.close().catch((error: Error) => stream.abort(error))
    })
    stream.addEventListener('close', ({ error }) => {
      this.#end(new PeerError('unreachable', `the stream to ${this.remote} was lost`, { cause: error }))
    })
    if (stream.status !== 'open') this.#end(new PeerError('unreachable', `the stream to ${this.remote} was lost`))
  }

  #receive(parts: Iterable<Uint8Array>): void {
    if (this.#closed !== undefined) return
    try {
      for (const part of parts) {
        for (const frame of this.#decoder.push(part)) {
          if (this.#closed !== undefined) return
          this.#take(frame)
        }
      }
      this.#incomplete.set(this, this.#decoder.heldBytes + (this.#opener?.heldBytes ?? 0))
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #take(frame: Uint8Array): void {
    if (this.#handshake === undefined) {
      this.#opener?.push(frame)
      return
    }
    this.#handshake(frame)
  }

  #flush(): void {
    if (this.#closed !== undefined) return
    while (this.#outbox.length > 0 && !this.#stream.writableNeedsDrain && this.#closed === undefined) this.#flushBatch()
    if (this.#pauseWhenFull) this.#setReading(!this.#stream.writableNeedsDrain)
  }

  #flushBatch(most: number = LIMITS.batchFrames): void {
    let count = 0
    let bytes = 0
    for (const payload of this.#outbox) {
      const next = bytes + FRAME_HEADER_BYTES + payload.byteLength
      if (count === most || count === LIMITS.batchFrames || next > LIMITS.batchBytes) break
      bytes = next
      count++
    }
    const payloads = count === this.#outbox.length ? this.#outbox : this.#outbox.slice(0, count)
    this.#outbox = count === this.#outbox.length ? [] : this.#outbox.slice(count)
    this.#outboxBytes -= bytes
    if (this.#sealer !== undefined) this.#sendRaw(this.#sealer.seal(payloads))
  }

  #sendRaw(bytes: Uint8Array): void {
    try {
      this.#stream.send(bytes)
    } catch (error) {
      this.#end(new PeerError('unreachable', `the stream to ${this.remote} was lost`, { cause: error }))
    }
  }

  #setReading(reading: boolean): void {
    const { readStatus } = this.#stream
    if (reading && readStatus === 'paused') this.#stream.resume()
    if (!reading && readStatus === 'readable') this.#stream.pause()
  }

  #end(error: Error): void {
    if (this.#closed !== undefined) return
    this.#closed = error
    this.#outbox = []
    this.#outboxBytes = 0
    this.#incomplete.set(this, 0)
    this.#onEnd(error)
  }
}
