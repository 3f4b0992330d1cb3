import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { DialRules } from '../../../src/network/dial-rules.ts'
import { createHost, startHost } from '../../../src/network/host.ts'
import { PeerError } from '../../../src/network/peer-error.ts'
import { askFor, connectedTo, newIdentity, startNode, type TestNode, within } from '../nodes.ts'

const isBusy = (error: unknown): boolean => error instanceof PeerError && error.code === 'busy'

/** Resolves when a node has lost its last connection to a peer. */
const lost = (node: TestNode, peer: string): Promise<void> =>
  new Promise((resolve) => {
    const off = node.events.on('peer_disconnected', ({ providerId }) => {
      if (providerId !== peer) return
      off()
      resolve()
    })
  })

const ask = (from: TestNode, to: TestNode) =>
  from.network.request(to.providerId, 'cell_request', askFor('parse'), within())

describe('a banned peer', () => {
  it('is disconnected, neither answered nor dialled nor let in, until the ban is lifted', async (t) => {
    const b = await startNode(t)
    const a = await startNode(t)
    await a.network.addAddresses(b.providerId, b.network.addresses)
    await b.network.addAddresses(a.providerId, a.network.addresses)
    await ask(a, b)
    await Promise.all([connectedTo(b, a.providerId), connectedTo(a, b.providerId)])

    const gone = Promise.all([lost(a, b.providerId), lost(b, a.providerId)])
    await b.network.scores.ban(a.providerId, 'a test')
    await gone
    await assert.rejects(ask(a, b), 'it is not let in')
    await assert.rejects(ask(b, a), 'it is not asked')
    await assert.rejects(b.network.connect(a.providerId, within().signal), 'it is not dialled')
    assert.deepEqual(b.network.connectedPeers(), [])

    assert.equal(await b.network.scores.unban(a.providerId), true)
    assert.deepEqual((await ask(a, b)).cells, [])
    assert.deepEqual((await ask(b, a)).cells, [])
  })

  it('is not reached through an address that does not name it either', async (t) => {
    const b = await startNode(t)
    const { identitySeed } = newIdentity()
    const host = await createHost({
      ...b.init,
      identitySeed,
      dialRules: new DialRules(() => ['loopback']),
      scores: {
        isBanned: (peer) => peer === b.providerId,
        bannedIn: () => 0,
        of: () => ({ score: 0, banned: true, trusted: false }),
      },
    })
    await startHost(host, b.init.config)
    t.after(() => host.stop())
    const [address = ''] = b.network.addresses
    await assert.rejects(host.dial(multiaddr(address.replace(/\/p2p\/.*/, ''))))
    assert.deepEqual(host.getConnections(), [])
  })

  it('is one whose score fell too low as well, after it was disconnected', async (t) => {
    const b = await startNode(t)
    const a = await startNode(t, { seeds: b.network.addresses })
    await Promise.all([connectedTo(a, b.providerId), connectedTo(b, a.providerId)])
    const gone = Promise.all([lost(b, a.providerId), lost(a, b.providerId)])
    for (let i = 0; i < 4; i++) b.network.scores.record(a.providerId, 'protocol_violation')
    await gone
    assert.deepEqual(b.network.scores.of(a.providerId), { score: 20, banned: false, trusted: false })
    assert.deepEqual((await ask(a, b)).cells, [], 'it may come back')
    b.network.scores.record(a.providerId, 'protocol_violation')
    assert.equal(b.network.scores.isBanned(a.providerId), true)
  })
})

describe('the limits of a peer', () => {
  it('refuse what is too much, which costs score once a second', async (t) => {
    const b = await startNode(t, { config: { requests_per_second: 5 } })
    const a = await startNode(t, { seeds: b.network.addresses })
    await connectedTo(a, b.providerId)
    const answers = await Promise.allSettled(Array.from({ length: 40 }, () => ask(a, b)))
    const refused = answers.filter((answer) => answer.status === 'rejected')
    assert.ok(refused.length >= 30, `${refused.length} refused`)
    for (const { reason } of refused) assert.ok(isBusy(reason), String(reason))
    const { score } = b.network.scores.of(a.providerId)
    assert.ok(score < 100 && score >= 70, `${score}: not for each of them`)
  })

  it('are kept by a node that catches up as fast as it can', async (t) => {
    const b = await startNode(t)
    const a = await startNode(t, { seeds: b.network.addresses })
    await connectedTo(a, b.providerId)
    for (let i = 0; i < 60; i++) await a.network.request(b.providerId, 'announcements_request', {}, within())
    assert.equal(b.network.scores.of(a.providerId).score, 100)
  })

  it('count a request of another form against the peer', async (t) => {
    const b = await startNode(t)
    const a = await startNode(t, { seeds: b.network.addresses })
    await connectedTo(a, b.providerId)
    await assert.rejects(
      a.network.request(b.providerId, 'cell_request', { ...askFor('x'), limit: 1000 }, within()),
      (error) => error instanceof PeerError && error.code === 'bad_request',
    )
    assert.equal(b.network.scores.of(a.providerId).score, 95)
  })
})
