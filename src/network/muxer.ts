import { yamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream } from '@libp2p/interface'
import { endWhenSilent } from './silence.ts'
import { partsOf, STREAM_WINDOW_BYTES } from './streams.ts'

/** Bytes of a yamux header: version, type, flags (2), stream (4), length (4). */
const HEADER_BYTES = 12
const TYPE_AT = 1
const LENGTH_AT = 8
const DATA = 0

type YamuxStream = ReturnType<ReturnType<ReturnType<ReturnType<typeof yamux>>['createStreamMuxer']>['onCreateStream']>

/**
 * Reads along with the headers of a yamux session. The muxer itself collects a whole data frame before it looks at the window, so that a
 * header alone could make it collect 4 GiB.
 */
export class YamuxGuard {
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerBytes = 0
  /** Bytes of the data frame that have still to come. */
  #data = 0

  /** Takes the next bytes of the session. Throws `RangeError` for a data frame that no window can hold. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#data > 0) {
        const skipped = Math.min(this.#data, chunk.byteLength - at)
        this.#data -= skipped
        at += skipped
        continue
      }
      this.#header[this.#headerBytes++] = chunk[at++] ?? 0
      if (this.#headerBytes < HEADER_BYTES) continue
      this.#headerBytes = 0
      if (this.#header[TYPE_AT] !== DATA) continue
      this.#data = this.#header.readUInt32BE(LENGTH_AT)
      if (this.#data > STREAM_WINDOW_BYTES) {
        throw new RangeError(`a data frame of ${this.#data} bytes; at most ${STREAM_WINDOW_BYTES} are allowed`)
      }
    }
  }
}

/**
 * Tells the sender of more room only once half of the window is used up. The muxer itself does so after every data frame: one more packet,
 * sealed and written, for every batch. The first update passes, because it opens the stream.
 */
function withFewUpdates(stream: YamuxStream): YamuxStream {
  const update = stream.sendWindowUpdate.bind(stream)
  let opened = false
  let capacity = STREAM_WINDOW_BYTES
  const handleData = stream.handleData.bind(stream)
  stream.handleData = (frame) => {
    capacity -= frame.header.length
    handleData(frame)
  }
  stream.sendWindowUpdate = () => {
    if (opened && capacity > STREAM_WINDOW_BYTES / 2) return
    opened = true
    if (stream.readStatus !== 'paused') capacity = STREAM_WINDOW_BYTES
    update()
  }
  // Who reads what had gathered may pause again at once. The stream itself would then go on telling the sender of room, without end.
  const resume = stream.sendResume.bind(stream)
  stream.sendResume = () => {
    if (stream.readStatus !== 'paused') resume()
  }
  return stream
}

/** The yamux muxer, with every connection guarded and ended when it is silent, and with fewer window updates. */
export function guardedYamux(init: Parameters<typeof yamux>[0]): ReturnType<typeof yamux> {
  return () => {
    const factory = yamux(init)()
    const createMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection: MessageStream) => {
      endWhenSilent(connection)
      const guard = new YamuxGuard()
      // Before the muxer's own listener, so that the frame's first bytes are the last that it collects.
      connection.addEventListener('message', ({ data }) => {
        try {
          for (const part of partsOf(data)) guard.push(part)
        } catch (error) {
          connection.abort(error instanceof Error ? error : new Error(String(error)))
        }
      })
      const muxer = createMuxer(connection)
      const createStream = muxer.onCreateStream.bind(muxer)
      muxer.onCreateStream = () => withFewUpdates(createStream())
      const onRemoteStream = muxer.onRemoteStream.bind(muxer)
      muxer.onRemoteStream = (stream) => onRemoteStream(withFewUpdates(stream))
      return muxer
    }
    return factory
  }
}
