import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import type { EventMap } from '../../src/kernel/telemetry/events.ts'
import { RelayGate } from '../../src/network/relay.ts'
import { askFor, connectedTo, newIdentity, startNode, type TestNode, type TestNodeOptions, within } from './nodes.ts'

const server = (t: TestContext, options: TestNodeOptions = {}) =>
  startNode(t, { ...options, config: { relay: 'server' } })
/** A node that nobody can connect to. */
const hidden = (t: TestContext, relays: readonly TestNode[], options: TestNodeOptions = {}) =>
  startNode(t, {
    ...options,
    seeds: relays.flatMap(({ network }) => network.addresses),
    config: { relay: 'client', listen: ['/p2p-circuit'] },
  })
/** A node that reaches others through relays, and knows nobody. */
const client = (t: TestContext) => startNode(t, { config: { relay: 'client' } })

type Wanted = (addresses: readonly string[]) => boolean
/** The next change of a node's addresses to such ones. */
const nextAddresses = (node: TestNode, wanted: Wanted) =>
  new Promise<readonly string[]>((resolve) => {
    const off = node.events.on('addresses_changed', ({ addresses }: EventMap['addresses_changed']) => {
      if (!wanted(addresses)) return
      off()
      resolve(addresses)
    })
  })
/** A node's addresses when they are such. */
const addressesOf = async (node: TestNode, wanted: Wanted) =>
  wanted(node.network.addresses) ? node.network.addresses : nextAddresses(node, wanted)
const relayed = (count: number) => (addresses: readonly string[]) =>
  addresses.filter((address) => address.includes('/p2p-circuit/')).length === count

const BYTES = Buffer.alloc(3 * LIMITS.chunkBytes + 17, 'relay')
const holder: NonNullable<TestNodeOptions['handlers']> = {
  onCellRequest: () => '[]',
  openPackage: async () => ({
    size: BYTES.length,
    chunkSize: LIMITS.chunkBytes,
    async *read(from: number) {
      yield BYTES.subarray(from * LIMITS.chunkBytes)
    },
    close: async () => undefined,
  }),
}

describe('relay', () => {
  it('lets a node be asked, and its packages be fetched, that listens on no port', async (t) => {
    const relay = await server(t)
    const b = await hidden(t, [relay], { handlers: holder })
    const addresses = await addressesOf(b, relayed(1))
    assert.deepEqual(addresses, [`${relay.network.addresses[0]}/p2p-circuit/p2p/${b.providerId}`])

    // Hidden as well: the other one may hear of it, and would connect to it directly.
    const a = await hidden(t, [])
    await a.network.addAddresses(b.providerId, addresses)
    const connected = connectedTo(a, b.providerId)
    const { cells } = await a.network.request(b.providerId, 'cell_request', askFor('x'), within())
    assert.deepEqual(cells, [])
    await connected
    const peer = a.network.connectedPeers().find(({ providerId }) => providerId === b.providerId)
    assert.deepEqual(peer?.addresses, [addresses[0]])

    const parts: Uint8Array[] = []
    const digest = `sha256:${'0'.repeat(64)}`
    const ranges = [
      { from: 1, to: Math.ceil(BYTES.length / LIMITS.chunkBytes), bytes: BYTES.length - LIMITS.chunkBytes },
    ]
    for await (const part of a.network.fetchPackage(b.providerId, digest, () => ranges.pop(), within())) {
      parts.push(new Uint8Array(part))
    }
    assert.ok(Buffer.concat(parts).equals(BYTES.subarray(LIMITS.chunkBytes)))
    const [connections] = a.network.connectedPeers().filter(({ providerId }) => providerId === b.providerId)
    assert.equal(connections?.addresses.length, 1, 'what goes on shares one relayed connection')
  })

  it('stays in use where hole punching finds no public address', async (t) => {
    const relay = await server(t)
    const b = await startNode(t, {
      seeds: relay.network.addresses,
      config: { relay: 'client', listen: ['/p2p-circuit'], hole_punching: true },
    })
    const a = await startNode(t, { config: { relay: 'client', hole_punching: true } })
    await a.network.addAddresses(b.providerId, await addressesOf(b, relayed(1)))
    for (let i = 0; i < 3; i++) await a.network.request(b.providerId, 'cell_request', askFor('x'), within())
  })

  it('is not used by nodes without the option', async (t) => {
    const relay = await server(t)
    const b = await hidden(t, [relay])
    const addresses = await addressesOf(b, relayed(1))
    const a = await startNode(t)
    await a.network.addAddresses(b.providerId, addresses)
    await assert.rejects(a.network.request(b.providerId, 'cell_request', askFor('x'), within()))
  })

  it('that goes away is no longer announced, and is used again when it is back', async (t) => {
    const identity = newIdentity()
    const first = await server(t, { identity })
    const port = Number(first.network.addresses[0]?.split('/')[4])
    const b = await hidden(t, [first])
    await addressesOf(b, relayed(1))
    const gone = nextAddresses(b, relayed(0))
    await first.network.stop()
    await gone
    const second = await server(t, { identity, port })
    assert.equal(second.providerId, first.providerId)
    const addresses = await addressesOf(b, relayed(1))
    const a = await client(t)
    await a.network.addAddresses(b.providerId, addresses)
    await a.network.request(b.providerId, 'cell_request', askFor('x'), within())
  })

  it('is chosen twice at most, and anew when one of the two goes away', async (t) => {
    const relays = await Promise.all([server(t), server(t), server(t)])
    const b = await hidden(t, relays)
    const two = await addressesOf(b, relayed(2))
    await relays.find(({ providerId }) => two.join().includes(providerId))?.network.stop()
    await addressesOf(b, (addresses) => relayed(2)(addresses) && addresses.join() !== two.join())
  })

  it('leaves configured addresses as they are, and adds its own', async (t) => {
    const relay = await server(t)
    const b = await startNode(t, {
      seeds: relay.network.addresses,
      config: { relay: 'client', announce: ['/ip4/192.0.2.1/tcp/9000'] },
    })
    assert.deepEqual(await addressesOf(b, relayed(1)), [
      `/ip4/192.0.2.1/tcp/9000/p2p/${b.providerId}`,
      `${relay.network.addresses[0]}/p2p-circuit/p2p/${b.providerId}`,
    ])
  })
})

