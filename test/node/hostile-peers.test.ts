import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import type { YankRequest } from '../../protocol/rpc.ts'
import type { Yank } from '../../protocol/yank.ts'
import { equalBytes, toBase64Url } from '../../src/kernel/base/bytes.ts'
import type { CellQuery } from '../../src/node/api.ts'
import { manifestOf, NETWORK, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import {
  answerOf,
  download,
  knowsProviders,
  type NodeInProcess,
  nextEvent,
  nodeInProcess,
  offerOf,
  scriptedPackage,
  scriptedPeer,
} from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const WAIT_MS = 30_000
const QUERY: CellQuery = { by: 'capability', name: 'parse' }
const alice = newPublisher()
const mallory = newPublisher()

/** Three whole chunks and a part of a fourth. */
const bytes = Uint8Array.from({ length: 3 * LIMITS.chunkBytes + 12_345 }, (_, i) => (i * 7) % 253)
const summary = summaryOf(bytes)
const cell = signedCell(alice, manifestOf(alice.publisher, summary))
const { digest } = cell.manifest.package

const filesIn = async ({ dataDir }: NodeInProcess): Promise<string[]> => {
  const entries = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

describe('an offer', () => {
  it('whose signature is wrong is rejected, and coverage says so', async (t) => {
    const forged = {
      ...offerOf(cell),
      signature: signedCell(mallory, manifestOf(mallory.publisher, summary)).signature,
    }
    const peer = await scriptedPeer(t, cell, bytes, { onCellRequest: () => [forged] })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'not_found')
    assert.deepEqual(outcome.coverage.peers, [{ provider_id: peer.providerId, outcome: 'rejected' }])
  })

  it('beside a wrong one is taken', async (t) => {
    const altered = { ...offerOf(cell), manifest: { ...cell.manifest, version: '9.0.0' } }
    const peer = await scriptedPeer(t, cell, bytes, { onCellRequest: () => [altered, offerOf(cell)] })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'success')
    assert.equal(answerOf(outcome.cell).cell_id, cell.id)
  })

  it('of something that was not asked for is no answer', async (t) => {
    const other = signedCell(
      alice,
      manifestOf(alice.publisher, summary, { capabilities: [{ name: 'else', version: '1.0.0' }] }),
    )
    const peer = await scriptedPeer(t, cell, bytes, { onCellRequest: () => [offerOf(other)] })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'not_found')
  })

  it('of a publisher that is not pinned is refused where only pinned ones are taken', async (t) => {
    const peer = await scriptedPeer(t, cell, bytes)
    const settings = { 'publishers.accept': 'pinned', 'publishers.pinned': mallory.publisher }
    const a = await nodeInProcess(t, { seeds: [peer.address], settings })
    await knowsProviders(a.node, 1)
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'not_found')
    await assert.rejects(a.node.openPackage(digest), { code: 'PROV_002' })
    assert.deepEqual(await filesIn(a), [])

    const b = await nodeInProcess(t, {
      seeds: [peer.address],
      settings: { ...settings, 'publishers.pinned': alice.publisher },
    })
    await knowsProviders(b.node, 1)
    const outcome = await b.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'success')
    assert.equal(answerOf(outcome.cell).publisher_trust, 'pinned_by_operator')
    assert.ok(equalBytes(await download(b.node, digest), bytes))
  })
})

describe('a search', () => {
  it('goes on when nobody waits, for the next who asks', async (t) => {
    const gate = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    let requests = 0
    const peer = await scriptedPeer(t, cell, bytes, {
      onCellRequest: async () => {
        requests++
        asked.resolve()
        await gate.promise
        return [offerOf(cell)]
      },
    })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    const pending = await a.node.requestCell(QUERY, 0)
    assert.equal(pending.status, 'pending')
    assert.ok(pending.estimatedWaitMs > 0)
    await asked.promise
    const later = a.node.requestCell(QUERY, WAIT_MS)
    gate.resolve()
    const outcome = await later
    assert.equal(outcome.status, 'success')
    assert.equal(requests, 1)
  })

  it('asks the next peer when one does not answer', async (t) => {
    const silent = await scriptedPeer(t, cell, bytes, { onCellRequest: () => new Promise(() => undefined) })
    const good = await scriptedPeer(t, cell, bytes)
    const a = await nodeInProcess(t, { seeds: [silent.address, good.address] })
    await knowsProviders(a.node, 2)
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'success')
    assert.equal(answerOf(outcome.cell).metadata.provider, good.providerId)
  })

  it('leaves out what a peer announces but does not hold', async (t) => {
    const peer = await scriptedPeer(t, cell, bytes, { onCellRequest: () => [] })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'not_found')
    assert.deepEqual(outcome.coverage.peers, [{ provider_id: peer.providerId, outcome: 'not_found' }])
  })
})

