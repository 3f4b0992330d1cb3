import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { KnownPeers } from '../../src/network/known-peers.ts'
import { openPeerRecord } from '../../src/network/peer-records.ts'
import { temporaryFolder } from '../support/folders.ts'
import { connectedTo, newIdentity, silentLogger, startNode, within } from './nodes.ts'

async function openStore(t: TestContext): Promise<Store> {
  const store = await Store.open(join(await temporaryFolder(t), 'store'), { createIfMissing: true })
  t.after(() => store.close())
  return store
}

const address = (host: string) => multiaddr(`/ip4/${host}/tcp/9000`)

describe('discovery', () => {
  it('connects nodes that have only a seed in common', async (t) => {
    const seed = await startNode(t)
    const a = await startNode(t, { seeds: seed.network.addresses })
    await connectedTo(a, seed.providerId)
    const b = await startNode(t, { seeds: seed.network.addresses })
    await connectedTo(b, a.providerId)
  })

  it('finds back after a restart when all seeds are gone', async (t) => {
    const store = await openStore(t)
    const identity = newIdentity()
    const seed = await startNode(t)
    const seeds = seed.network.addresses
    const b = await startNode(t, { seeds })
    const a = await startNode(t, { identity, store, seeds })
    await connectedTo(a, seed.providerId)
    await connectedTo(a, b.providerId)
    await a.network.stop()
    await seed.network.stop()
    const again = await startNode(t, { identity, store, seeds })
    await connectedTo(again, b.providerId)
    assert.equal(again.network.seeds()[0]?.connected, false)
  })

  it('keeps a peer connected until it is let go', async (t) => {
    const identity = newIdentity()
    const b = await startNode(t, { identity })
    const a = await startNode(t)
    await a.network.addAddresses(b.providerId, b.network.addresses)
    a.network.keepConnected(b.providerId)
    await connectedTo(a, b.providerId)
    const [port] = b.network.addresses.map((text) => Number(/tcp\/(\d+)/.exec(text)?.[1]))
    const lost = new Promise<void>((resolve) => a.events.on('peer_disconnected', () => resolve()))
    await b.network.stop()
    await lost
    await startNode(t, { identity, port: port! })
    await connectedTo(a, identity.providerId)
    a.network.letGo(identity.providerId)
  })

  it('tells a peer of others by their own signed records, once a minute', async (t) => {
    const seed = await startNode(t)
    const others = await Promise.all([1, 2].map(() => startNode(t, { seeds: seed.network.addresses })))
    for (const other of others) await connectedTo(seed, other.providerId)
    const asker = await startNode(t)
    await asker.network.addAddresses(seed.providerId, seed.network.addresses)
    // Asked by the node itself, or by this test: one of the two has the answer.
    const asked = await asker.network.request(seed.providerId, 'peer_exchange', {}, within())
    for (const record of asked.records) {
      const { peer, addresses } = await openPeerRecord(record)
      assert.ok(others.some(({ providerId }) => providerId === peer))
      assert.ok(addresses.length > 0)
    }
    assert.ok(asked.records.length <= others.length)
    assert.deepEqual((await asker.network.request(seed.providerId, 'peer_exchange', {}, within())).records, [])
    for (const other of others) await connectedTo(asker, other.providerId)
  })
})

describe('the table of known peers', () => {
  it('outlives the process', async (t) => {
    const store = await openStore(t)
    const known = new KnownPeers(store, silentLogger)
    known.reached('a', [address('8.8.8.8')], 'record')
    known.heard('b', [address('8.8.4.4')], 'other')
    known.failed('b')
    await known.close()
    const again = new KnownPeers(store, silentLogger)
    await again.load()
    assert.deepEqual([...again.entries()], [...known.entries()])
  })

  it('is bounded, in all and per address group, and what was only heard of displaces nothing that was reached', () => {
    const known = new KnownPeers(undefined, silentLogger)
    known.reached('good', [address('8.8.8.8')])
    for (let i = 0; i < 1000; i++) known.heard(`group ${i}`, [address('8.8.8.8')])
    assert.equal(known.size, 4)
    for (let i = 0; i < 10_000; i++) known.heard(`heard ${i}`, [address(`9.9.${i >> 8}.${i & 255}`)])
    assert.equal(known.size, 129)
    for (let i = 0; i < 10_000; i++) known.reached(`reached ${i}`, [address(`7.7.${i >> 8}.${i & 255}`)])
    assert.equal(known.size, 256)
    assert.ok(known.get('reached 9999'))
    known.heard('late', [address('6.6.6.6')])
    assert.equal(known.get('late'), undefined)
  })

  it('bounds an address group by where peers are found, whatever they said of themselves before', () => {
    const known = new KnownPeers(undefined, silentLogger)
    for (let i = 0; i < 100; i++) {
      known.heard(`peer ${i}`, [address(`9.9.9.${i}`), address('8.8.8.8')])
      known.reached(`peer ${i}`, [address('8.8.8.8')])
    }
    assert.equal(known.size, 4)
  })

  it('offers the reached ones first, the others later, and none again before its time', () => {
    let now = 1_000_000
    const known = new KnownPeers(undefined, silentLogger, () => now)
    known.heard('heard', [address('1.1.1.1')])
    known.reached('old', [address('1.1.1.2')])
    now += 1000
    known.reached('new', [address('1.1.1.3')])
    known.reached('connected', [address('1.1.1.4')])
    const next = () => known.candidates(10, (peer) => peer === 'connected').map(([peer]) => peer)
    assert.deepEqual(next(), ['new', 'old', 'heard'])
    known.failed('new')
    assert.deepEqual(next(), ['old', 'heard'])
    now += 600
    known.failed('new')
    now += 600
    assert.deepEqual(next(), ['old', 'heard'])
    now += 3_600_000
    assert.deepEqual(next(), ['old', 'new', 'heard'])
  })

  it('tells of different address groups first, never of all, and only of those that are there or were lately', () => {
    let now = 1_000_000_000_000
    const known = new KnownPeers(undefined, silentLogger, () => now)
    known.reached('stale', [address('5.5.5.5')], 'stale')
    now += 48 * 3_600_000
    for (let i = 0; i < 4; i++) known.reached(`same ${i}`, [address('8.8.8.8')], 'same')
    for (let i = 0; i < 100; i++) known.reached(`other ${i}`, [address(`9.9.9.${i}`)], `other ${i}`)
    known.heard('unknown', [address('4.4.4.4')], 'unknown')
    const told = known.recordsFor('other 0', LIMITS.peersPerExchange, () => false)
    assert.equal(told.length, LIMITS.peersPerExchange)
    assert.ok(told.filter((record) => record === 'same').length <= 1)
    for (const record of ['stale', 'unknown', 'other 0']) assert.ok(!told.includes(record), record)
    const few = new KnownPeers(undefined, silentLogger)
    for (let i = 0; i < 20; i++) few.reached(`peer ${i}`, [address(`9.9.9.${i}`)], `record ${i}`)
    assert.equal(few.recordsFor('asker', 32, () => false).length, 10)
  })
})