describe('a relay server', () => {
  /** A host that is connected to peers at these addresses, all of which speak `protocols`. */
  const gateOf = (addresses: Readonly<Record<string, string>>, protocols: string[]) => {
    const reservations = new Map<string, { addr: ReturnType<typeof multiaddr> }>()
    const keyed = {
      ...reservations,
      has: (peer: object) => reservations.has(String(peer)),
      values: () => reservations.values(),
    }
    const host = {
      addEventListener: (name: string, listener: (event: object) => void) => {
        // Whoever waits for a peer's word hears at once that it said nothing new.
        if (name === 'peer:identify')
          for (const id of Object.keys(addresses)) listener({ detail: { peerId: peerIdFromString(id) } })
      },
      removeEventListener: () => undefined,
      peerStore: { get: async () => ({ protocols }) },
      getConnections: (peer: object) => [{ remoteAddr: multiaddr(addresses[String(peer)]) }],
    }
    const gate = new RelayGate(host as never, { reservations: keyed } as never, '/wanted')
    const reserve = async (id: string) => {
      const denied = await gate.deniesReservation(peerIdFromString(id))
      if (!denied) reservations.set(id, { addr: multiaddr(addresses[id]) })
      return !denied
    }
    return { gate, reserve }
  }
  const peersAt = (hosts: string[]) =>
    Object.fromEntries(
      hosts.map((host) => [newIdentity().providerId, `/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/1`]),
    )
  const outcomes = async (hosts: string[], protocols = ['/wanted']) => {
    const peers = peersAt(hosts)
    const { reserve } = gateOf(peers, protocols)
    const taken: boolean[] = []
    for (const id of Object.keys(peers)) taken.push(await reserve(id))
    return taken
  }

  it('takes peers of its network only', async () => {
    assert.deepEqual(await outcomes(['8.8.8.8'], ['/other']), [false])
    const peers = peersAt(['8.8.8.8'])
    const [id] = Object.keys(peers)
    assert.equal(await gateOf(peers, ['/other']).gate.deniesConnection(peerIdFromString(id!)), true)
    assert.equal(await gateOf(peers, ['/wanted']).gate.deniesConnection(peerIdFromString(id!)), false)
  })

  it('takes four peers per address, an IPv6 site being one; those of its own network are not counted', async () => {
    assert.deepEqual(await outcomes(Array(6).fill('8.8.8.8')), [true, true, true, true, false, false])
    const site = [1, 2, 3, 4, 5].map((n) => `2606:4700::${n}`)
    assert.deepEqual(await outcomes([...site, '2606:4701::1']), [true, true, true, true, false, true])
    assert.deepEqual(await outcomes(Array(6).fill('192.168.1.7')), Array(6).fill(true))
  })

  it('renews a reservation that it gave', async () => {
    const peers = peersAt(Array(4).fill('8.8.8.8'))
    const { reserve } = gateOf(peers, ['/wanted'])
    for (const id of Object.keys(peers)) assert.equal(await reserve(id), true)
    assert.equal(await reserve(Object.keys(peers)[0]!), true)
  })
})
