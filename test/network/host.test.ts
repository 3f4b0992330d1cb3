import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memory } from '@libp2p/memory'
import { plaintext } from '@libp2p/plaintext'
import { Registry } from 'prom-client'
import { DialRules } from '../../src/network/dial-rules.ts'
import { createHost, startHost } from '../../src/network/host.ts'
import { NETWORK, newIdentity, silentLogger, testP2p } from './nodes.ts'

async function hostOf(t: TestContext, name: string) {
  const config = testP2p()
  const host = await createHost({
    network: NETWORK,
    identitySeed: newIdentity().identitySeed,
    config,
    logger: silentLogger,
    metrics: { registry: new Registry() },
    dialRules: new DialRules(() => ['loopback']),
    wiring: { transports: [memory()], connectionEncrypters: [plaintext()], listen: `/memory/${name}` },
  })
  await startHost(host, config)
  t.after(() => host.stop())
  return host
}

test('a connection bears the pings of a minute that wait behind package bytes, and those of the DHT', async (t) => {
  const [a, b] = [await hostOf(t, 'pings-a'), await hostOf(t, 'pings-b')]
  const connection = await a.dial(b.getMultiaddrs()[0]!)
  const times = await Promise.all(Array.from({ length: 8 }, () => a.services.ping.ping(b.peerId)))
  assert.ok(times.every((ms) => ms >= 0))
  assert.equal(connection.status, 'open')
})
