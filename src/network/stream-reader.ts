import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { PeerError } from './peer-error.ts'
import { partsOf } from './streams.ts'

/** Unread bytes at which the peer is told to wait, and at which it may go on: enough to keep a fast link busy while a disk writes. */
const PAUSE_BYTES = 4 * 1024 * 1024
const RESUME_BYTES = 1024 * 1024

/**
 * Reads a stream's bytes, with back-pressure, to the end that the peer declared. The stream's own iterator ends quietly when the connection
 * is closed under it, which would make a part look like the whole; this one throws then.
 */
export class StreamReader implements AsyncIterable<Uint8Array> {
  readonly #stream: Stream
  readonly #signal: AbortSignal
  readonly #pauseBytes: number
  #queue: Uint8Array[] = []
  #queued = 0
  #ended = false
  #error: unknown
  #failed = false
  #wake: (() => void) | undefined
  #listening = true

  /** `pauseBytes`: unread bytes at which the peer is told to wait. */
  constructor(stream: Stream, signal: AbortSignal, pauseBytes: number = PAUSE_BYTES) {
    this.#stream = stream
    this.#signal = signal
    this.#pauseBytes = pauseBytes
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('remoteCloseWrite', this.#onEnd)
    stream.addEventListener('close', this.#onClose)
    signal.addEventListener('abort', this.#onAbort)
    if (signal.aborted) this.#onAbort()
    else if (stream.remoteWriteStatus === 'closed') this.#onEnd()
    else if (stream.status !== 'open') this.#fail(new PeerError('unreachable', 'the stream was lost'))
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    while (true) {
      const parts = this.#queue
      this.#queue = []
      for (const part of parts) {
        this.#queued -= part.byteLength
        if (this.#failed) throw this.#error
        yield part
      }
      if (this.#failed) throw this.#error
      if (this.#queued <= RESUME_BYTES) this.#resume()
      if (this.#queue.length > 0) continue
      if (this.#ended && this.#stream.readBufferLength === 0) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Lets the stream go: somebody else reads or writes it from here on. */
  release(): void {
    if (!this.#listening) return
    this.#listening = false
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#stream.removeEventListener('remoteCloseWrite', this.#onEnd)
    this.#stream.removeEventListener('close', this.#onClose)
    this.#signal.removeEventListener('abort', this.#onAbort)
  }

  /** Stops reading; a stream that the peer has not ended is reset. */
  stop(): void {
    const unfinished = !this.#ended || this.#queued > 0 || this.#stream.readBufferLength > 0
    this.release()
    if (unfinished) this.#stream.abort(new PeerError('unreachable', 'the receiver stopped'))
  }

  readonly #onMessage = ({ data }: StreamMessageEvent): void => {
    for (const part of partsOf(data)) {
      this.#queue.push(part)
      this.#queued += part.byteLength
    }
    if (this.#queued >= this.#pauseBytes && this.#stream.readStatus === 'readable') this.#stream.pause()
    this.#wakeUp()
  }

  readonly #onEnd = (): void => {
    this.#ended = true
    this.#wakeUp()
  }

  readonly #onClose = ({ error }: StreamCloseEvent): void => {
    if (this.#ended && error === undefined) return
    this.#fail(new PeerError('unreachable', 'the stream was lost before its end', { cause: error }))
  }

  readonly #onAbort = (): void => this.#fail(this.#signal.reason)

  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#error = error
    this.#wakeUp()
  }

  #resume(): void {
    if (this.#stream.readStatus === 'paused') this.#stream.resume()
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
