import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createPeerScoreParams, validatePeerScoreParams } from '@libp2p/gossipsub/score'
import { appScore, busyTopic, followTraffic, peerScoreParams, THRESHOLDS } from '../../src/network/gossip-scoring.ts'
import type { Judge } from '../../src/network/handlers.ts'
import { addressesOf, eventually, gossipNode, hostileGossip, introduce, topicId } from '../support/gossip-nodes.ts'

const ANNOUNCEMENTS = topicId('announcements')
const expectedOf = (deliveries: number[]): number => {
  const params = busyTopic()
  followTraffic(params, deliveries, 4)
  return params.meshMessageDeliveriesThreshold
}

describe('the parameters of gossip scores', () => {
  it('are ones that the library accepts', () => {
    const own = () => ({ score: 100, banned: false })
    validatePeerScoreParams(createPeerScoreParams(peerScoreParams({ topic: busyTopic() }, own)))
  })

  it('let our own score count from 70 down, and a ban for everything', () => {
    const of = (score: number): number => appScore({ score, banned: false })
    assert.deepEqual([of(200), of(70), of(50), of(30)], [0, 0, THRESHOLDS.gossipThreshold, THRESHOLDS.publishThreshold])
    assert.ok(appScore({ score: 200, banned: true }) < THRESHOLDS.graylistThreshold)
  })

  it('expect a tenth of what the median peer delivers, and nothing where that is next to nothing', () => {
    assert.equal(expectedOf([0, 100, 100, 100, 200]), 10)
    assert.equal(expectedOf([0, 0, 0, 0, 500]), 0, 'all of it comes from one side')
    assert.equal(expectedOf([0, 5, 5, 5, 5]), 0, 'it is quiet')
    assert.equal(expectedOf([100, 100, 0]), 0, 'too few to compare')
  })

  it('take who delivers nothing out of the mesh, and no further', () => {
    const params = busyTopic()
    followTraffic(params, [0, 80, 80, 80], 4)
    assert.equal(params.meshMessageDeliveriesThreshold ** 2 * params.meshMessageDeliveriesWeight, -5)
    assert.ok(THRESHOLDS.gossipThreshold < -5)
  })

  it('do not count nodes behind one loopback or private address as colocated', () => {
    const { IPColocationFactorWhitelist: exempt } = peerScoreParams({}, () => ({ score: 100, banned: false }))
    for (const group of ['127.0.0.1', '192.168.1.7', '10.1.2.3', 'fd00:0:0:1', '0:0:0:0']) {
      assert.equal(exempt?.has(group), group !== '0:0:0:0', group)
    }
    for (const group of ['8.8.8.8', '2606:4700:1:2']) assert.equal(exempt?.has(group), false, group)
  })
})

describe('a mesh', () => {
  it('loses who relays nothing and who sends what is invalid, and keeps honest peers', async (t) => {
    const judge: Judge = (bytes) => (bytes[0] === 0 ? 'reject' : 'accept')
    const hub = await gossipNode(t, judge)
    const params = hub.router.score.params.topics[ANNOUNCEMENTS]
    assert.ok(params)
    // A second instead of a minute.
    params.meshMessageDeliveriesActivation = 1000
    const honest = await Promise.all(Array.from({ length: 5 }, () => gossipNode(t, judge)))
    for (const [i, node] of honest.entries()) {
      await introduce(node, addressesOf(hub))
      await introduce(node, addressesOf(honest[(i + 1) % honest.length] ?? hub))
    }
    const freeloader = await hostileGossip(t)
    Object.assign(freeloader.router, { forwardMessage: () => undefined })
    const spammer = await hostileGossip(t)
    const mesh = (): ReadonlySet<string> => hub.router.mesh.get(ANNOUNCEMENTS) ?? new Set()
    for (const enemy of [freeloader, spammer]) {
      enemy.router.subscribe(ANNOUNCEMENTS)
      await introduce(enemy, addressesOf(hub))
    }
    await eventually(hub.router, () => mesh().size === 7)

    let count = 0
    const beat = setInterval(() => {
      for (const node of honest) void node.gossip.publish('announcements', Buffer.from(`honest ${count++}`))
    }, 100)
    t.after(() => clearInterval(beat))
    await spammer.router.publish(ANNOUNCEMENTS, new Uint8Array(10))
    await eventually(hub.router, () => !mesh().has(spammer.providerId))
    await eventually(hub.router, () => !mesh().has(freeloader.providerId))
    const score = hub.router.getScore(freeloader.providerId)
    assert.ok(score < 0 && score >= THRESHOLDS.gossipThreshold, `${score}: it is still told what there is`)
    assert.equal(hub.scores.of(freeloader.providerId).score, 100, 'to relay nothing is no lie')
    const spam = hub.scores.of(spammer.providerId).score
    assert.ok(spam >= 95 && spam < 96, `${spam}: five for one invalid message, less what was forgiven since`)
    for (const { providerId } of honest) {
      assert.ok(mesh().has(providerId))
      assert.ok(hub.router.getScore(providerId) >= 0)
    }
  })
})
