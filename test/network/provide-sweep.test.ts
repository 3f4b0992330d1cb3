import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sha256 } from '../../src/kernel/base/hash.ts'
import { REPLICAS, type SweptDht, type SweptPeer, sweep } from '../../src/network/provide-sweep.ts'

const place = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(sha256(bytes)).toString('hex')}`)

/** A DHT in which every lookup finds the peers that are really closest. */
function dhtOf(size: number, seed: string) {
  const peers = Array.from({ length: size }, (_, index): SweptPeer & { at: bigint } => {
    const multihash = sha256(`${seed} ${index}`)
    return { id: `peer ${index}`, multihash, at: place(multihash) }
  })
  const closest = (key: Uint8Array) => {
    const at = place(key)
    const distance = (peer: { at: bigint }) => peer.at ^ at
    return peers.toSorted((a, b) => (distance(a) < distance(b) ? -1 : 1)).slice(0, REPLICAS)
  }
  const told = new Map<string, Set<string>>()
  const silent = new Set<string>()
  const dht: SweptDht = {
    closestPeers: async (key) => closest(key),
    async tell({ id }, keys) {
      if (silent.has(id)) throw new Error('it does not answer')
      for (const key of keys) {
        const name = Buffer.from(key).toString('hex')
        told.set(name, (told.get(name) ?? new Set()).add(id))
      }
    },
  }
  return { dht, closest, silent, toldOf: (key: Uint8Array) => told.get(Buffer.from(key).toString('hex')) ?? new Set() }
}

const keysOf = (count: number) => Array.from({ length: count }, (_, index) => sha256(`key ${index}`))
const { signal } = new AbortController()

describe('telling the DHT region by region', () => {
  for (const size of [1, 19, 20, 21, 60, 400]) {
    it(`tells each key to those who are closest to it, of ${size} peers`, async () => {
      const keys = keysOf(500)
      const { dht, closest, toldOf } = dhtOf(size, 'a')
      const { told } = await sweep(keys, dht, signal)
      assert.equal(told, keys.length)
      for (const key of keys) {
        const wanted = new Set(closest(key).map(({ id }) => id))
        assert.deepEqual(toldOf(key), wanted)
      }
    })
  }

  it('looks up and opens streams as the number of peers demands, not that of keys', async () => {
    const { dht } = dhtOf(400, 'b')
    const few = await sweep(keysOf(1000), dht, signal)
    const many = await sweep(keysOf(10_000), dht, signal)
    assert.equal(many.regions, few.regions)
    assert.ok(many.regions < 400 / REPLICAS, `${many.regions} regions`)
    assert.ok(many.lookups <= 1.2 * few.lookups, `${few.lookups} and ${many.lookups} lookups`)
    assert.ok(many.streams <= 1.2 * few.streams, `${few.streams} and ${many.streams} streams`)
    assert.ok(many.streams < 3 * 400, `${many.streams} streams`)
  })

  it('takes one lookup for one key', async () => {
    const { dht } = dhtOf(400, 'c')
    assert.deepEqual(await sweep(keysOf(1), dht, signal), { told: 1, regions: 1, lookups: 1, streams: REPLICAS })
  })

  it('counts what nobody confirmed as not told, and goes on past peers that do not answer', async () => {
    const { dht, silent } = dhtOf(30, 'd')
    for (let index = 0; index < 29; index++) silent.add(`peer ${index}`)
    const { told } = await sweep(keysOf(100), dht, signal)
    assert.ok(told > 0 && told < 100, `${told}`)
    silent.add('peer 29')
    assert.equal((await sweep(keysOf(100), dht, signal)).told, 0)
    const { dht: empty } = dhtOf(0, 'e')
    assert.deepEqual(await sweep(keysOf(100), empty, signal), { told: 0, regions: 1, lookups: 1, streams: 0 })
  })

  it('ends when it is told to', async () => {
    const { dht } = dhtOf(400, 'f')
    const controller = new AbortController()
    const reason = new Error('enough')
    const swept = sweep(keysOf(1000), { ...dht, tell: async () => controller.abort(reason) }, controller.signal)
    await assert.rejects(swept, reason)
  })
})
