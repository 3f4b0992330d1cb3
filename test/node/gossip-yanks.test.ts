import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Yank } from '../../protocol/yank.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import { utf8 } from '../../src/kernel/base/bytes.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import { YankLane } from '../../src/node/flows/gossip-yanks.ts'
import { connectedTo, silentLogger, startNode } from '../network/nodes.ts'
import { NETWORK, newPublisher, openCells, TestClock } from '../support/cells.ts'
import { hasPeers, nextEvent, nodeInProcess } from '../support/node-pairs.ts'

const alice = newPublisher()
const idOf = (number: number): string => number.toString(16).padStart(64, '0')

const wordOf = (change: Partial<Yank> = {}, network = NETWORK): Uint8Array =>
  utf8(
    alice.signYank(network, {
      format: 1,
      manifest_digest: idOf(1),
      publisher: alice.publisher,
      counter: 1,
      yanked: true,
      reason: 'broken',
      at: 1,
      ...change,
    }),
  )

async function open(t: TestContext, accept: 'any' | 'pinned' = 'any') {
  const clock = new TestClock()
  const { yanks } = await openCells(t, { clock })
  const events = new Events(silentLogger)
  const lane = new YankLane(
    {
      clock,
      logger: silentLogger,
      events,
      config: { network: { name: NETWORK } },
      trust: new TrustPolicy({ pinned: [], self: 'self', accept }),
      network: { publish: () => Promise.reject(new Error('nobody listens')) },
      yanks,
    },
    () => undefined,
  )
  return { clock, yanks, events, lane }
}

describe('a gossiped yank', () => {
  it('is passed on and taken in when its publisher signed it and it is news', async (t) => {
    const { lane, events, yanks } = await open(t)
    const taken = nextEvent({ events }, 'cell_yanked')
    assert.equal(lane.gossiped(wordOf(), 'peer'), 'accept')
    assert.deepEqual(await taken, { cellId: idOf(1), yanked: true, reason: 'broken', by: 'publisher' })
    assert.equal(yanks.isWithdrawn({ id: idOf(1), publisher: alice.publisher }), true)
    assert.equal(lane.gossiped(wordOf(), 'another'), 'ignore', 'it is known')
  })

  it('is rejected when it is no token, of another network, or not as signed', async (t) => {
    const { lane } = await open(t)
    const forged = Buffer.from(wordOf())
    forged[forged.length - 60] = forged[forged.length - 60] === 65 ? 66 : 65
    for (const bytes of [utf8('ys1.AAAA'), utf8('hello'), new Uint8Array(), wordOf({}, 'other'), forged]) {
      assert.equal(lane.gossiped(bytes, 'peer'), 'reject')
    }
  })

  it('is passed on once in ten seconds per cell', async (t) => {
    const { lane, events, clock } = await open(t)
    const heard = async (word: Uint8Array) => {
      const taken = nextEvent({ events }, 'cell_yanked')
      const verdict = lane.gossiped(word, 'peer')
      if (verdict === 'accept') await taken
      return verdict
    }
    assert.equal(await heard(wordOf()), 'accept')
    assert.equal(await heard(wordOf({ counter: 2, yanked: false })), 'ignore')
    assert.equal(await heard(wordOf({ manifest_digest: idOf(2) })), 'accept', 'another cell')
    clock.advance(10_000)
    assert.equal(await heard(wordOf({ counter: 2, yanked: false })), 'accept')
  })

  it('is ignored when a peer, or a publisher, sends too many', async (t) => {
    const { lane } = await open(t)
    const verdicts = new Map<string, number>()
    for (let i = 0; i < 700; i++) {
      const verdict = lane.gossiped(wordOf({ manifest_digest: idOf(i) }), `peer ${i % 2}`)
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
    }
    assert.deepEqual([...verdicts.keys()].sort(), ['accept', 'ignore'])
    assert.ok((verdicts.get('accept') ?? 0) >= 500)
  })

  it('of a publisher that is not taken from is passed on, and not kept', async (t) => {
    const { lane, yanks } = await open(t, 'pinned')
    assert.equal(lane.gossiped(wordOf(), 'peer'), 'accept')
    assert.equal(yanks.isWithdrawn({ id: idOf(1), publisher: alice.publisher }), false)
  })

  it('that cannot be gossiped is no failure', async (t) => {
    const { lane } = await open(t)
    lane.publish('ys1.AAAA')
  })
})

describe('a yank in a federation', () => {
  it('reaches who is connected to others only, without an announcement', async (t) => {
    const b = await nodeInProcess(t)
    const c = await nodeInProcess(t, { seeds: b.node.addresses })
    await Promise.all([hasPeers(b.node, 1), hasPeers(c.node, 1)])
    const relay = await startNode(t, { networkName: NETWORK, seeds: b.node.addresses })
    await connectedTo(relay, b.node.providerId)
    const taken = Promise.all([nextEvent(b.node, 'cell_yanked'), nextEvent(c.node, 'cell_yanked')])
    let isTaken = false
    void taken.then(() => {
      isTaken = true
    })
    // Until the mesh has formed.
    for (let i = 1; !isTaken; i++) {
      await relay.network.publish('yanks', wordOf({ manifest_digest: idOf(i) }))
      await Promise.race([taken, new Promise((resolve) => setTimeout(resolve, 200))])
    }
  })
})
