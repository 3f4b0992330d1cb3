import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { Registry } from 'prom-client'
import { LIMITS } from '../../protocol/limits.ts'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import { RateCap } from '../../src/kernel/base/rate-cap.ts'
import { DialRules } from '../../src/network/dial-rules.ts'
import { encodeFrame } from '../../src/network/frames.ts'
import { createHost, type Host, startHost } from '../../src/network/host.ts'
import type { WantedRange } from '../../src/network/network.ts'
import { PeerError } from '../../src/network/peer-error.ts'
import { drained } from '../../src/network/streams.ts'
import { MAX_UPLOADS, PackageServer, UPLOADS_PER_PEER } from '../../src/network/transfer.ts'
import { untilHolds } from '../support/until-holds.ts'
import { NETWORK, newIdentity, silentLogger, startNode, type TestNode, within } from './nodes.ts'

const once = (stream: Stream, event: 'message' | 'close') =>
  new Promise<void>((resolve) => stream.addEventListener(event, () => resolve(), { once: true }))

const DIGEST = `sha256:${'0'.repeat(64)}`
const CHUNK = LIMITS.chunkBytes

/** A node that holds `bytes`, and one that knows it. `pieces` replaces how they are read. */
async function holder(
  t: TestContext,
  bytes: Uint8Array,
  pieces?: (from: number, to: number) => AsyncGenerator<Uint8Array>,
) {
  const state = { open: 0, closed: 0 }
  const b = await startNode(t, {
    handlers: {
      openPackage: async (digest) => {
        if (digest !== DIGEST) return undefined
        state.open++
        return {
          size: bytes.byteLength,
          chunkSize: CHUNK,
          read: pieces ?? ((from, to) => slices(bytes.subarray(from * CHUNK, to * CHUNK))),
          close: async () => {
            state.closed++
          },
        }
      },
    },
  })
  const a = await startNode(t)
  await a.network.addAddresses(b.providerId, b.network.addresses)
  return { a, b, state }
}

async function* slices(bytes: Uint8Array, size = 300_000): AsyncGenerator<Uint8Array> {
  // One buffer for all pieces: it may be reused once the next piece is asked for.
  const buffer = Buffer.alloc(size)
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
  }
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of bytes) parts.push(part)
  return Buffer.concat(parts)
}

/** The chunks from `from` on of a package of `size` bytes, so many at once. */
function ranges(size: number, from = 0, most = Number.POSITIVE_INFINITY): () => WantedRange | undefined {
  const chunks = Math.max(from + 1, Math.ceil(size / CHUNK))
  let next = from
  return () => {
    if (next === chunks) return undefined
    const range = { from: next, to: Math.min(chunks, next + most) }
    next = range.to
    return { ...range, bytes: Math.max(1, Math.min(range.to * CHUNK, size) - range.from * CHUNK) }
  }
}

const fetched = (a: TestNode, b: TestNode, size: number, from = 0, digest = DIGEST, most?: number) =>
  collect(a.network.fetchPackage(b.providerId, digest, ranges(size, from, most), within()))

/** One more node that knows `b`. */
async function neighbour(t: TestContext, b: TestNode): Promise<TestNode> {
  const node = await startNode(t)
  await node.network.addAddresses(b.providerId, b.network.addresses)
  return node
}

/** A host without this node's manners. */
async function rawHost(t: TestContext, b: TestNode): Promise<Host> {
  const host = await createHost({
    network: NETWORK,
    identitySeed: newIdentity().identitySeed,
    config: b.init.config,
    logger: silentLogger,
    metrics: { registry: new Registry() },
    dialRules: new DialRules(() => ['loopback']),
  })
  await startHost(host, b.init.config)
  t.after(() => host.stop())
  return host
}

