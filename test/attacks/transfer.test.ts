import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { Registry } from 'prom-client'
import { LIMITS } from '../../protocol/limits.ts'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import { equalBytes } from '../../src/kernel/base/bytes.ts'
import { DialRules } from '../../src/network/dial-rules.ts'
import { createHost, startHost } from '../../src/network/host.ts'
import { drained } from '../../src/network/streams.ts'
import { newIdentity, silentLogger, startNode, type TestNode } from '../network/nodes.ts'
import { filesOf, manifestOf, NETWORK, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import { type FetcherOptions, fetchAll, openFetcher } from '../support/fetchers.ts'
import { scriptedPackage } from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const CHUNK = LIMITS.chunkBytes
const CHUNKS = 24
const alice = newPublisher()
const bytes = Uint8Array.from({ length: CHUNKS * CHUNK + 77 }, (_, i) => (i * 5 + (i >> 12)) % 251)
const summary = summaryOf(bytes)
const cell = signedCell(alice, manifestOf(alice.publisher, summary))
const { digest } = cell.manifest.package

/** What a hostile holder does with a stream on which it was asked for a package. */
type Attack = (stream: Stream) => Promise<void> | void

const ATTACKS: Readonly<Record<string, Attack>> = {
  'sends wrong chunks': (stream) => flood(stream, new Uint8Array(CHUNK)),
  'sends right chunks and a wrong one among them': async (stream) => {
    const wrong = bytes.slice(0, 2 * CHUNK)
    wrong[CHUNK + 9]! ^= 1
    await flood(stream, wrong)
  },
  'sends bytes without end after the first chunk': async (stream) => {
    stream.send(bytes.subarray(0, CHUNK))
    await flood(stream, Buffer.alloc(CHUNK, 7))
  },
  'sends nothing': () => undefined,
  'sends one byte and then nothing': (stream) => void stream.send(Buffer.alloc(1)),
  'sends one byte at a time': async (stream) => {
    while (stream.status === 'open') {
      stream.send(Buffer.alloc(1))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  },
  'ends the stream in the middle of a chunk': async (stream) => {
    stream.send(bytes.subarray(0, CHUNK / 2))
    await stream.close()
  },
  'resets the stream': (stream) => stream.abort(new Error('no')),
}

/** Sends the same again and again. */
async function flood(stream: Stream, part: Uint8Array): Promise<void> {
  while (stream.status === 'open') {
    stream.send(part)
    await drained(stream, 60_000)
  }
}

/** A holder that does as `attack` says; its provider id. */
async function hostile(t: TestContext, asker: TestNode, attack: Attack): Promise<string> {
  const host = await createHost({
    network: NETWORK,
    identitySeed: newIdentity().identitySeed,
    config: asker.init.config,
    logger: silentLogger,
    metrics: { registry: new Registry() },
    dialRules: new DialRules(() => ['loopback']),
  })
  await startHost(host, asker.init.config)
  t.after(() => host.stop())
  await host.handle(protocolIds(NETWORK).package, async (stream) => {
    try {
      await attack(stream)
    } catch {
      // It was shown the door.
    }
  })
  const provider = host.peerId.toString()
  await asker.network.addAddresses(provider, host.getMultiaddrs().map(String))
  return provider
}

/** A holder of the package; `asked` hears of each range. */
async function honest(
  t: TestContext,
  asker: TestNode,
  options: { uploadBytesPerSecond?: number; asked?: (chunk: number) => void } = {},
): Promise<TestNode> {
  const { asked, uploadBytesPerSecond: upload_bytes_per_second = 0 } = options
  const node = await startNode(t, {
    networkName: NETWORK,
    handlers: { openPackage: async () => scriptedPackage(bytes, asked === undefined ? {} : { asked }) },
    config: { upload_bytes_per_second },
  })
  await asker.network.addAddresses(node.providerId, node.network.addresses)
  return node
}

async function asking(t: TestContext, options: Omit<FetcherOptions, 'fetchPackage'> = {}) {
  const asker = await startNode(t, { networkName: NETWORK })
  const received = new Map<string, number>()
  const opened = await openFetcher(t, cell, summary, {
    ...options,
    async *fetchPackage(peer, ...rest) {
      for await (const part of asker.network.fetchPackage(peer, ...rest)) {
        received.set(peer, (received.get(peer) ?? 0) + part.byteLength)
        yield part
      }
    },
  })
  return { ...opened, asker, received }
}

describe('a holder that', () => {
  for (const [name, attack] of Object.entries(ATTACKS)) {
    it(`${name} costs its own place and nothing else`, async (t) => {
      const { fetcher, asker, punished, blobs, directory, received } = await asking(t)
      const bad = await hostile(t, asker, attack)
      const good = await honest(t, asker)
      // The hostile one is asked first: the front of the package is its to bring.
      assert.ok(equalBytes(await fetchAll(fetcher, digest, [bad, good.providerId]), bytes))
      const lied = name.includes('wrong') || name.includes('without end')
      assert.deepEqual(punished, lied ? [`${bad} protocol_violation`] : [])
      assert.ok((received.get(bad) ?? 0) <= 24 * CHUNK, `${received.get(bad)} bytes were taken of it`)
      await untilHolds(async () => {
        assert.deepEqual(await filesOf(blobs, directory), { digests: [summary.digest], incoming: [] })
      })
    })
  }

  it('sends wrong chunks is not asked for that package again, unless nobody else is left', async (t) => {
    const { fetcher, asker, received, punished } = await asking(t)
    const bad = await hostile(t, asker, ATTACKS['sends wrong chunks']!)
    for (let time = 1; time <= 2; time++) {
      await assert.rejects(fetchAll(fetcher, digest, [bad]), /is not what the publisher signed/)
      assert.equal(punished.length, time)
    }
    const before = received.get(bad)
    const good = await honest(t, asker)
    assert.ok(equalBytes(await fetchAll(fetcher, digest, [bad, good.providerId]), bytes))
    assert.equal(received.get(bad), before)
  })
})

describe('holders that are all hostile', () => {
  it('give readers an error, never a short file, and leave nothing behind', async (t) => {
    const { fetcher, asker, blobs, directory } = await asking(t, { limits: { stallMs: 500, chunkMs: 2000 } })
    const all = await Promise.all(Object.values(ATTACKS).map((attack) => hostile(t, asker, attack)))
    await assert.rejects(fetchAll(fetcher, digest, all))
    await untilHolds(async () => assert.deepEqual(await filesOf(blobs, directory), { digests: [], incoming: [] }))
  })
})

describe('a package that several hold', () => {
  it('comes from all of them', async (t) => {
    const { fetcher, asker, received } = await asking(t)
    const cap = { uploadBytesPerSecond: 16 * CHUNK }
    const holders = await Promise.all([honest(t, asker, cap), honest(t, asker, cap), honest(t, asker, cap)])
    const providers = holders.map(({ providerId }) => providerId)
    assert.ok(equalBytes(await fetchAll(fetcher, digest, providers), bytes))
    for (const provider of providers) assert.ok(received.get(provider)! >= 2 * CHUNK, JSON.stringify([...received]))
    const all = [...received.values()].reduce((sum, part) => sum + part, 0)
    assert.ok(all < 1.5 * bytes.length, `${all} bytes came for ${bytes.length}`)
  })

  it('is not held up by the slowest', async (t) => {
    const { fetcher, asker, received } = await asking(t)
    const slow = await honest(t, asker, { uploadBytesPerSecond: CHUNK / 8 })
    const fast = await honest(t, asker)
    assert.ok(equalBytes(await fetchAll(fetcher, digest, [slow.providerId, fast.providerId]), bytes))
    assert.ok((received.get(slow.providerId) ?? 0) < 4 * CHUNK)
  })

  it('goes on where it was when two of three are stopped in the middle', async (t) => {
    const { fetcher, asker, received } = await asking(t)
    const cap = { uploadBytesPerSecond: 8 * CHUNK }
    const holders = await Promise.all([honest(t, asker, cap), honest(t, asker, cap), honest(t, asker, cap)])
    const stopping: Promise<void>[] = []
    const read = fetchAll(
      fetcher,
      digest,
      holders.map(({ providerId }) => providerId),
      (seen) => {
        if (seen > 8 * CHUNK && stopping.length === 0) {
          stopping.push(...holders.slice(0, 2).map(({ network }) => network.stop()))
        }
      },
    )
    assert.ok(equalBytes(await read, bytes))
    assert.equal(stopping.length, 2)
    await Promise.all(stopping)
    const all = [...received.values()].reduce((sum, part) => sum + part, 0)
    assert.ok(all < bytes.length + 12 * CHUNK, 'what had come is not asked for again')
  })

  it('gives a reader an error when all of them are stopped in the middle', async (t) => {
    const { fetcher, asker, blobs, directory } = await asking(t)
    const cap = { uploadBytesPerSecond: 8 * CHUNK }
    const holders = await Promise.all([honest(t, asker, cap), honest(t, asker, cap)])
    const stopping: Promise<void>[] = []
    const providers = holders.map(({ providerId }) => providerId)
    const read = fetchAll(fetcher, digest, providers, (seen) => {
      if (seen > 4 * CHUNK && stopping.length === 0) stopping.push(...holders.map(({ network }) => network.stop()))
    })
    await assert.rejects(read)
    await Promise.all(stopping)
    await untilHolds(async () => assert.deepEqual(await filesOf(blobs, directory), { digests: [], incoming: [] }))
  })
})

describe('a cap', () => {
  it('on downloads holds over all holders: no byte comes before there is room for it', async (t) => {
    const perSecond = 16 * CHUNK
    const { fetcher, asker, received } = await asking(t, { downloadBytesPerSecond: perSecond })
    const holders = await Promise.all([honest(t, asker), honest(t, asker), honest(t, asker)])
    const since = performance.now()
    const providers = holders.map(({ providerId }) => providerId)
    assert.ok(equalBytes(await fetchAll(fetcher, digest, providers), bytes))
    const all = [...received.values()].reduce((sum, part) => sum + part, 0)
    // What may go in a burst is a tenth of a second's worth, and the chunk that was under way.
    const room = ((performance.now() - since) / 1000 + 0.1) * perSecond + 2 * CHUNK
    assert.ok(all <= room, `${all} bytes came where there was room for ${room}`)
  })

  it('on uploads holds over all who ask, and is shared evenly', async (t) => {
    const perSecond = 16 * CHUNK
    const askers = [await asking(t), await asking(t)]
    const holder = await honest(t, askers[0]!.asker, { uploadBytesPerSecond: perSecond })
    await askers[1]!.asker.network.addAddresses(holder.providerId, holder.network.addresses)
    const since = performance.now()
    const halves: number[] = []
    await Promise.all(
      askers.map(async ({ fetcher, received }) => {
        await fetchAll(fetcher, digest, [holder.providerId])
        if (halves.length === 0) halves.push(...askers.map((asker) => asker.received.get(holder.providerId) ?? 0))
        assert.ok(received.get(holder.providerId)! >= bytes.length)
      }),
    )
    const room = ((performance.now() - since) / 1000 + 0.1) * perSecond + CHUNK
    assert.ok(2 * bytes.length <= room, `${2 * bytes.length} bytes went where there was room for ${room}`)
    const [one, other] = halves
    assert.ok(Math.abs(one! - other!) < bytes.length / 2, `${one} and ${other} bytes when the first was done`)
  })
})