describe('a transfer', () => {
  it('is one for two readers', async (t) => {
    let opened = 0
    const peer = await scriptedPeer(t, cell, bytes, {
      openPackage: async () => {
        opened++
        return scriptedPackage(bytes)
      },
    })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    await a.node.requestCell(QUERY, WAIT_MS)
    const [one, other] = await Promise.all([download(a.node, digest), download(a.node, digest)])
    assert.ok(equalBytes(one, bytes) && equalBytes(other, bytes))
    assert.equal(opened, 1)
    assert.ok(equalBytes(await download(a.node, digest), bytes))
    assert.equal(opened, 1)
    assert.deepEqual(await filesIn(a), [summary.digest])
  })

  it('that breaks off goes on at another provider, where the last good chunk ended', async (t) => {
    const from: number[] = []
    const dying = await scriptedPeer(t, cell, bytes, {
      openPackage: async () => scriptedPackage(bytes, { breakAfter: 2 }),
    })
    const good = await scriptedPeer(t, cell, bytes, {
      // It answers for the package, but not for the request: the other one is found first.
      onCellRequest: () => [],
      openPackage: async () => scriptedPackage(bytes, { asked: (chunk) => from.push(chunk) }),
    })
    const a = await nodeInProcess(t, { seeds: [dying.address, good.address] })
    await knowsProviders(a.node, 2)
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'success')
    assert.equal(answerOf(outcome.cell).metadata.provider, dying.providerId)
    assert.ok(equalBytes(await download(a.node, digest), bytes))
    assert.ok(from[0]! <= 2, String(from))
    assert.deepEqual(await filesIn(a), [summary.digest])
  })

  it('goes on at a provider that only announces the cell, when the one that answered is gone', async (t) => {
    const leaving = await scriptedPeer(t, cell, bytes)
    const staying = await scriptedPeer(t, cell, bytes, { onCellRequest: () => [] })
    const a = await nodeInProcess(t, { seeds: [leaving.address, staying.address] })
    await knowsProviders(a.node, 2)
    await a.node.requestCell(QUERY, WAIT_MS)
    const gone = nextEvent(a.node, 'peer_disconnected')
    await leaving.stop()
    await gone
    assert.ok(equalBytes(await download(a.node, digest), bytes))
  })

  it('with a wrong chunk ends in an error, and what came is thrown away', async (t) => {
    const wrong = bytes.slice()
    wrong[2 * LIMITS.chunkBytes + 5]! ^= 1
    const peer = await scriptedPeer(t, cell, bytes, { openPackage: async () => scriptedPackage(wrong) })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    await a.node.requestCell(QUERY, WAIT_MS)
    await assert.rejects(download(a.node, digest), /chunk 2 is not what the publisher signed/)
    assert.deepEqual(await filesIn(a), [])
  })

  it('that is shorter than the manifest says ends in an error', async (t) => {
    const served = bytes.subarray(0, 2 * LIMITS.chunkBytes)
    const peer = await scriptedPeer(t, cell, bytes, { openPackage: async () => scriptedPackage(served) })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    await a.node.requestCell(QUERY, WAIT_MS)
    await assert.rejects(download(a.node, digest), /lost before its end/)
    assert.deepEqual(await filesIn(a), [])
  })

  it('that goes on after the last signed byte is taken up to there', async (t) => {
    const served = Buffer.concat([bytes, Buffer.alloc(LIMITS.chunkBytes)])
    const peer = await scriptedPeer(t, cell, bytes, { openPackage: async () => scriptedPackage(served) })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    await a.node.requestCell(QUERY, WAIT_MS)
    assert.ok(equalBytes(await download(a.node, digest), bytes))
  })

  it('of chunks that the publisher signed, but not for this digest, gives no reader its last bytes', async (t) => {
    // Its own publisher lies: digest of one package, chunk tree of another.
    const lie = signedCell(mallory, manifestOf(mallory.publisher, { ...summary, digest: 'ab'.repeat(32) }))
    const peer = await scriptedPeer(t, lie, bytes)
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'success')
    await assert.rejects(download(a.node, lie.manifest.package.digest), { code: 'PROV_008' })
    assert.deepEqual(await filesIn(a), [])
  })

  it('does not begin with chunk digests that are not those of the manifest', async (t) => {
    const chunks = summary.chunks.slice()
    chunks[40]! ^= 1
    const peer = await scriptedPeer(t, cell, bytes, {
      onPackageRequest: async () => ({ cell: offerOf(cell), chunks: toBase64Url(chunks) }),
    })
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    await a.node.requestCell(QUERY, WAIT_MS)
    await assert.rejects(a.node.openPackage(digest), { code: 'PROV_002' })
  })

  it('of a package that the cache has no room for is served, and nothing stays', async (t) => {
    let opened = 0
    const peer = await scriptedPeer(t, cell, bytes, {
      openPackage: async () => {
        opened++
        return scriptedPackage(bytes)
      },
    })
    const settings = { 'cache.max_bytes': String(bytes.length - 1), 'cache.per_publisher_percent': '100' }
    const a = await nodeInProcess(t, { seeds: [peer.address], settings })
    await knowsProviders(a.node, 1)
    await a.node.requestCell(QUERY, WAIT_MS)
    for (let i = 1; i <= 2; i++) {
      assert.ok(equalBytes(await download(a.node, digest), bytes))
      assert.equal(opened, i)
    }
    await a.stop()
    assert.deepEqual(await filesIn(a), [])
  })

  it('is over for a reader that leaves, and kept for the next', async (t) => {
    const peer = await scriptedPeer(t, cell, bytes)
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    await knowsProviders(a.node, 1)
    await a.node.requestCell(QUERY, WAIT_MS)
    const cached = nextEvent(a.node, 'cell_cached')
    const source = await a.node.openPackage(digest)
    for await (const _ of source.read(0, source.size - 1)) break
    await source.close()
    await cached
    assert.ok(equalBytes(await download(a.node, digest), bytes))
  })
})

