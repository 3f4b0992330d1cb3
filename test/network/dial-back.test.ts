import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { connectedTo, makeNode, newIdentity, startNode, type TestNode, type TestNodeOptions, within } from './nodes.ts'

const portOf = ({ network }: TestNode): number => Number(network.addresses[0]?.split('/')[4])

/** Two connected nodes: the second is asked to dial the first. */
async function pair(t: TestContext, options: TestNodeOptions = {}) {
  const asked = await startNode(t)
  const node = await startNode(t, { ...options, seeds: asked.network.addresses })
  await Promise.all([connectedTo(asked, node.providerId), connectedTo(node, asked.providerId)])
  const dialBack = (port = portOf(node)) => asked.network.dialBack(node.providerId, port)
  return { asked, node, dialBack }
}

/** A server that answers connections with `bytes` and closes them. */
async function listener(t: TestContext, bytes: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.end(bytes)
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  return (server.address() as { port: number }).port
}

describe('a dial-back', () => {
  it('goes as far as the handshake, over a connection of its own that is closed again', async (t) => {
    const { asked, node, dialBack } = await pair(t)
    assert.deepEqual(await dialBack(), { ok: true, address: `/ip4/127.0.0.1/tcp/${portOf(node)}` })
    const connections = () =>
      asked.network.connectedPeers().find(({ providerId }) => providerId === node.providerId)?.addresses.length
    while (connections() !== 1) await new Promise(setImmediate)
    assert.equal((await dialBack()).ok, true)
  })

  it('disturbs nothing that goes on between the two', async (t) => {
    const bytes = Buffer.alloc(24 * LIMITS.chunkBytes, 'bytes')
    const holder = {
      openPackage: async () => ({
        size: bytes.length,
        chunkSize: LIMITS.chunkBytes,
        async *read() {
          for (let at = 0; at < bytes.length; at += LIMITS.chunkBytes) yield bytes.subarray(at, at + LIMITS.chunkBytes)
        },
        close: async () => undefined,
      }),
    }
    const { asked, node, dialBack } = await pair(t, { handlers: holder })
    const receive = async () => {
      let received = 0
      const digest = `sha256:${'0'.repeat(64)}`
      const ranges = [{ from: 0, to: Math.ceil(bytes.length / LIMITS.chunkBytes), bytes: bytes.length }]
      const parts = asked.network.fetchPackage(node.providerId, digest, () => ranges.pop(), within())
      for await (const part of parts) received += part.length
      return received
    }
    const [answer, ...received] = await Promise.all([dialBack(), receive(), receive()])
    assert.equal(answer.ok, true)
    assert.deepEqual(received, [bytes.length, bytes.length])
    const ask = () =>
      asked.network.request(
        node.providerId,
        'yank_request',
        { cells: [{ manifest_digest: 'a'.repeat(64), publisher: 'b'.repeat(64) }] },
        within(),
      )
    await Promise.all([dialBack(), ask(), ask()])
  })

  it('says that nothing listens', async (t) => {
    const { dialBack } = await pair(t)
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    assert.deepEqual(await dialBack(port), {
      ok: false,
      address: `/ip4/127.0.0.1/tcp/${port}`,
      stage: 'connect',
      reason: 'nothing listens there',
    })
  })

  it('tells nothing of other software at the port', async (t) => {
    const { dialBack } = await pair(t)
    for (const bytes of ['', 'SSH-2.0-Secret_1.0\r\n']) {
      const { stage, reason } = await dialBack(await listener(t, bytes))
      assert.deepEqual([stage, reason], ['encrypt', 'what answers there is no node'])
    }
  })

  it('tells another node from the one that asks, and another network from its own', async (t) => {
    const { dialBack } = await pair(t)
    const { stage, reason } = await dialBack(portOf(await startNode(t)))
    assert.deepEqual([stage, reason], ['encrypt', 'another node answers there'])

    const identity = newIdentity()
    const second = await pair(t, { identity })
    const elsewhere = await startNode(t, {
      identity: { ...identity, wire: newIdentity('other').wire },
      networkName: 'other',
    })
    const other = await second.dialBack(portOf(elsewhere))
    assert.deepEqual(
      [other.stage, other.reason],
      ['protocol', 'what answers there does not speak the protocol of this network'],
    )
  })

  it('is refused to a peer that asks too often, and to an address over all its peers', async (t) => {
    const { asked, node, dialBack } = await pair(t)
    const refusedAfter = async (ask: () => ReturnType<typeof dialBack>) => {
      for (let times = 0; ; times++) if ((await ask()).stage === 'refused') return times
    }
    assert.equal(await refusedAfter(dialBack), LIMITS.dialBacksPerPeer)
    let left = LIMITS.dialBacksPerAddress - LIMITS.dialBacksPerPeer
    while (left > 0) {
      const other = await startNode(t, { seeds: asked.network.addresses })
      await connectedTo(asked, other.providerId)
      left -= await refusedAfter(() => asked.network.dialBack(other.providerId, portOf(other)))
    }
    assert.equal(left, 0)
    const last = await startNode(t, { seeds: asked.network.addresses })
    await connectedTo(asked, last.providerId)
    const { stage, reason } = await asked.network.dialBack(last.providerId, portOf(node))
    assert.deepEqual([stage, reason], ['refused', 'your address was dialled often in the last minute'])
  })

  it('is refused to a peer behind a relay: its address is not known', async (t) => {
    const relay = await startNode(t, { config: { relay: 'server' } })
    const hidden = await startNode(t, {
      seeds: relay.network.addresses,
      config: { relay: 'client', listen: ['/p2p-circuit'] },
    })
    await new Promise<void>((resolve) => hidden.events.on('addresses_changed', () => resolve()))
    const asked = makeNode(t, { config: { relay: 'client' }, seeds: relay.network.addresses })
    await asked.network.start()
    await connectedTo(asked, relay.providerId)
    await asked.network.addAddresses(hidden.providerId, hidden.network.addresses, relay.providerId)
    await asked.network.connect(hidden.providerId, AbortSignal.timeout(10_000))
    const answer = await asked.network.dialBack(hidden.providerId, 1)
    assert.equal(answer.stage, 'refused')
    assert.equal(answer.address, undefined)
  })
})
