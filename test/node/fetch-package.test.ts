import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { concatBytes, equalBytes } from '../../src/kernel/base/bytes.ts'
import type { WantedRange } from '../../src/network/network.ts'
import type { PackageFetcher } from '../../src/node/flows/fetch-package.ts'
import { filesOf, manifestOf, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import { type FetcherOptions, fetchAll, openFetcher as openFetcherOf } from '../support/fetchers.ts'
import { untilHolds } from '../support/until-holds.ts'

const alice = newPublisher()
const bytes = Uint8Array.from({ length: 6 * LIMITS.chunkBytes + 10 }, (_, i) => (i * 3) % 249)
const summary = summaryOf(bytes)
const cell = signedCell(alice, manifestOf(alice.publisher, summary))
const { digest } = cell.manifest.package

interface Options extends Omit<FetcherOptions, 'fetchPackage'> {
  /** What a peer sends; the package unless told otherwise. */
  readonly send?: (peer: string, range: WantedRange, signal: AbortSignal) => AsyncGenerator<Uint8Array>
}

async function* sendAll({ from, bytes: length }: WantedRange): AsyncGenerator<Uint8Array> {
  const end = from * LIMITS.chunkBytes + length
  for (let at = end - length; at < end; at += 100_000) yield bytes.subarray(at, Math.min(end, at + 100_000))
}

/** A fetcher over a real store, whose peers `one` and `two` send the package. */
async function openFetcher(t: TestContext, { send = (_peer, range) => sendAll(range), ...options }: Options = {}) {
  const asked: string[] = []
  const opened = await openFetcherOf(t, cell, summary, {
    ...options,
    async *fetchPackage(peer, _digest, nextRange, { signal }) {
      asked.push(peer)
      for (let range = nextRange(); range !== undefined; range = nextRange()) {
        let left = range.bytes
        for await (const piece of send(peer, range, signal)) {
          yield piece
          left -= piece.length
          if (left <= 0) break
        }
      }
    },
  })
  return { ...opened, asked }
}

const readAll = (fetcher: PackageFetcher): Promise<Uint8Array> => fetchAll(fetcher, digest, ['one', 'two'])

describe('a store that has no room for one chunk', () => {
  it('ends the transfer: no hole is ever kept, and no other peer is blamed', async (t) => {
    const { fetcher, blobs, cache, directory, asked } = await openFetcher(t)
    const create = blobs.create.bind(blobs)
    blobs.create = () => {
      const writer = create()
      const append = writer.append.bind(writer)
      let chunk = 0
      writer.append = (...args) =>
        chunk++ === 1 ? Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })) : append(...args)
      return writer
    }
    await assert.rejects(readAll(fetcher), { code: 'PROV_014' })
    assert.deepEqual(asked, ['one'])
    assert.equal(cache.bytes, 0)
    await untilHolds(async () => assert.deepEqual(await filesOf(blobs, directory), { digests: [], incoming: [] }))

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

/** Waits until the transfer is told to stop, which is its end. */
const stopped = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })

describe('a transfer', () => {
  it('begins when somebody reads, not when somebody asks how large the package is', async (t) => {
    const { fetcher, asked, blobs, directory } = await openFetcher(t)
    const source = await fetcher.open(digest, ['one'])
    assert.equal(source?.size, bytes.length)
    await source?.close()
    assert.deepEqual(asked, [])
    assert.deepEqual(await filesOf(blobs, directory), { digests: [], incoming: [] })
    assert.ok(equalBytes(await readAll(fetcher), bytes))
    assert.deepEqual(asked, ['one'])
  })

  it('is not begun for a package larger than this node takes', async (t) => {
    const { fetcher } = await openFetcher(t, { maxPackageBytes: bytes.length - 1 })
    await assert.rejects(fetcher.open(digest, ['one']), {
      code: 'PROV_002',
      message: `${digest} has ${bytes.length} bytes; this node takes at most ${bytes.length - 1}`,
    })
  })

  it('is refused while too many or too large ones are under way, and later not', async (t) => {
    for (const [limits, message] of [
      [{ maxTransfers: 0 }, /0 packages are on their way here/],
      [{ maxBytes: bytes.length - 1 }, /with these \d+ they would be more than/],
    ] as const) {
      const { fetcher, asked } = await openFetcher(t, { limits })
      await assert.rejects(readAll(fetcher), { code: 'PROV_013', message })
      assert.deepEqual(asked, [])
    }
    const { fetcher, cache } = await openFetcher(t, {
      cacheBytes: 0,
      limits: { maxTransfers: 1, maxBytes: bytes.length },
    })
    for (let time = 0; time < 3; time++) {
      assert.ok(equalBytes(await readAll(fetcher), bytes))
      assert.equal(cache.bytes, 0)
    }
  })

  it('ends when nobody reads any more and the cache would not keep it', async (t) => {
    const ended = Promise.withResolvers<void>()
    const { fetcher, blobs, directory } = await openFetcher(t, {
      cacheBytes: 0,
      send: async function* (_peer, range, signal) {
        if (range.from === 0) yield* sendAll(range)
        await stopped(signal).finally(ended.resolve)
      },
    })
    const [source, other] = await Promise.all([fetcher.open(digest, ['one', 'two']), fetcher.open(digest, ['one'])])
    for await (const _ of source!.read(0, LIMITS.chunkBytes - 1)) break
    await source?.close()
    await other?.close()
    await ended.promise
    await untilHolds(async () => assert.deepEqual(await filesOf(blobs, directory), { digests: [], incoming: [] }))
  })

  it('goes on at the next provider when one sends a chunk byte by byte', async (t) => {
    const { fetcher, asked, cache } = await openFetcher(t, {
      limits: { chunkMs: 50 },
      send: async function* (peer, range, signal) {
        if (peer === 'two') return yield* sendAll(range)
        yield bytes.subarray(0, LIMITS.chunkBytes + 1)
        for (let at = LIMITS.chunkBytes + 1; !signal.aborted; at++) {
          yield bytes.subarray(at, at + 1)
          await new Promise((resolve) => setImmediate(resolve))
        }
        throw signal.reason
      },
    })
    assert.ok(equalBytes(await readAll(fetcher), bytes))
    assert.deepEqual(asked, ['one', 'two'])
    assert.equal(cache.bytes, bytes.length)
  })
})
