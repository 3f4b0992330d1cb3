import type { Stream } from '@libp2p/interface'
import { PeerError } from './peer-error.ts'

/** What a stream's `message` event and its iterator carry. */
export type StreamData = Uint8Array | Iterable<Uint8Array>

/** Bytes that a stream may have on the way: 200 to 400 MB/s at a round trip of 40 ms (the half that is used up is given back). All nodes have the same: yamux does not negotiate it. */
export const STREAM_WINDOW_BYTES = 16 * 1024 * 1024

/** The contiguous parts of received data, without copying. */
export function partsOf(data: StreamData): Iterable<Uint8Array> {
  return data instanceof Uint8Array ? [data] : data
}

/**
 * Resolves when the stream takes more; rejects when it closed, or did not within `limitMs`, however often it took a little. `stream.onDrain()` is no substitute: in libp2p 3.3 its promise stays
 * resolved after the first drain, so that a second wait returns at once.
 */
export async function drained(stream: Stream, limitMs: number): Promise<void> {
  const limit = performance.now() + limitMs
  while (stream.writableNeedsDrain) {
    if (stream.writeStatus === 'closed') {
      throw new PeerError('unreachable', 'the stream closed before everything was sent')
    }
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer)
        stream.removeEventListener('drain', settle)
        stream.removeEventListener('close', settle)
        resolve()
      }
      const timer = setTimeout(() => {
        reject(new PeerError('unreachable', 'the peer takes the bytes too slowly'))
        settle()
      }, limit - performance.now())
      stream.addEventListener('drain', settle)
      stream.addEventListener('close', settle)
    })
  }
}

/** `promise`, or the reason of `signal` when that fires first. What becomes of `promise` then is ignored. */
export function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(ignore)
    return Promise.reject(signal.reason)
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** For promises whose failure is somebody else's to handle. */
export const ignore = (): void => undefined
