import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Registry } from 'prom-client'
import { DialRules } from '../../src/network/dial-rules.ts'
import { createHost, startHost } from '../../src/network/host.ts'
import { Traffic } from '../../src/network/traffic.ts'
import { NETWORK, newIdentity, silentLogger, testP2p } from './nodes.ts'

/** A host on TCP, with encryption, and what it counts. */
async function countingHost(t: TestContext) {
  const config = testP2p()
  const registry = new Registry()
  const traffic = new Traffic()
  const host = await createHost({
    network: NETWORK,
    identitySeed: newIdentity().identitySeed,
    config,
    logger: silentLogger,
    metrics: { registry },
    dialRules: new DialRules(() => ['loopback']),
    traffic,
  })
  await startHost(host, config)
  t.after(() => host.stop())
  return { host, registry, traffic, of: (peer: { toString(): string }) => traffic.of(peer.toString()) }
}

test('bytes on the wire are counted for each peer, over all its connections, until it leaves', async (t) => {
  const [a, b, c] = [await countingHost(t), await countingHost(t), await countingHost(t)]
  const none = { sent: 0, received: 0 }
  assert.deepEqual(a.of(b.host.peerId), none)
  const [address] = b.host.getMultiaddrs()
  const first = await a.host.dial(address!)
  await a.host.dial(c.host.getMultiaddrs()[0]!)
  const handshake = a.of(b.host.peerId)
  assert.ok(handshake.sent > 0 && handshake.received > 0, JSON.stringify(handshake))

  await b.host.handle('/sink', async (stream) => {
    for await (const _ of stream);
    await stream.close()
  })
  const bytes = 1_000_000
  const send = async () => {
    const stream = await a.host.dialProtocol(b.host.peerId, '/sink')
    for (let sent = 0; sent < bytes; sent += 50_000) if (!stream.send(new Uint8Array(50_000))) await stream.onDrain()
    await stream.close()
    await once(stream, 'close')
  }
  const closing = async () => {
    const [before, other] = [a.of(b.host.peerId), a.of(c.host.peerId)]
    await send()
    const sent = a.of(b.host.peerId).sent - before.sent
    assert.ok(sent >= bytes && sent < bytes * 1.1, `${sent} bytes with encryption, frames and flow control`)
    assert.ok(a.of(c.host.peerId).sent - other.sent < 20_000)
    assert.ok(b.of(a.host.peerId).received > bytes)
  }
  await closing()
  const second = await a.host.dial(address!, { force: true })
  assert.notEqual(second.id, first.id)
  const both = a.of(b.host.peerId)
  assert.ok(both.sent > bytes)
  const gone = once(a.host, 'connection:close')
  await first.close()
  await gone
  assert.ok(a.of(b.host.peerId).sent >= both.sent, 'another connection is open')
  await closing()
  const left = once(a.host, 'peer:disconnect')
  await second.close()
  await left
  assert.deepEqual(a.of(b.host.peerId), none)
  assert.ok(a.of(c.host.peerId).sent > 0)
  assert.match(await a.registry.metrics(), /libp2p_data_transfer_bytes_total\{protocol="global sent"\} [1-9]/)
})
