import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import { StartError } from '../../src/kernel/base/errors.ts'
import { parseSeed } from '../../src/network/seeds.ts'
import { connectedTo, makeNode, newIdentity, startNode, within } from './nodes.ts'

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

describe('seeds', () => {
  const id = newIdentity().providerId

  it('are read in every documented form', () => {
    const forms: Record<string, string> = {
      '/ip4/10.0.0.1/tcp/9000': '/ip4/10.0.0.1/tcp/9000',
      [`/ip4/10.0.0.1/tcp/9000/p2p/${id}`]: `/ip4/10.0.0.1/tcp/9000/p2p/${id}`,
      '/dns4/seed.example.org/tcp/9000': '/dns4/seed.example.org/tcp/9000',
      'tcp://10.0.0.1:9000': '/ip4/10.0.0.1/tcp/9000',
      '10.0.0.1:9000': '/ip4/10.0.0.1/tcp/9000',
      'seed.example.org:9000': '/dns4/seed.example.org/tcp/9000',
      'tcp://localhost:9000': '/dns4/localhost/tcp/9000',
      '[::1]:9000': '/ip6/::1/tcp/9000',
      'tcp://[2001:db8::1]:9000': '/ip6/2001:db8::1/tcp/9000',
    }
    for (const [text, address] of Object.entries(forms)) assert.equal(parseSeed(text).toString(), address)
  })

  it('that are malformed are refused, with what was found and what is allowed', () => {
    const wrong = [
      '',
      'nonsense',
      'http://a:1',
      'host:',
      'host:0',
      'host:65536',
      '::1:9000',
      '[127.0.0.1]:1',
      '300.1.1.1:9000',
      'a b:1',
      '-x:1',
      '/ip4/10.0.0.1',
      '/ip4/10.0.0.1/udp/1',
      '/ip4/10.0.0.1/tcp/9000/p2p/abc',
      '/ip4/10.0.0.1/tcp/9000/p2p-circuit',
      '/unix/tmp/socket',
    ]
    for (const text of wrong) {
      assert.throws(
        () => parseSeed(text),
        (error) =>
          error instanceof StartError && error.message.includes(`"${text}"`) && error.message.includes('host:port'),
        text,
      )
    }
  })

  it('stop a node from being made when malformed', (t) => {
    assert.throws(() => makeNode(t, { seeds: ['nonsense'] }), StartError)
  })

  it('that appear later are connected, and again after they were lost', async (t) => {
    const port = await freePort()
    const identity = newIdentity()
    const a = await startNode(t, { seeds: [`127.0.0.1:${port}`] })
    const { signal } = within(20_000)
    while (a.network.seeds()[0]?.lastError === null) {
      signal.throwIfAborted()
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.deepEqual(a.network.connectedPeers(), [])
    assert.equal(a.network.seeds()[0]?.connected, false)
    const seed = await startNode(t, { identity, port })
    await connectedTo(a, identity.providerId)
    const [state] = a.network.seeds()
    assert.equal(state?.connected, true)
    assert.equal(state?.lastError, null)
    assert.ok((state?.attempts ?? 0) >= 2)
    assert.equal(a.network.connectedPeers()[0]?.seed, true)

    const lost = new Promise<void>((resolve) => a.events.on('peer_disconnected', () => resolve()))
    await seed.network.stop()
    await lost
    await startNode(t, { identity, port })
    await connectedTo(a, identity.providerId)
  })

  it('that are the node itself are dropped', async (t) => {
    const port = await freePort()
    const identity = newIdentity()
    const a = await startNode(t, {
      identity,
      port,
      seeds: [`127.0.0.1:${port}`, `/ip4/127.0.0.1/tcp/1/p2p/${identity.providerId}`],
    })
    const { signal } = within(20_000)
    while (a.network.seeds().length > 0) {
      signal.throwIfAborted()
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.deepEqual(a.network.connectedPeers(), [])
  })
})
