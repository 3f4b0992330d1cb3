import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import type { Judge } from '../../src/network/network.ts'
import { addressesOf, eventually, gossipNode, hostileGossip, introduce, topicId } from '../support/gossip-nodes.ts'

const ANNOUNCEMENTS = topicId('announcements')

/** A node with an honest peer and a hostile one, which both know it. */
async function besieged(t: TestContext) {
  const heard: string[] = []
  const judge: Judge = (bytes) => {
    heard.push(Buffer.from(bytes).toString('latin1'))
    return 'accept'
  }
  const target = await gossipNode(t, judge)
  const friend = await gossipNode(t)
  const enemy = await hostileGossip(t)
  await introduce(friend, addressesOf(target))
  enemy.router.subscribe(ANNOUNCEMENTS)
  await introduce(enemy, addressesOf(target))
  await eventually(target.router, () => target.router.mesh.get(ANNOUNCEMENTS)?.has(friend.providerId) === true)
  const send = (exchange: Parameters<typeof enemy.router.sendRpc>[1]): boolean =>
    enemy.router.sendRpc(target.providerId, exchange)
  /** What the honest peer publishes still arrives, and its score did not suffer. */
  const isUnharmed = async (): Promise<void> => {
    const text = `honest ${heard.length}`
    await friend.gossip.publish('announcements', Buffer.from(text))
    await eventually(target.router, () => heard.includes(text))
    assert.ok(target.scores.of(friend.providerId).score >= 100)
  }
  const isCutOff = (): boolean => target.scores.of(enemy.providerId).score < 30
  return { target, friend, enemy, send, heard, isUnharmed, isCutOff }
}

const control = (entries: object) => ({
  subscriptions: [],
  messages: [],
  control: { ihave: [], iwant: [], graft: [], prune: [], idontwant: [], ...entries },
})

