import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { PeerError } from '../../src/network/peer-error.ts'
import { MAX_UPLOADS } from '../../src/network/transfer.ts'
import { startNode, type TestNode, within } from './nodes.ts'

const DIGEST = `sha256:${'0'.repeat(64)}`
const CHUNK = LIMITS.chunkBytes

/** A node that holds `bytes`, and one that knows it. `pieces` replaces how they are read. */
async function holder(t: TestContext, bytes: Uint8Array, pieces?: (from: number) => AsyncGenerator<Uint8Array>) {
  const state = { open: 0, closed: 0 }
  const b = await startNode(t, {
    handlers: {
      openPackage: async (digest) => {
        if (digest !== DIGEST) return undefined
        state.open++
        return {
          size: bytes.byteLength,
          chunkSize: CHUNK,
          read: pieces ?? ((from) => slices(bytes.subarray(from * CHUNK))),
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

const fetched = (a: TestNode, b: TestNode, from = 0, digest = DIGEST) =>
  collect(a.network.fetchPackage(b.providerId, digest, from, within()))

describe('package transfer', () => {
  it('brings every byte, from the chunk that was asked for', async (t) => {
    const bytes = randomBytes(24 * CHUNK + 12345)
    const { a, b, state } = await holder(t, bytes)
    assert.ok(bytes.equals(await fetched(a, b)))
    assert.ok(bytes.subarray(23 * CHUNK).equals(await fetched(a, b, 23)))
    assert.deepEqual(state, { open: 2, closed: 2 })
  })

  it('fails for what is not held, and past the end', async (t) => {
    const { a, b, state } = await holder(t, randomBytes(100))
    await assert.rejects(fetched(a, b, 0, `sha256:${'1'.repeat(64)}`), PeerError)
    await assert.rejects(fetched(a, b, 1), PeerError)
    assert.deepEqual(state, { open: 1, closed: 1 })
  })

  it('never ends quietly when the source fails, is short, or is too long', async (t) => {
    const bytes = randomBytes(3 * CHUNK)
    const sources: Record<string, () => AsyncGenerator<Uint8Array>> = {
      async *failing() {
        yield bytes.subarray(0, CHUNK)
        throw new Error('disk')
      },
      async *short() {
        yield bytes.subarray(0, CHUNK)
      },
      async *long() {
        yield bytes
        yield bytes
      },
    }
    for (const [name, source] of Object.entries(sources)) {
      const { a, b, state } = await holder(t, bytes, source)
      await assert.rejects(fetched(a, b), PeerError, name)
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
      for await (const part of a.network.fetchPackage(b.providerId, DIGEST, 0, within())) {
        received += part.byteLength
        if (received === CHUNK) b.network.stop().catch(() => undefined)
      }
    }, PeerError)
    assert.equal(received, CHUNK)
    waiting.resolve()
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
      for await (const _part of a.network.fetchPackage(b.providerId, DIGEST, 0, { signal: caller.signal })) {
        caller.abort(new Error('enough'))
      }
    }, /enough/)
    await closed[0]?.promise
    for await (const _part of a.network.fetchPackage(b.providerId, DIGEST, 0, within())) break
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
    const bytes = a.network.fetchPackage(b.providerId, DIGEST, 0, within(30_000))[Symbol.asyncIterator]()
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

  it('refuses more uploads than the limit', async (t) => {
    const waiting = Promise.withResolvers<void>()
    const { a, b } = await holder(t, randomBytes(10), async function* () {
      yield randomBytes(5)
      await waiting.promise
      yield randomBytes(5)
    })
    const open = Array.from({ length: MAX_UPLOADS }, () =>
      a.network.fetchPackage(b.providerId, DIGEST, 0, within(30_000))[Symbol.asyncIterator](),
    )
    await Promise.all(open.map((bytes) => bytes.next()))
    await assert.rejects(fetched(a, b), PeerError)
    waiting.resolve()
    for (const bytes of open) {
      assert.equal((await bytes.next()).value?.byteLength, 5)
      assert.equal((await bytes.next()).done, true)
    }
  })
})
