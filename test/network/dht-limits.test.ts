import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { SingleKadDHT } from '@libp2p/kad-dht'
import { memory } from '@libp2p/memory'
import { plaintext } from '@libp2p/plaintext'
import { Registry } from 'prom-client'
import { dhtKey } from '../../src/network/dht.ts'
import { dhtModeOf } from '../../src/network/dht-mode.ts'
import { DialRules } from '../../src/network/dial-rules.ts'
import { createHost, startHost, type Wiring } from '../../src/network/host.ts'
import { PROVIDER_VALIDITY_MS, ProviderStore } from '../../src/network/provider-store.ts'
import { MOST_PER_GROUP, RoutingGuard } from '../../src/network/routing-guard.ts'
import { connectedTo, NETWORK, newIdentity, silentLogger, startNode, testP2p, within } from './nodes.ts'

/** A store, and what the DHT's library does with it. */
function storeOf(groupOf: (peer: string) => string | undefined, now: () => number = Date.now) {
  const store = new ProviderStore({ self: 'self', groupOf, isKnown: async (peer) => peer !== 'gone' }, now)
  const datastore = store.asDatastore()
  const keyOf = (name: string, peer: string) => `/dht/provider/${name}/${peer}` as never
  return {
    store,
    add: (name: string, peer: string) => void datastore.put(keyOf(name, peer), new Uint8Array()),
    async providers(name: string): Promise<(string | undefined)[]> {
      const found = []
      for await (const { key } of datastore.query({ prefix: `/dht/provider/${name}` })) {
        found.push(key.toString().split('/').pop())
      }
      return found
    },
  }
}

describe('provider records', () => {
  it('of one address group do not displace an honest one, however many there are', async () => {
    const { add, providers } = storeOf((peer) => (peer === 'honest' ? '9.9.9.9' : '6.6.6.6'))
    for (let i = 0; i < 500; i++) add('abc', `sybil${i}`)
    add('abc', 'honest')
    for (let i = 500; i < 1000; i++) add('abc', `sybil${i}`)
    assert.deepEqual(await providers('abc'), ['sybil0', 'honest'])
  })

  it('are at most twenty per key, those that came first', async () => {
    const { add, providers } = storeOf((peer) => peer)
    for (let i = 0; i < 100; i++) add('abc', `peer${i}`)
    assert.deepEqual(
      await providers('abc'),
      Array.from({ length: 20 }, (_, i) => `peer${i}`),
    )
    const house = storeOf(() => undefined)
    for (let i = 0; i < 100; i++) house.add('abc', `peer${i}`)
    assert.equal((await house.providers('abc')).length, 20)
  })

  it('are bounded in all, and per address group; peers with private addresses are not limited', () => {
    const { store, add } = storeOf((peer) => (peer.startsWith('house') ? undefined : peer))
    const word = (i: number) =>
      i
        .toString(32)
        .replace(/[0189]/g, 'z')
        .padStart(8, 'a') + i.toString(26).replace(/\d/g, (d) => 'ghijklmnop'[Number(d)]!)
    for (let i = 0; i < 30_000; i++) add(word(i), 'flooder')
    assert.equal(store.size, 25_000)
    for (let i = 0; i < 200_000; i++) add(word(i), 'house1')
    assert.equal(store.size, 200_000)
  })

  it('expire unless they are told again, and those of unknown peers are not shown', async () => {
    let now = 0
    const { store, add, providers } = storeOf(
      () => undefined,
      () => now,
    )
    add('abc', 'old')
    add('abc', 'again')
    add('abc', 'gone')
    now = PROVIDER_VALIDITY_MS / 2
    add('abc', 'again')
    assert.deepEqual(await providers('abc'), ['old', 'again'])
    now = PROVIDER_VALIDITY_MS + 1
    assert.deepEqual(await providers('abc'), ['again'])
    now = 3 * PROVIDER_VALIDITY_MS
    add('xyz', 'other')
    assert.equal(store.size, 1)
  })

  it('are the only thing that the DHT stores', () => {
    const datastore = storeOf(() => undefined).store.asDatastore()
    for (const key of ['/dht/record/abc', '/dht/provider/abc', `/dht/provider/${'a'.repeat(65)}/peer`]) {
      assert.throws(() => datastore.put(key as never, new Uint8Array()), /provider records only/, key)
    }
    assert.throws(() => datastore.get('/dht/record/abc' as never), { name: 'NotFoundError' })
  })
})

/** A bare host in this process, with the size of its routing table. */
async function hostOf(t: TestContext, name: string, groupOf: Wiring['groupOf']) {
  const { identitySeed, providerId } = newIdentity()
  const host = await createHost({
    network: NETWORK,
    identitySeed,
    config: BARE,
    logger: silentLogger,
    metrics: { registry: new Registry() },
    dialRules: new DialRules(() => ['loopback']),
    wiring: {
      transports: [memory()],
      connectionEncrypters: [plaintext()],
      listen: `/memory/${name}`,
      ...(groupOf === undefined ? {} : { groupOf }),
    },
  })
  await startHost(host, BARE)
  t.after(() => host.stop())
  const dht = host.services.dht as unknown as SingleKadDHT
  return { host, providerId, dht, size: () => dht.routingTable.size }
}

const BARE = testP2p({ dht_mode: 'server' })

