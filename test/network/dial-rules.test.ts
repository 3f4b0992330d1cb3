import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { type AddressRange, rangeOfHost } from '../../src/kernel/egress/address-range.ts'
import { DialRules } from '../../src/network/dial-rules.ts'
import { askFor, connectedTo, newIdentity, startNode, within } from './nodes.ts'

const at = (host: string, port = 9000) => multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port}`)

describe('dial rules', () => {
  it('know the ranges of addresses', () => {
    const ranges: Record<string, AddressRange> = {
      '127.0.0.1': 'loopback',
      '::1': 'loopback',
      '::ffff:127.0.0.1': 'loopback',
      '10.1.2.3': 'private:10',
      '172.31.0.1': 'private:172.16',
      '172.32.0.1': 'public',
      '192.168.1.1': 'private:192.168',
      '::ffff:192.168.1.1': 'private:192.168',
      '100.64.0.1': 'private:100.64',
      '169.254.169.254': 'private:link-local',
      'fe80::1': 'private:link-local',
      'fd00::1': 'private:unique-local',
      '0.0.0.0': 'special',
      '224.0.0.1': 'special',
      '255.255.255.255': 'special',
      '::': 'special',
      '64:ff9b::7f00:1': 'special',
      '2002:7f00:1::1': 'special',
      '::7f00:1': 'special',
      '::ffff:7f00:1': 'loopback',
      '0:0:0:0:0:ffff:a00:1': 'private:10',
      '::ffff:8.8.8.8': 'public',
      localhost: 'special',
      '8.8.8.8': 'public',
      '2606:4700::1111': 'public',
    }
    for (const [host, range] of Object.entries(ranges)) assert.equal(rangeOfHost(host), range, host)
  })

  it('allow private addresses from configuration, by approval, or while a connection in that range is open', () => {
    const open: AddressRange[] = []
    const rules = new DialRules(() => open)
    const address = at('192.168.1.5')
    assert.equal(rules.denies(address), true)
    open.push('loopback')
    assert.equal(rules.denies(address), true)
    open.push('private:192.168')
    assert.equal(rules.denies(address), false)
    open.length = 0
    rules.approve(address)
    assert.equal(rules.denies(address), false)
    assert.equal(rules.denies(at('192.168.1.5', 22)), true)
    rules.configure(at('10.0.0.1'))
    assert.equal(rules.denies(at('10.0.0.1')), false)
    assert.equal(rules.denies(at('8.8.8.8')), false)
    for (const other of [
      '/dns4/example.org/tcp/1',
      '/ip4/8.8.8.8/udp/1',
      '/ip4/0.0.0.0/tcp/1',
      '/ip4/8.8.8.8/tcp/1/p2p-circuit',
    ]) {
      assert.equal(rules.denies(multiaddr(other)), true, other)
    }
  })

  it('allow ten dials per minute to one address, over all peers and ports; asking does not count', () => {
    let now = 0
    const rules = new DialRules(
      () => ['loopback'],
      () => now,
    )
    const peers = [newIdentity(), newIdentity()]
    const dial = (host: string, port = 9000) =>
      peers.map(({ providerId }) => {
        const address = at(host, port).encapsulate(`/p2p/${providerId}`)
        return !rules.denies(address) && rules.count(address)
      })
    for (let i = 0; i < 100; i++) assert.equal(rules.denies(at('8.8.8.8')), false)
    for (let i = 0; i < 5; i++) assert.deepEqual(dial('8.8.8.8', 9000 + i), [true, true])
    assert.deepEqual(dial('8.8.8.8'), [false, false])
    assert.equal(rules.count(at('8.8.8.8')), false)
    assert.equal(rules.denies(at('::ffff:8.8.8.8')), true)
    assert.equal(rules.denies(at('::ffff:808:808')), true)
    assert.equal(rules.denies(at('8.8.8.8', 22)), true)
    assert.equal(rules.denies(at('8.8.4.4')), false)
    for (let i = 0; i < 5; i++) dial(`2606:4700:1:2::${i}`)
    assert.equal(rules.denies(at('2606:4700:1:2:3::1')), true)
    assert.equal(rules.denies(at('2606:4700:1:3::1')), false)
    // One machine may have many nodes.
    for (let i = 0; i < 5; i++) dial('127.0.0.1')
    assert.equal(rules.denies(at('127.0.0.1')), true)
    assert.equal(rules.denies(at('127.0.0.1', 9001)), false)
    now = 60_001
    assert.deepEqual(dial('8.8.8.8'), [true, true])
  })

  it('bound what a flood of forged records makes a node do to one victim', async (t) => {
    let connections = 0
    const victim = createServer((socket) => {
      connections++
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(victim, 'listening')
    t.after(() => victim.close())
    const { port } = victim.address() as AddressInfo
    const liar = await startNode(t)
    const a = await startNode(t, { seeds: liar.network.addresses })
    await connectedTo(a, liar.providerId)
    const tried = Array.from({ length: 200 }, async () => {
      const { providerId } = newIdentity()
      await a.network.addAddresses(providerId, [`/ip4/127.0.0.1/tcp/${port}`], liar.providerId)
      await assert.rejects(a.network.connect(providerId, AbortSignal.timeout(10_000)))
    })
    await Promise.all(tried)
    assert.equal(connections, 10)
  })

  it('are for a relay what they are for its address, where relays are used', () => {
    const [relay, peer] = [newIdentity().providerId, newIdentity().providerId]
    const through = (host: string, more = '') => multiaddr(`${at(host)}/p2p/${relay}/p2p-circuit/p2p/${peer}${more}`)
    const without = new DialRules(() => [])
    const open: AddressRange[] = []
    const rules = new DialRules(() => open, Date.now, true)
    assert.equal(without.denies(through('8.8.8.8')), true)
    assert.equal(rules.denies(through('8.8.8.8')), false)
    assert.equal(rules.denies(through('192.168.1.5')), true)
    assert.equal(rules.denies(through('0.0.0.0')), true)
    open.push('private:192.168')
    assert.equal(rules.denies(through('192.168.1.5')), false)
    const next = newIdentity().providerId
    for (const address of [
      `/p2p/${relay}/p2p-circuit/p2p/${peer}`,
      `${at('8.8.8.8')}/p2p-circuit/p2p/${peer}`,
      `${at('8.8.8.8')}/p2p/${relay}/p2p-circuit`,
      `/ip4/8.8.8.8/udp/1/p2p/${relay}/p2p-circuit/p2p/${peer}`,
      String(through('8.8.8.8', `/p2p-circuit/p2p/${next}`)),
    ]) {
      assert.equal(rules.denies(multiaddr(address)), true, address)
    }
    const fresh = new DialRules(() => [], Date.now, true)
    for (let i = 0; i < 10; i++) assert.equal(fresh.count(through('8.8.8.8')), true)
    assert.equal(fresh.count(through('1.1.1.1')), false)
    assert.equal(fresh.denies(through('1.1.1.1')), true)
  })

  it('keep a node from dialling loopback because of a record from elsewhere', async (t) => {
    const b = await startNode(t)
    const a = await startNode(t)
    const stranger = newIdentity().providerId
    const ask = () => a.network.request(b.providerId, 'cell_request', askFor('x'), within())
    await a.network.addAddresses(b.providerId, b.network.addresses, stranger)
    await assert.rejects(ask())
    await a.network.addAddresses(b.providerId, ['not a multiaddr', `/ip4/1.2.3.4/tcp/1/p2p/${stranger}`])
    await assert.rejects(ask())
    // A third node on loopback may introduce it.
    const c = await startNode(t)
    await a.network.addAddresses(c.providerId, c.network.addresses)
    await a.network.request(c.providerId, 'cell_request', askFor('x'), within())
    await a.network.addAddresses(b.providerId, b.network.addresses, c.providerId)
    await ask()
  })
})
