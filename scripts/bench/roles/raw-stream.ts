import { yamux } from '@chainsafe/libp2p-yamux'
import type { Libp2p, Stream, StreamMessageEvent } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { encrypters } from '../../../src/network/encryption.ts'
import { drained, partsOf } from '../../../src/network/streams.ts'
import { type Asked, doFor } from '../concurrent.ts'

/** The windows of a node's own host. */
const WINDOW_BYTES = 16 * 1024 * 1024
const PIECE_BYTES = 1024 * 1024
const HEADER_BYTES = 4
/** Milliseconds for one piece. */
const DRAIN_MS = 60_000
const FRAMES = '/bench/frames/1'
const BYTES = '/bench/bytes/1'

let host: Libp2p

/** Starts a host with nothing but the transport, and returns its address. `answer` is the text of every answer, `bytes` the length of a transfer. */
async function start({ answer, bytes }: { answer: string; bytes: number }): Promise<string> {
  const streamOptions = {
    initialStreamWindowSize: WINDOW_BYTES,
    maxStreamWindowSize: WINDOW_BYTES,
    maxReadBufferLength: WINDOW_BYTES + PIECE_BYTES,
  }
  host = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: encrypters(),
    streamMuxers: [yamux({ streamOptions })],
  })
  await host.handle(FRAMES, (stream) => answerFrames(stream, answer))
  const content = Buffer.alloc(bytes, 1)
  await host.handle(BYTES, (stream) => sendBytes(stream, content))
  return String(host.getMultiaddrs()[0])
}

/** Frames with a 4-byte length, written once per turn of the event loop. */
class Frames {
  readonly #stream: Stream
  #left: Buffer = Buffer.alloc(0)
  #outbox: Buffer[] = []

  constructor(stream: Stream, onFrame: (payload: Buffer) => void) {
    this.#stream = stream
    stream.addEventListener('message', ({ data }: StreamMessageEvent) => {
      for (const part of partsOf(data)) this.#receive(part, onFrame)
    })
  }

  send(text: string): void {
    const frame = Buffer.allocUnsafe(HEADER_BYTES + Buffer.byteLength(text))
    frame.writeUInt32BE(frame.write(text, HEADER_BYTES))
    this.#outbox.push(frame)
    if (this.#outbox.length > 1) return
    setImmediate(() => {
      this.#stream.send(Buffer.concat(this.#outbox))
      this.#outbox = []
    })
  }

  #receive(part: Uint8Array, onFrame: (payload: Buffer) => void): void {
    const view = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    const bytes = this.#left.length === 0 ? view : Buffer.concat([this.#left, view])
    let at = 0
    while (bytes.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + bytes.readUInt32BE(at)
      if (end > bytes.length) break
      onFrame(bytes.subarray(at + HEADER_BYTES, end))
      at = end
    }
    this.#left = bytes.subarray(at)
  }
}

function answerFrames(stream: Stream, answer: string): void {
  const frames = new Frames(stream, (payload) => {
    const { id } = JSON.parse(payload.toString()) as { id: number }
    frames.send(`{"type":"cell_response","id":${id},"cells":[${answer}]}`)
  })
}

async function sendBytes(stream: Stream, content: Buffer): Promise<void> {
  for (let at = 0; at < content.length; at += PIECE_BYTES) {
    stream.send(content.subarray(at, at + PIECE_BYTES))
    await drained(stream, DRAIN_MS)
  }
  await stream.close()
}

/** Asks the host at `address` over one stream, `concurrency` at a time, for `ms` milliseconds. */
async function ask({
  address,
  request,
  concurrency,
  ms,
}: {
  address: string
  request: object
  concurrency: number
  ms: number
}): Promise<Asked> {
  const stream = await host.dialProtocol(multiaddr(address), FRAMES)
  const waiting = new Map<number, () => void>()
  const frames = new Frames(stream, (payload) => {
    const { id } = JSON.parse(payload.toString()) as { id: number }
    waiting.get(id)?.()
    waiting.delete(id)
  })
  const asked = await doFor({ ms, concurrency }, (id) => {
    const reply = new Promise<void>((resolve) => waiting.set(id, resolve))
    frames.send(JSON.stringify({ ...request, id }))
    return reply
  })
  await stream.close()
  return asked
}

/** Receives one transfer, and returns the milliseconds that took. */
async function receive({ address, bytes }: { address: string; bytes: number }): Promise<number> {
  const since = performance.now()
  const stream = await host.dialProtocol(multiaddr(address), BYTES)
  let left = bytes
  const { promise, resolve } = Promise.withResolvers<void>()
  stream.addEventListener('message', ({ data }: StreamMessageEvent) => {
    left -= data.byteLength
    if (left === 0) resolve()
  })
  await promise
  const ms = performance.now() - since
  await stream.close()
  return ms
}

export const commands = { start, ask, receive, end: () => host?.stop() }