describe('the routing table', () => {
  it('is not filled by one address group', async (t) => {
    const honest = new Set<string>()
    const target = await hostOf(t, 'flooded', (peer) => (honest.has(peer) ? undefined : '6.6.6.6'))
    const [address] = target.host.getMultiaddrs()
    const join = async (name: string) => {
      const { host, dht } = await hostOf(t, name, undefined)
      if (name === 'honest') honest.add(host.peerId.toString())
      await host.dial(address!)
      return dht
    }
    await Promise.all(Array.from({ length: 12 }, (_, index) => join(`sybil ${index}`)))
    const { signal } = within(60_000)
    // Whoever answers a lookup is a candidate again.
    const lookups = async () => {
      for (let i = 0; i < 3; i++) {
        const answered = target.dht.getClosestPeers(Buffer.from([i]), { signal })
        for await (const _event of answered);
      }
    }
    while (target.size() < MOST_PER_GROUP) {
      signal.throwIfAborted()
      await turn()
    }
    await lookups()
    assert.equal(target.size(), MOST_PER_GROUP)
    await join('honest')
    while (target.size() < MOST_PER_GROUP + 1) {
      signal.throwIfAborted()
      await turn()
    }
    await lookups()
    assert.equal(target.size(), MOST_PER_GROUP + 1)
  })

  it('lets in three of a group, and another when one has left', async () => {
    const ping = async () => 1
    let now = 0
    const table = new Set<string>()
    const guard = new RoutingGuard(
      { groupOf: (name) => (name.startsWith('house') ? undefined : '6.6.6.6'), inTable: () => table },
      () => now,
    )
    const guarded = guard.guard({ ping } as never)
    const peer = (name: string) => ({ toString: () => name, toMultihash: () => undefined }) as never
    const admitted = async (name: string) =>
      guarded.ping(peer(name)).then(
        () => true,
        () => false,
      )
    const together = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(admitted))
    assert.deepEqual(together, [true, true, true, false, false])
    for (const name of ['a', 'b', 'c']) table.add(name)
    now += 60_000
    assert.equal(await admitted('d'), false)
    assert.equal(await admitted('a'), true)
    table.delete('a')
    assert.equal(await admitted('d'), true)
    assert.equal(await admitted('e'), false)
    for (let i = 0; i < 100; i++) assert.equal(await admitted(`house ${i}`), true)
  })
})

it('a record of an honest provider is found beside those of a flood from one address', async (t) => {
  const honest = new Set<string>()
  const target = await hostOf(t, 'asked', (peer) => (honest.has(peer) ? undefined : '6.6.6.6'))
  const [address] = target.host.getMultiaddrs()
  const { signal } = within(60_000)
  const key = dhtKey(NETWORK, 'capability/wanted')
  const provide = async (name: string) => {
    const { host, dht, providerId } = await hostOf(t, name, undefined)
    if (name === 'late') honest.add(providerId)
    await host.dial(address!)
    let told = false
    while (!told) {
      for await (const event of dht.provide(key, { signal })) {
        if (event.name === 'PEER_RESPONSE' && event.from.equals(target.host.peerId)) told = true
      }
    }
    return providerId
  }
  const flood = new Set<string>()
  for (let i = 0; i < 6; i++) flood.add(await provide(`flood ${i}`))
  const late = await provide('late')
  const held = async (): Promise<string[]> => {
    for await (const event of target.dht.findProviders(key, { signal })) {
      if (event.name === 'PROVIDER') return event.providers.map(({ id }) => id.toString())
    }
    return []
  }
  let providers = await held()
  while (!providers.includes(late)) {
    signal.throwIfAborted()
    await turn()
    providers = await held()
  }
  assert.equal(providers.filter((provider) => flood.has(provider)).length, 1)
})

describe('the mode of the DHT', () => {
  it('is server where others can dial the node', () => {
    assert.equal(dhtModeOf(['loopback', 'public'], ['public']), 'server')
    assert.equal(dhtModeOf(['special'], ['public']), 'server')
    assert.equal(dhtModeOf(['loopback', 'private:10'], ['private:10', 'loopback']), 'server')
    assert.equal(dhtModeOf(['private:192.168'], []), 'server')
    assert.equal(dhtModeOf(['private:192.168'], ['private:192.168', 'public']), 'client')
    assert.equal(dhtModeOf([], []), 'client')
  })

  it('client: asks, provides and is found, and holds nothing for others', async (t) => {
    const server = await startNode(t)
    const client = await startNode(t, { seeds: server.network.addresses, config: { dht_mode: 'client' } })
    await connectedTo(client, server.providerId)
    const { signal } = within(60_000)
    while ((await client.network.provide(['capability/x'], signal)).told === 0) await turn()
    const found: string[] = []
    for await (const { providerId } of server.network.findProviders('capability/x', { signal, limit: 5 })) {
      found.push(providerId)
    }
    assert.deepEqual(found, [client.providerId])
    assert.equal((await server.network.provide(['capability/y'], signal)).streams, 0)
    // The server names itself once it knows its own addresses.
    const asked: string[] = []
    while (asked.length === 0) {
      signal.throwIfAborted()
      for await (const { providerId } of client.network.findProviders('capability/y', { signal, limit: 5 })) {
        asked.push(providerId)
      }
    }
    assert.deepEqual(asked, [server.providerId])
  })
})
