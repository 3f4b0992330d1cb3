import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, it } from 'node:test'
import { StartError } from '../../src/kernel/base/errors.ts'
import { announceAddresses, listenAddresses } from '../../src/network/listen-addresses.ts'
import { askFor, connectedTo, makeNode, newIdentity, startNode, within } from './nodes.ts'

type Addresses = Parameters<typeof listenAddresses>[0]
const config: Addresses = {
  host: '0.0.0.0',
  port: 9000,
  listen: [],
  announce: [],
  relay: 'off',
  hole_punching: false,
}
const listen = (some: Partial<Addresses>) => listenAddresses({ ...config, ...some })
const announce = (entries: string[], self?: string) => announceAddresses({ ...config, announce: entries }, self)

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
const noIPv6 = hasIPv6 ? false : 'this machine has no ::1'

describe('addresses to listen on', () => {
  it('are those of host and port unless there are others', () => {
    assert.deepEqual(listen({}), ['/ip4/0.0.0.0/tcp/9000'])
    assert.deepEqual(listen({ host: 'localhost' }), ['/ip4/127.0.0.1/tcp/9000'])
    assert.deepEqual(listen({ host: '::1' }), ['/ip6/::1/tcp/9000'])
    assert.deepEqual(listen({ host: '::' }), ['/ip4/0.0.0.0/tcp/9000', '/ip6/::/tcp/9000'])
    assert.deepEqual(listen({ listen: ['/ip4/10.0.0.1/tcp/1', '/ip6/::/tcp/2'] }), [
      '/ip4/10.0.0.1/tcp/1',
      '/ip6/::/tcp/2',
    ])
    assert.deepEqual(listen({ relay: 'client', listen: ['/p2p-circuit'] }), [])
  })

  it('are refused with the entry, the reason and what is allowed', () => {
    const refuses = (some: Partial<Addresses>, pattern: RegExp) =>
      assert.throws(
        () => listen(some),
        (error: Error) => error instanceof StartError && pattern.test(error.message),
      )
    const good = '/ip4/127.0.0.1/tcp/1'
    refuses({ listen: [good, '/ip4/1.2.3.4'] }, /p2p\.listen: entry 2, "\/ip4\/1\.2\.3\.4".*Allowed are \/ip4\//)
    refuses({ listen: ['/dns4/example.org/tcp/1'] }, /entry 1, .*no address and TCP port of this machine/)
    refuses({ listen: ['/ip4/1.2.3.4/udp/1'] }, /entry 1, /)
    refuses({ listen: ['/nonsense'] }, /entry 1, "\/nonsense", cannot be used/)
    refuses({ listen: ['/p2p-circuit'] }, /p2p\.relay: client/)
    refuses({ relay: 'client', listen: [good, '/p2p-circuit'] }, /entry 2, .*alone with p2p\.relay: client/)
    refuses({ host: 'example.org' }, /p2p\.host is "example\.org"/)
    refuses({ hole_punching: true }, /set p2p\.relay to client/)
  })

  it('that another program uses are named', async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    t.after(() => other.close())
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    const node = makeNode(t, { config: { listen: [`/ip4/127.0.0.1/tcp/${port}`, '/ip4/127.0.0.2/tcp/0'] } })
    await assert.rejects(node.network.start(), (error: Error) => {
      assert.ok(error instanceof StartError)
      assert.match(error.message, new RegExp(`cannot listen on /ip4/127\\.0\\.0\\.1/tcp/${port}: .*uses that port`))
      assert.match(error.message, /Choose other addresses in p2p\.listen\.$/)
      return true
    })
  })

  it('are all served', async (t) => {
    const node = await startNode(t, { config: { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.2/tcp/0'] } })
    assert.equal(node.network.addresses.length, 2)
    for (const address of node.network.addresses) {
      const peer = await startNode(t, { seeds: [address] })
      await connectedTo(peer, node.providerId)
    }
  })
})

describe('addresses to announce', () => {
  it('are taken as they are', async (t) => {
    const addresses = ['/ip4/192.0.2.1/tcp/9000', '/ip6/2001:db8::1/tcp/9000', '/dns4/node.example/tcp/9000']
    assert.deepEqual(announce(addresses), addresses)
    const node = await startNode(t, { config: { announce: addresses } })
    assert.deepEqual(
      node.network.addresses,
      addresses.map((address) => `${address}/p2p/${node.providerId}`),
    )
  })

  it('are refused where nobody could connect to this node', async (t) => {
    const refuses = (entry: string, pattern: RegExp) =>
      assert.throws(
        () => announce(['/ip4/192.0.2.1/tcp/1', entry], newIdentity().providerId),
        (error: Error) => error instanceof StartError && pattern.test(error.message),
      )
    refuses('/ip4/192.0.2.1/udp/1', /p2p\.announce: entry 2, .*no address of a TCP port.*Allowed are/)
    refuses('/ip4/0.0.0.0/tcp/9000', /nobody can connect to 0\.0\.0\.0/)
    refuses('/ip4/192.0.2.1/tcp/0', /port 0/)
    refuses(`/ip4/192.0.2.1/tcp/1/p2p/${newIdentity().providerId}`, /names another node/)
    const node = makeNode(t, { config: { announce: [`/ip4/192.0.2.1/tcp/1/p2p/${newIdentity().providerId}`] } })
    await assert.rejects(node.network.start(), StartError)
  })
})

describe('IPv6', { skip: noIPv6 }, () => {
  it('carries requests', async (t) => {
    const b = await startNode(t, { config: { host: '::1' }, handlers: { onCellRequest: () => '[]' } })
    assert.match(b.network.addresses.join(), /^\/ip6\/::1\/tcp\/\d+\/p2p\//)
    const a = await startNode(t, { config: { host: '::1' }, seeds: b.network.addresses })
    await connectedTo(a, b.providerId)
    assert.deepEqual((await a.network.request(b.providerId, 'cell_request', askFor('x'), within())).cells, [])
  })

  it('and IPv4 are both listened on at ::', async (t) => {
    const node = await startNode(t, { config: { host: '::' } })
    for (const wanted of ['/ip4/127.0.0.1/', '/ip6/::1/']) {
      const address = node.network.addresses.find((address) => address.startsWith(wanted))
      assert.ok(address, node.network.addresses.join())
      const peer = await startNode(t, { seeds: [address] })
      await connectedTo(peer, node.providerId)
    }
  })

  it('addresses are seeds in brackets', async (t) => {
    const b = await startNode(t, { config: { host: '::1' } })
    const port = b.network.addresses[0]!.split('/')[4]!
    const a = await startNode(t, { seeds: [`[::1]:${port}`] })
    await connectedTo(a, b.providerId)
  })
})
