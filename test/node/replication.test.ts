import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { PolicyStatus } from '../../protocol/replication.ts'
import { equalBytes } from '../../src/kernel/base/bytes.ts'
import type { CellQuery } from '../../src/node/api.ts'
import { manifestOf, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import {
  answerOf,
  download,
  knowsProviders,
  type NodeInProcess,
  nextEvent,
  nodeInProcess,
  offerOf,
  scriptedPeer,
} from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const alice = newPublisher()
const bob = newPublisher()
const BY = 'admin'
const SIZE = 5000
const QUERY: CellQuery = { by: 'capability', name: 'parse' }
const bytesOf = (fill: number, size = SIZE) => new Uint8Array(size).fill(fill)

/** A peer with one cell, whose package is filled with a number. */
async function peerWith(
  t: TestContext,
  fill: number,
  more: Parameters<typeof manifestOf>[2] = {},
  { keys = alice, size = SIZE, announced = {} } = {},
) {
  const bytes = bytesOf(fill, size)
  const cell = signedCell(keys, manifestOf(keys.publisher, summaryOf(bytes), { cell_type: `type-${fill}`, ...more }))
  const peer = await scriptedPeer(t, cell, bytes, {}, announced)
  return { ...peer, cell, bytes, digest: cell.manifest.package.digest }
}

const policyOf = ({ node }: NodeInProcess, id: string): PolicyStatus | undefined =>
  node.replication.policies().policies.find((one) => one.id === id)

/** Resolves when a policy is so far. */
function until(at: NodeInProcess, id: string, wanted: Partial<PolicyStatus>): Promise<void> {
  const check = (): void => {
    const policy = policyOf(at, id)
    for (const [key, value] of Object.entries(wanted)) {
      assert.deepEqual(policy?.[key as keyof PolicyStatus], value, `${key}: ${JSON.stringify(policy)}`)
    }
  }
  return untilHolds(check)
}

describe('a followed publisher', { concurrency: 4 }, () => {
  it('has its cells fetched and kept, so that they are served when nobody else has them', async (t) => {
    const peer = await peerWith(t, 1)
    const stranger = await peerWith(t, 2, {}, { keys: bob })
    const a = await nodeInProcess(t, { seeds: [peer.address, stranger.address] })
    const { id } = await a.node.replication.follow({ publisher: alice.publisher, max_bytes: 2 * SIZE }, BY)
    await until(a, id, { matches: 1, kept: 1, bytes: SIZE, waiting: 0, failed: 0, full: false })
    await Promise.all([peer.stop(), stranger.stop()])
    assert.ok(equalBytes(await download(a.node, peer.digest), peer.bytes))
    await assert.rejects(download(a.node, stranger.digest), { code: 'PROV_002' })
  })

  it('counts as known in answers, for as long as it is followed', async (t) => {
    const peer = await peerWith(t, 1)
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    const { id } = await a.node.replication.follow({ publisher: alice.publisher, max_bytes: 1 }, BY)
    await knowsProviders(a.node, 1)
    const trust = async () => {
      const outcome = await a.node.requestCell(QUERY, 20_000)
      assert.equal(outcome.status, 'success')
      return answerOf(outcome.cell).publisher_trust
    }
    assert.equal(await trust(), 'known')
    await a.node.replication.unfollow(id, BY)
    assert.equal(await trust(), 'unknown')
  })

  it('is followed by the configuration and after a restart, and what is kept is not fetched again', async (t) => {
    const peer = await peerWith(t, 1)
    const follow = [{ publisher: alice.publisher, max_bytes: SIZE }]
    const a = await nodeInProcess(t, { seeds: [peer.address], follow })
    const [{ id, source }] = a.node.replication.policies().policies as [PolicyStatus]
    assert.equal(source, 'configuration')
    await assert.rejects(a.node.replication.unfollow(id, BY), { status: 409 })
    await until(a, id, { kept: 1 })
    const { id: other } = await a.node.replication.follow({ capability: 'parse', max_bytes: 10 * SIZE }, BY)
    await peer.stop()
    await a.stop()

    const b = await nodeInProcess(t, { dataDir: a.dataDir, follow })
    await until(b, id, { kept: 1, bytes: SIZE })
    assert.equal(policyOf(b, other)?.source, 'administrator')
    await b.stop()

    const c = await nodeInProcess(t, { dataDir: a.dataDir })
    await until(c, other, { kept: 1, bytes: SIZE })
    assert.equal(policyOf(c, id), undefined, 'the file does not follow it any more')
  })
})

describe('a budget', { concurrency: 4 }, () => {
  it('that is full keeps what it has, newest versions first, and says so', async (t) => {
    const versions = ['1.0.0', '1.2.0', '1.1.0']
    const peers = await Promise.all(versions.map((version, i) => peerWith(t, i + 1, { cell_type: 'parser', version })))
    const a = await nodeInProcess(t, { seeds: peers.map(({ address }) => address) })
    await knowsProviders(a.node, 3)
    const { id } = await a.node.replication.follow({ publisher: alice.publisher, max_bytes: 2 * SIZE }, BY)
    await until(a, id, { matches: 3, kept: 2, bytes: 2 * SIZE, waiting: 0, full: true })
    await Promise.all(peers.map((peer) => peer.stop()))
    assert.ok(equalBytes(await download(a.node, peers[1]!.digest), peers[1]!.bytes))
    assert.ok(equalBytes(await download(a.node, peers[2]!.digest), peers[2]!.bytes))
    await assert.rejects(download(a.node, peers[0]!.digest), { code: 'PROV_002' })
  })

  it('of a capability lets no stranger have more than its share', async (t) => {
    const peer = await peerWith(t, 1)
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    const { id } = await a.node.replication.follow({ capability: 'pa*', max_bytes: 9 * SIZE }, BY)
    await until(a, id, { matches: 1, kept: 0, full: true })
    await a.node.replication.unfollow(id, BY)
    const { id: larger } = await a.node.replication.follow({ capability: 'p*e', max_bytes: 10 * SIZE }, BY)
    await until(a, larger, { matches: 1, kept: 1, full: false })
  })

  it('is no part of the cache’s: what is kept stays, whatever is pulled through', async (t) => {
    const kept = await peerWith(t, 1)
    const other = await peerWith(t, 2, {}, { keys: bob })
    const settings = { 'cache.max_bytes': String(SIZE), 'cache.per_publisher_percent': '100' }
    const a = await nodeInProcess(t, { seeds: [kept.address, other.address], settings })
    const { id } = await a.node.replication.follow({ publisher: alice.publisher, max_bytes: SIZE }, BY)
    await until(a, id, { kept: 1 })
    await knowsProviders(a.node, 2)
    assert.ok(equalBytes(await download(a.node, other.digest), other.bytes))
    assert.ok(a.node.answerLocally({ by: 'cell_type', name: 'type-1' }))
    const evicted = nextEvent(a.node, 'cell_evicted')
    await a.node.replication.unfollow(id, BY)
    // Now both are ordinary copies, and there is room for one.
    assert.equal((await evicted).digest, other.digest)
    assert.ok(a.node.answerLocally({ by: 'cell_type', name: 'type-1' }))
  })
})

describe('a followed partner', () => {
  it('has kept what it announces as its own, and not its copies', async (t) => {
    const own = await peerWith(t, 1)
    const copying = await peerWith(t, 2, {}, { announced: { copy: true } })
    const a = await nodeInProcess(t, { seeds: [own.address, copying.address] })
    await assert.rejects(a.node.replication.follow({ partner: own.providerId, max_bytes: SIZE }, BY), {
      code: 'PROV_010',
    })
    const policies = []
    for (const { providerId } of [own, copying]) {
      const partner = { provider_id: providerId, name: 'P', url: 'http://127.0.0.1:1', shared_secret: 'x' }
      await a.node.federation.add(partner, BY)
      policies.push(await a.node.replication.follow({ partner: providerId, max_bytes: SIZE }, BY))
    }
    await knowsProviders(a.node, 2)
    await until(a, policies[0]!.id, { matches: 1, kept: 1 })
    await until(a, policies[1]!.id, { matches: 0, kept: 0, last_error: null })
    await a.node.federation.remove(own.providerId, BY)
    await a.node.replication.follow({ capability: 'nothing', max_bytes: 1 }, BY)
    await until(a, policies[0]!.id, { kept: 1, last_error: `${own.providerId} is no partner of this node` })
  })
})

describe('a cell that is followed', { concurrency: 4 }, () => {
  it('is tried again when nobody delivers it', async (t) => {
    const bytes = bytesOf(1)
    const cell = signedCell(alice, manifestOf(alice.publisher, summaryOf(bytes)))
    let refusals = 1
    const peer = await scriptedPeer(t, cell, bytes, {
      onCellRequest: () => {
        if (refusals-- > 0) throw new Error('broken')
        return [offerOf(cell)]
      },
    })
    const settings = { 'receipts.probes_per_minute': '0' }
    const a = await nodeInProcess(t, { seeds: [peer.address], settings })
    const { id } = await a.node.replication.follow({ publisher: alice.publisher, max_bytes: SIZE }, BY)
    await until(a, id, { waiting: 1, failed: 1, kept: 0 })
    assert.match(policyOf(a, id)?.last_error ?? '', /./)
    await until(a, id, { waiting: 0, failed: 0, kept: 1, last_error: null })
  })

  it('is not fetched when it is announced as yanked, and dropped when it is yanked here', async (t) => {
    const yanked = await peerWith(t, 1, {}, { announced: { status: 'yanked' } })
    const good = await peerWith(t, 2)
    const a = await nodeInProcess(t, { seeds: [yanked.address, good.address] })
    await knowsProviders(a.node, 2)
    const { id } = await a.node.replication.follow({ publisher: alice.publisher, max_bytes: 9 * SIZE }, BY)
    await until(a, id, { matches: 1, kept: 1, waiting: 0 })
    const token = alice.signYank('test', {
      format: 1,
      manifest_digest: good.cell.id,
      publisher: alice.publisher,
      counter: 1,
      yanked: true,
      reason: 'broken',
      at: 1,
    })
    const evicted = nextEvent(a.node, 'cell_evicted')
    await a.node.yankCell({
      cellType: 'type-2',
      version: '1.0.0',
      token,
      undo: false,
      credential: 'admin',
      isAdmin: true,
    })
    assert.equal((await evicted).digest, good.digest)
    await until(a, id, { matches: 0, kept: 0 })
  })

  it('and has the package of another one is kept without fetching it again', async (t) => {
    const one = await peerWith(t, 1, { cell_type: 'parser', version: '1.0.0' })
    const next = await peerWith(t, 1, { cell_type: 'parser', version: '1.0.1' })
    const a = await nodeInProcess(t, { seeds: [one.address, next.address] })
    let fetched = 0
    a.node.events.on('cell_cached', () => fetched++)
    await knowsProviders(a.node, 2)
    const { id } = await a.node.replication.follow({ publisher: alice.publisher, max_bytes: 2 * SIZE }, BY)
    await until(a, id, { matches: 2, kept: 2, waiting: 0 })
    assert.equal(fetched, 1)
    for (const range of ['1.0.0', '1.0.1']) assert.ok(a.node.answerLocally({ by: 'cell_type', name: 'parser', range }))
  })
})

describe('a pin', () => {
  it('brings a package here and keeps it, until it is undone and the copy dropped', async (t) => {
    const peer = await peerWith(t, 1)
    const settings = { 'cache.max_bytes': '1' }
    const a = await nodeInProcess(t, { seeds: [peer.address], settings })
    await knowsProviders(a.node, 1)
    const pinned = await a.node.replication.pin(peer.digest, BY)
    assert.deepEqual([pinned.state, pinned.cell_type], ['waiting', null])
    await untilHolds(async () => assert.equal((await a.node.replication.status()).pins[0]?.state, 'kept'))
    await assert.rejects(a.node.replication.dropCopy(peer.digest, BY), { status: 409 })
    await a.stop()
    await peer.stop()

    const b = await nodeInProcess(t, { dataDir: a.dataDir, settings: { 'cache.max_bytes': String(SIZE * 10) } })
    assert.ok(equalBytes(await download(b.node, peer.digest), peer.bytes))
    const { pins } = await b.node.replication.status()
    assert.deepEqual(pins[0], { ...pinned, state: 'kept', cell_type: 'type-1', version: '1.0.0', bytes: SIZE })
    await untilHolds(() => b.node.replication.unpin(peer.digest, BY))
    const dropped = await b.node.replication.dropCopy(peer.digest, BY)
    assert.deepEqual(dropped, { digest: peer.digest, cells: 1, bytes: SIZE })
    await assert.rejects(download(b.node, peer.digest), { code: 'PROV_002' })
    await assert.rejects(b.node.replication.dropCopy(peer.digest, BY), { status: 404 })
    const { entries } = await b.node.audit({})
    assert.deepEqual(
      entries.map(({ act }) => act),
      ['copy_dropped', 'package_unpinned', 'package_pinned'],
    )
  })
})