describe('a yank', () => {
  const claim = { status: 'yanked', yank_counter: 7 } as const
  const wordOf = (keys: typeof alice, change: Partial<Yank> = {}): string =>
    keys.signYank(NETWORK, {
      format: 1,
      manifest_digest: cell.id,
      publisher: keys.publisher,
      counter: 7,
      yanked: true,
      reason: 'broken',
      at: 1,
      ...change,
    })

  for (const [about, tokens] of Object.entries({
    'that nobody can prove': [],
    'that another publisher signed': [wordOf(mallory)],
    'of another cell': [wordOf(alice, { manifest_digest: 'ef'.repeat(32) })],
    'that is no token': ['ys1.AAAA'],
  })) {
    it(`${about} changes nothing but that its peer is not asked for the cell`, async (t) => {
      const asked = Promise.withResolvers<YankRequest['cells']>()
      let asks = 0
      let requests = 0
      const liar = await scriptedPeer(
        t,
        cell,
        bytes,
        {
          answers: {
            yank_request: ({ cells }) => {
              asks++
              asked.resolve(cells)
              return { yanks: tokens }
            },
          },
          onCellRequest: () => {
            requests++
            return [offerOf(cell)]
          },
        },
        claim,
      )
      const good = await scriptedPeer(t, cell, bytes)
      const a = await nodeInProcess(t, { seeds: [liar.address, good.address] })
      await knowsProviders(a.node, 2)
      assert.deepEqual(await asked.promise, [{ manifest_digest: cell.id, publisher: alice.publisher }])
      const outcome = await a.node.requestCell(QUERY, WAIT_MS)
      assert.equal(outcome.status, 'success')
      assert.equal(answerOf(outcome.cell).metadata.provider, good.providerId)
      assert.ok(equalBytes(await download(a.node, digest), bytes))
      assert.ok(a.node.answerLocally(QUERY), 'the copy here is not yanked')
      assert.deepEqual([asks, requests], [1, 0])
    })
  }

  it('that a peer proves counts for the copies of all', async (t) => {
    const honest = await scriptedPeer(
      t,
      cell,
      bytes,
      { answers: { yank_request: () => ({ yanks: [wordOf(alice)] }) } },
      claim,
    )
    const ignorant = await scriptedPeer(t, cell, bytes)
    const b = await nodeInProcess(t, { seeds: [honest.address, ignorant.address] })
    await knowsProviders(b.node, 2)
    await untilHolds(async () => {
      const outcome = await b.node.requestCell(QUERY, WAIT_MS)
      assert.equal(outcome.status, 'not_found')
      assert.equal(outcome.alternatives[0]?.compatibility_notes, 'was yanked: broken')
    })
  })
})
