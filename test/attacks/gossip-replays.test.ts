import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { RPC } from '@libp2p/gossipsub/message'
import type { Announcement } from '../../protocol/announcement.ts'
import { signAnnouncement } from '../../src/domain/federation/announcement.ts'
import { newIdentity } from '../network/nodes.ts'
import { NETWORK, newPublisher, temporaryFolder } from '../support/cells.ts'
import { eventually, gossipNode, hostileGossip, introduce, topicId } from '../support/gossip-nodes.ts'
import { knowsProviders, type NodeInProcess, nextEvent, nodeInProcess } from '../support/node-pairs.ts'

const ANNOUNCEMENTS = topicId('announcements')
const alice = newPublisher()

/** What a node announces, some time later each time. */
function announcement(who: ReturnType<typeof newIdentity>, later: number, cells: 0 | 1): Announcement {
  const sequence = Date.now() + later
  return signAnnouncement(who.identity, NETWORK, {
    provider_id: who.providerId,
    page: 0,
    sequence,
    expires_at: sequence + 600_000,
    addresses: [],
    cells: Array.from({ length: cells }, () => ({
      manifest_digest: '1'.repeat(64),
      publisher: alice.publisher,
      cell_type: 'parser',
      version: '1.0.0',
      capabilities: [{ name: 'parse', version: '1.0.0' }],
    })),
  })
}

const bytesOf = (value: object): Uint8Array => Buffer.from(JSON.stringify(value))
const ofNode = ({ node }: NodeInProcess) => ({ providerId: node.providerId, addresses: node.addresses })

/** A whole node, a bystander that hears what it relays, and a hostile peer. */
async function besieged(t: TestContext, dataDir: string) {
  const target = await nodeInProcess(t, { dataDir })
  const heard: string[] = []
  const bystander = await gossipNode(t, (bytes, from) => {
    // The hostile peer may have found the bystander, and told it by itself.
    if (from === target.node.providerId) heard.push(Buffer.from(bytes).toString())
    return 'accept'
  })
  await introduce(bystander, ofNode(target))
  const enemy = await hostileGossip(t)
  enemy.router.subscribe(ANNOUNCEMENTS)
  await introduce(enemy, ofNode(target))
  await eventually(bystander.router, () => bystander.router.mesh.get(ANNOUNCEMENTS)?.has(target.node.providerId))
  const score = (): number =>
    target.node.peers().peers.find((peer) => peer.provider_id === enemy.providerId)?.peer_score.score ?? 0
  return { target, heard, enemy, score }
}

describe('announcements that are not as they should be', () => {
  it('are not relayed when another than the author publishes them, or the signature is wrong', async (t) => {
    const { target, heard, enemy, score } = await besieged(t, `${await temporaryFolder(t)}/data`)
    const victim = newIdentity(NETWORK)
    const stolen = announcement(victim, 0, 1)
    const refused: string[] = []
    target.node.events.on('announcement_refused', ({ reason }) => refused.push(reason))
    await enemy.router.publish(ANNOUNCEMENTS, bytesOf(stolen))
    await enemy.router.publish(ANNOUNCEMENTS, bytesOf({ ...announcement(enemy.identity, 0, 1), page: 1 }))
    await eventually(enemy.router, () => refused.length === 2)
    assert.deepEqual(refused.sort(), ['author', 'signature'])
    assert.equal(score(), 90)
    assert.equal(target.node.peers().known_providers, 0)
    assert.deepEqual(heard, [])
  })

  it('are ignored when they are replayed: at once, after a restart, and where newer ones are known', async (t) => {
    const dataDir = `${await temporaryFolder(t)}/data`
    const { target, enemy, score } = await besieged(t, dataDir)
    const origin = await hostileGossip(t)
    await introduce(origin, ofNode(target))
    const first = announcement(origin.identity, -5000, 1)
    const second = announcement(origin.identity, 0, 0)
    for (const page of [first, second]) {
      const received = nextEvent(target.node, 'announcement_received')
      await origin.router.publish(ANNOUNCEMENTS, bytesOf(page))
      await received
    }
    const said = (): RPC.Message[] => enemy.heard.filter(({ data }) => data?.length === bytesOf(first).length)
    await eventually(enemy.router, () => said().length > 0)
    const [recorded] = said()
    assert.ok(recorded)

    const received: number[] = []
    const listen = ({ node }: NodeInProcess): void => {
      node.events.on('announcement_received', ({ sequence }) => received.push(sequence))
    }
    listen(target)
    const replay = async (to: NodeInProcess): Promise<void> => {
      enemy.router.sendRpc(to.node.providerId, { subscriptions: [], messages: [recorded] })
      // What comes behind it on the same stream was taken, so it was too.
      const after = nextEvent(to.node, 'announcement_received', ({ providerId }) => providerId === enemy.providerId)
      await enemy.router.publish(ANNOUNCEMENTS, bytesOf(announcement(enemy.identity, 2000 * received.length, 1)))
      await after
      assert.equal(received.includes(first.sequence), false)
    }
    await replay(target)
    assert.ok(score() >= 100, 'a replay may be a mistake')

    await target.stop()
    const again = await nodeInProcess(t, { dataDir })
    listen(again)
    await introduce(enemy, ofNode(again))
    await replay(again)

    const other = await nodeInProcess(t, { seeds: again.node.addresses })
    await knowsProviders(other.node, 1)
    listen(other)
    await introduce(enemy, ofNode(other))
    await replay(other)
  })
})
