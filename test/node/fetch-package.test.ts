import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { Publishers } from '../../src/domain/cells/publishers.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import { concatBytes, equalBytes, toBase64Url } from '../../src/kernel/base/bytes.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import type { Network } from '../../src/network/network.ts'
import { PackageFetcher } from '../../src/node/flows/fetch-package.ts'
import { OfferVerifier } from '../../src/node/offers.ts'
import { silentLogger } from '../network/nodes.ts'
import { filesOf, manifestOf, NETWORK, newPublisher, openCells, signedCell, summaryOf } from '../support/cells.ts'
import { offerOf } from '../support/node-pairs.ts'

const alice = newPublisher()
const bytes = Uint8Array.from({ length: 6 * LIMITS.chunkBytes + 10 }, (_, i) => (i * 3) % 249)
const summary = summaryOf(bytes)
const cell = signedCell(alice, manifestOf(alice.publisher, summary))
const { digest } = cell.manifest.package

/** A fetcher over a real store, whose peers `one` and `two` send the package. */
async function openFetcher(t: TestContext) {
  const cells = await openCells(t, { budget: { maxBytes: 2 ** 30, maxBytesPerPublisher: 2 ** 30 } })
  const asked: string[] = []
  const network: Pick<Network, 'request' | 'fetchPackage'> = {
    request: async () =>
      ({ type: 'package_response', id: 0, cell: offerOf(cell), chunks: toBase64Url(summary.chunks) }) as never,
    async *fetchPackage(peer, _digest, fromChunk) {
      asked.push(peer)
      for (let at = fromChunk * LIMITS.chunkBytes; at < bytes.length; at += 100_000)
        yield bytes.subarray(at, at + 100_000)
    },
  }
  const parts = {
    ...cells,
    network: network as Network,
    offerVerifier: new OfferVerifier(NETWORK, nativeVerifier, new Publishers(cells.store)),
    trust: new TrustPolicy({ pinned: [], self: 'self', accept: 'any' }),
    logger: silentLogger,
    events: new Events(silentLogger),
  }
  return { ...cells, asked, fetcher: new PackageFetcher(parts, () => undefined) }
}

async function readAll(fetcher: PackageFetcher): Promise<Uint8Array> {
  const source = await fetcher.open(digest, ['one', 'two'])
  assert.ok(source)
  const parts: Uint8Array[] = []
  try {
    for await (const piece of source.read(0, source.size - 1)) parts.push(new Uint8Array(piece))
  } finally {
    await source.close()
  }
  return concatBytes(parts)
}

describe('a disk that refuses one write', () => {
  it('ends the transfer: no hole is ever kept, and no other peer is blamed', async (t) => {
    const { fetcher, blobs, cache, directory, asked } = await openFetcher(t)
    const create = blobs.create.bind(blobs)
    blobs.create = () => {
      const writer = create()
      const append = writer.appendChunk.bind(writer)
      let chunk = 0
      writer.appendChunk = async (pieces, leaf) => {
        const written = append(pieces, leaf)
        await written
        if (chunk++ === 1) throw new Error('no space left on device')
      }
      return writer
    }
    await assert.rejects(readAll(fetcher), /no space left on device/)
    assert.deepEqual(asked, ['one'])
    assert.equal(cache.bytes, 0)
    await t.waitFor(async () => assert.deepEqual(await filesOf(blobs, directory), { digests: [], incoming: [] }))

    blobs.create = create
    assert.ok(equalBytes(await readAll(fetcher), bytes))
    assert.equal(cache.bytes, bytes.length)
  })
})

describe('a range of a package on its way', () => {
  it('is read from the middle', async (t) => {
    const { fetcher } = await openFetcher(t)
    const source = await fetcher.open(digest, ['one'])
    assert.ok(source)
    assert.ok(!source.complete)
    for (const [start, end] of [
      [0, 0],
      [LIMITS.chunkBytes - 1, LIMITS.chunkBytes],
      [bytes.length - 1, bytes.length - 1],
      [1_500_000, 4_800_000],
    ] as const) {
      const parts: Uint8Array[] = []
      for await (const piece of source.read(start, end)) parts.push(new Uint8Array(piece))
      assert.ok(equalBytes(concatBytes(parts), bytes.subarray(start, end + 1)), `${start}-${end}`)
    }
    await source.close()
    await source.close()
  })

  it('stops when its reader gives up', async (t) => {
    const { fetcher } = await openFetcher(t)
    const source = await fetcher.open(digest, ['one'])
    assert.ok(source)
    const left = AbortSignal.abort(new Error('the client went away'))
    await assert.rejects(
      source
        .read(0, source.size - 1, left)
        [Symbol.asyncIterator]()
        .next(),
      /the client went away/,
    )
    await source.close()
  })
})