/** Sends until the peer is cut off, as much as the stream takes. */
async function flood(cutOff: () => boolean, send: () => boolean): Promise<number> {
  for (let sent = 0; ; sent++) {
    if (cutOff() || !send()) return sent
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('floods of gossip', { concurrency: 4 }, () => {
  it('of subscriptions are bounded, and end with the peer cut off', async (t) => {
    const { target, send, isUnharmed, isCutOff } = await besieged(t)
    const flooded = flood(isCutOff, () =>
      send({
        subscriptions: Array.from({ length: 100 }, (_, i) => ({
          subscribe: true,
          topic: i % 2 === 0 ? randomBytes(64).toString('hex') : topicId(`goal/${randomBytes(32).toString('hex')}`),
        })),
        messages: [],
      }),
    )
    await isUnharmed()
    await flooded
    assert.ok(target.router.topics.size < 150, `${target.router.topics.size} topics`)
    assert.equal(isCutOff(), true)
    await isUnharmed()
  })

  it('of GRAFT and PRUNE end with the peer out of the mesh, and cut off', async (t) => {
    const { target, enemy, send, isUnharmed, isCutOff } = await besieged(t)
    const topics = Array.from({ length: 100 }, () => ({ topicID: ANNOUNCEMENTS }))
    const flooded = flood(isCutOff, () => send(control({ graft: topics, prune: topics })))
    await isUnharmed()
    await flooded
    assert.equal(isCutOff(), true)
    await eventually(target.router, () => target.router.mesh.get(ANNOUNCEMENTS)?.has(enemy.providerId) === false)
    await isUnharmed()
  })

  it('of GRAFT below the limit cost the behaviour score instead', async (t) => {
    const { target, enemy, send, isUnharmed } = await besieged(t)
    send(control({ prune: [{ topicID: ANNOUNCEMENTS, peers: [], backoff: 60 }] }))
    for (let i = 0; i < 12; i++) send(control({ graft: [{ topicID: ANNOUNCEMENTS }] }))
    await eventually(target.router, () => target.router.getScore(enemy.providerId) < 0)
    assert.equal(target.router.mesh.get(ANNOUNCEMENTS)?.has(enemy.providerId), false)
    await isUnharmed()
  })

  it('of IHAVE and IWANT end with the peer cut off', async (t) => {
    const { target, send, isUnharmed, isCutOff } = await besieged(t)
    const messageIDs = Array.from({ length: 100 }, () => randomBytes(44))
    const ihave = Array.from({ length: 50 }, () => ({ topicID: ANNOUNCEMENTS, messageIDs }))
    const iwant = Array.from({ length: 50 }, () => ({ messageIDs }))
    const flooded = flood(isCutOff, () => send(control({ ihave, iwant })))
    await isUnharmed()
    await flooded
    assert.equal(isCutOff(), true)
    assert.ok(target.scores.of(target.providerId).score === 100)
    await isUnharmed()
  })

  it('of ids that are no ids leave nothing behind', async (t) => {
    const { target, enemy, send, isUnharmed } = await besieged(t)
    for (let i = 0; i < 5; i++) {
      send(control({ idontwant: [{ messageIDs: Array.from({ length: 50 }, () => randomBytes(16_384)) }] }))
    }
    send(control({ idontwant: [{ messageIDs: [randomBytes(44)] }] }))
    await eventually(target.router, () => target.router.idontwants.get(enemy.providerId)?.size === 1)
    await isUnharmed()
  })

  it('of messages, however valid, are cut off by author; one a peer passes on for others is not its fault', async (t) => {
    const { target, enemy, heard, isUnharmed, isCutOff } = await besieged(t)
    for (let i = 0; !isCutOff(); i++) {
      await enemy.router.publish(ANNOUNCEMENTS, Buffer.from(`spam ${i}`))
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const spam = heard.filter((text) => text.startsWith('spam')).length
    assert.ok(spam >= 256, 'its burst is taken')
    assert.ok(spam < 256 + 100 * 60, `${spam} were judged`)
    await isUnharmed()
    assert.equal(target.scores.isBanned(enemy.providerId), false, 'too much is not a lie')
  })

  it('of messages that are too long, or of topics that the node is not in, are not looked at', async (t) => {
    const { target, enemy, heard, send, isUnharmed } = await besieged(t)
    const topic = topicId(`goal/${'0'.repeat(64)}`)
    send({ subscriptions: [], messages: [{ topic, data: randomBytes(10), signature: randomBytes(64) }] })
    send({ subscriptions: [], messages: [{ topic: ANNOUNCEMENTS, data: Buffer.alloc(200 * 1024) }] })
    await eventually(target.router, () => target.scores.of(enemy.providerId).score <= 95)
    assert.deepEqual(heard, [])
    assert.equal(target.scores.of(enemy.providerId).score, 95, 'the size costs, the topic does not')
    await isUnharmed()
  })

  it('of messages that nobody signed are soon ignored, and ban the peer when it comes back for more', async (t) => {
    const { target, enemy, heard, send, isUnharmed } = await besieged(t)
    const from = enemy.host.peerId.toMultihash().bytes
    const forge = (): boolean =>
      send({
        subscriptions: [],
        messages: [
          {
            topic: ANNOUNCEMENTS,
            data: Buffer.from('forged'),
            from,
            seqno: randomBytes(8),
            signature: randomBytes(64),
          },
        ],
      })
    for (let round = 0; round < 30 && !target.scores.isBanned(enemy.providerId); round++) {
      for (let i = 0; i < 5; i++) forge()
      // What follows is not even looked at, until it comes back.
      await new Promise((resolve) => target.router.addEventListener('gossipsub:heartbeat', resolve, { once: true }))
      await enemy.host.hangUp(target.host.peerId)
      await introduce(enemy, addressesOf(target)).catch(() => undefined)
    }
    assert.equal(target.scores.isBanned(enemy.providerId), true)
    await enemy.host.dial(target.host.getMultiaddrs()).catch(() => undefined)
    await eventually(target.router, () => target.host.getConnections(enemy.host.peerId).length === 0)
    assert.deepEqual(heard, [])
    await isUnharmed()
  })
})