describe('package transfer', () => {
  it('brings every byte, from the chunk that was asked for', async (t) => {
    const bytes = randomBytes(24 * CHUNK + 12345)
    const { a, b, state } = await holder(t, bytes)
    assert.ok(bytes.equals(await fetched(a, b, bytes.length)))
    assert.ok(bytes.subarray(23 * CHUNK).equals(await fetched(a, b, bytes.length, 23)))
    assert.ok(bytes.subarray(3 * CHUNK).equals(await fetched(a, b, bytes.length, 3, DIGEST, 2)), 'asked range by range')
    await untilHolds(() => assert.deepEqual(state, { open: 3, closed: 3 }))
  })

  it('fails for what is not held, and past the end', async (t) => {
    const { a, b, state } = await holder(t, randomBytes(100))
    await assert.rejects(fetched(a, b, 100, 0, `sha256:${'1'.repeat(64)}`), PeerError)
    await assert.rejects(fetched(a, b, 100, 1), PeerError)
    assert.deepEqual(state, { open: 1, closed: 1 })
  })

  it('never ends quietly when the source fails or is short', async (t) => {
    const bytes = randomBytes(3 * CHUNK)
    const sources: Record<string, () => AsyncGenerator<Uint8Array>> = {
      async *failing() {
        yield bytes.subarray(0, CHUNK)
        throw new Error('disk')
      },
      async *short() {
        yield bytes.subarray(0, CHUNK)
      },
    }
    for (const [name, source] of Object.entries(sources)) {
      const { a, b, state } = await holder(t, bytes, source)
      await assert.rejects(fetched(a, b, bytes.length), PeerError, name)
      assert.equal(state.closed, 1)
    }
  })

  it('fails when the other end stops in the middle, even politely', async (t) => {
    const waiting = Promise.withResolvers<void>()
    const { a, b } = await holder(t, randomBytes(3 * CHUNK), async function* () {
      yield randomBytes(CHUNK)
      await waiting.promise
    })
    let received = 0
    await assert.rejects(async () => {
      for await (const part of a.network.fetchPackage(b.providerId, DIGEST, ranges(3 * CHUNK), within())) {
        received += part.byteLength
        if (received === CHUNK) b.network.stop().catch(() => undefined)
      }
    }, PeerError)
    assert.equal(received, CHUNK)
    waiting.resolve()
  })

  it('is over with the last byte that was asked for, whatever the peer sends after it, or does not end', async (t) => {
    const [{ b: holding }, wanted] = [await holder(t, randomBytes(1)), randomBytes(1000)]
    for (const after of ['nothing', 'bytes without end'] as const) {
      const sending = await rawHost(t, holding)
      const closed = Promise.withResolvers<void>()
      await sending.handle(protocolIds(NETWORK).package, async (stream) => {
        stream.addEventListener('close', () => closed.resolve())
        stream.send(wanted)
        while (after === 'bytes without end' && stream.status === 'open') {
          stream.send(randomBytes(CHUNK))
          await drained(stream, 10_000).catch(() => undefined)
        }
      })
      const a = await startNode(t)
      await a.network.addAddresses(sending.peerId.toString(), sending.getMultiaddrs().map(String))
      const taken = collect(a.network.fetchPackage(sending.peerId.toString(), DIGEST, ranges(1000), within()))
      assert.ok(wanted.equals(await taken), after)
      if (after !== 'nothing') await closed.promise
    }
  })

  it('carries bytes as they were, although their buffer is used again and other streams are busy', async (t) => {
    const bytes = randomBytes(40 * CHUNK)
    const { a, b } = await holder(t, bytes, async function* (from, to) {
      // A piece of each of these sizes is overwritten as soon as the next one is asked for.
      const buffer = Buffer.alloc(70_000)
      let at = from * CHUNK
      for (let piece = 0; at < to * CHUNK; piece++) {
        const part = bytes.subarray(at, Math.min(to * CHUNK, at + [70_000, 9, 12_000][piece % 3]!))
        buffer.set(part)
        yield buffer.subarray(0, part.length)
        buffer.fill(0)
        at += part.length
      }
    })
    let isOver = false
    const chatter = (async () => {
      while (!isOver) {
        await Promise.all(
          Array.from({ length: 50 }, () => a.network.request(b.providerId, 'announcements_request', {}, within())),
        ).catch(() => undefined)
      }
    })()
    for (let round = 0; round < 3; round++) assert.ok(bytes.equals(await fetched(a, b, bytes.length, 0, DIGEST, 4)))
    isOver = true
    await chatter
  })

  it('ends with the caller’s signal, and with a caller who stops reading; the source is closed', async (t) => {
    const closed = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let opened = 0
    const b = await startNode(t, {
      handlers: {
        openPackage: async () => {
          const mine = closed[opened++]
          return {
            size: 1e12,
            chunkSize: CHUNK,
            async *read() {
              while (true) yield Buffer.alloc(CHUNK)
            },
            close: async () => mine?.resolve(),
          }
        },
      },
    })
    const a = await startNode(t)
    await a.network.addAddresses(b.providerId, b.network.addresses)
    const caller = new AbortController()
    await assert.rejects(async () => {
      for await (const _part of a.network.fetchPackage(b.providerId, DIGEST, ranges(1e12), { signal: caller.signal })) {
        caller.abort(new Error('enough'))
      }
    }, /enough/)
    await closed[0]?.promise
    for await (const _part of a.network.fetchPackage(b.providerId, DIGEST, ranges(1e12), within())) break
    await closed[1]?.promise
  })

  it('slows the sender down while nobody reads', async (t) => {
    let read = 0
    const { a, b } = await holder(t, new Uint8Array(200 * CHUNK), async function* () {
      for (let i = 0; i < 200; i++) {
        read++
        yield Buffer.alloc(CHUNK)
      }
    })
    const bytes = a.network
      .fetchPackage(b.providerId, DIGEST, ranges(200 * CHUNK), within(30_000))
      [Symbol.asyncIterator]()
    let received = (await bytes.next()).value?.byteLength ?? 0
    // The sender stands still when its own side is the same after a round trip of another request.
    let before = -1
    for (let same = 0; same < 20; same = read === before ? same + 1 : 0) {
      before = read
      await a.network.request(b.providerId, 'announcements_request', {}, within())
    }
    assert.ok(read < 60, `${read} chunks were read ahead`)
    for (let next = await bytes.next(); next.done !== true; next = await bytes.next()) received += next.value.byteLength
    assert.equal(received, 200 * CHUNK)
  })

  it('lets the fifth package of one peer wait for its turn', async (t) => {
    const waiting = Promise.withResolvers<void>()
    let reading = 0
    const { a, b } = await holder(t, randomBytes(10), async function* () {
      reading++
      yield randomBytes(5)
      await waiting.promise
      yield randomBytes(5)
    })
    const open = Array.from({ length: UPLOADS_PER_PEER }, () =>
      a.network.fetchPackage(b.providerId, DIGEST, ranges(10), within(30_000))[Symbol.asyncIterator](),
    )
    await Promise.all(open.map((bytes) => bytes.next()))
    const more = Array.from({ length: 6 }, () => fetched(a, b, 10))
    const caller = new AbortController()
    const given = collect(a.network.fetchPackage(b.providerId, DIGEST, ranges(10), { signal: caller.signal }))
    caller.abort(new Error('too long'))
    await assert.rejects(given, /too long/)
    assert.equal(reading, UPLOADS_PER_PEER)
    waiting.resolve()
    for (const bytes of open) {
      assert.equal((await bytes.next()).value?.byteLength, 5)
      assert.equal((await bytes.next()).done, true)
    }
    for (const bytes of await Promise.all(more)) assert.equal(bytes.byteLength, 10)
  })

  it('refuses a peer that takes more than its share, and serves the others', async (t) => {
    const waiting = Promise.withResolvers<void>()
    const { a, b } = await holder(t, randomBytes(10), async function* () {
      yield randomBytes(5)
      await waiting.promise
      yield randomBytes(5)
    })
    const greedy = await rawHost(t, b)
    const streams: Stream[] = []
    const open = async () => {
      const stream = await greedy.dialProtocol(multiaddr(b.network.addresses[0]), protocolIds(NETWORK).package)
      streams.push(stream)
      stream.send(encodeFrame(JSON.stringify({ type: 'package_stream', digest: DIGEST, from_chunk: 0 })))
      return stream
    }
    for (let i = 0; i < UPLOADS_PER_PEER; i++) await once(await open(), 'message')
    // The stream may be reset before anything can be written to it.
    const fifth = await greedy.dialProtocol(multiaddr(b.network.addresses[0]), protocolIds(NETWORK).package)
    if (fifth.status === 'open') await once(fifth, 'close')
    const served = fetched(a, b, 10)
    waiting.resolve()
    assert.equal((await served).byteLength, 10)
    for (const stream of streams) assert.equal(stream.status, 'open')
  })

  it('ends for a peer that takes a little of it now and then', async (t) => {
    const source = new Uint8Array(64 * CHUNK)
    let closed = (): void => undefined
    const ended = new Promise<void>((resolve) => (closed = resolve))
    const server = new PackageServer(
      {
        openPackage: async () => ({
          size: source.byteLength,
          chunkSize: CHUNK,
          read: () => slices(source),
          close: async () => closed(),
        }),
      },
      silentLogger,
      new RateCap(0),
      300,
    )
    const b = await startNode(t)
    const holding = await rawHost(t, b)
    await holding.handle('/slow', (stream) => server.serve(stream, 'a peer'))
    const taking = await rawHost(t, b)
    const stream = await taking.dialProtocol(holding.getMultiaddrs(), '/slow')
    stream.maxReadBufferLength = source.byteLength
    stream.send(encodeFrame(JSON.stringify({ type: 'package_stream', digest: DIGEST, from_chunk: 0 })))
    await once(stream, 'message')
    stream.pause()
    await ended
  })

  it('refuses more uploads than the limit', async (t) => {
    const waiting = Promise.withResolvers<void>()
    const { a, b } = await holder(t, randomBytes(10), async function* () {
      yield randomBytes(5)
      await waiting.promise
      yield randomBytes(5)
    })
    const takers: TestNode[] = [a]
    for (let i = 1; i < MAX_UPLOADS / UPLOADS_PER_PEER; i++) takers.push(await neighbour(t, b))
    const open = Array.from({ length: MAX_UPLOADS }, (_, i) =>
      takers[i % takers.length]!.network.fetchPackage(b.providerId, DIGEST, ranges(10), within(30_000))[
        Symbol.asyncIterator
      ](),
    )
    await Promise.all(open.map((bytes) => bytes.next()))
    await assert.rejects(fetched(await neighbour(t, b), b, 10), PeerError)
    waiting.resolve()
    for (const bytes of open) {
      assert.equal((await bytes.next()).value?.byteLength, 5)
      assert.equal((await bytes.next()).done, true)
    }
  })
})
