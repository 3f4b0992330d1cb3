import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it, type TestContext } from 'node:test'
import { contributionId, recordText } from '../../src/domain/goals/contribution-record.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { openSync } from '../../src/network/sync/open-sync.ts'
import { Shunned } from '../../src/network/sync/shunned.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { newIdentity, startNode as startNetwork, within } from '../network/nodes.ts'
import { MemorySet } from '../network/sync/memory-set.ts'
import { NETWORK } from '../support/cells.ts'
import {
  contributionOf,
  FakeEvaluator,
  goalOf,
  newContributor,
  packOf,
  submissionOf,
  termsOf,
} from '../support/goals.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { hasPeers, nodeInProcess, registerBytes } from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const bytes = await readFile(SMALL_MODULE)
const settings = { 'goals.contributions_per_minute': '0', 'sync.interval_seconds': '2' }

const startNode = (t: TestContext, seeds: readonly string[] = [], dataDir?: string) => {
  const evaluator = new FakeEvaluator()
  return nodeInProcess(t, { evaluator, seeds, settings, ...(dataDir === undefined ? {} : { dataDir }) })
}

/** A goal at one node, whose evaluator it holds. */
async function createGoal(node: RunningNode, change: Parameters<typeof termsOf>[0] = {}) {
  const { manifest } = await registerBytes(node, bytes, {
    metadata: { cell_type: 'evaluator', version: '1.0.0', capabilities: [{ name: 'evaluate', version: '1.0.0' }] },
  })
  const evaluator = { digest: manifest.package.digest, fuel: 1000, memory_pages: 1 }
  return node.goals.create(termsOf({ evaluator, ...change }), 'admin')
}

/** Resolves when the node knows the goal; then it works for it. */
async function join(node: RunningNode): Promise<void> {
  await untilHolds(() => node.goals.get('my-goal'))
  await node.goals.join('my-goal', 'admin')
}

/** Resolves when all nodes hold so many contributions, and the same follows from them everywhere. */
async function agree(nodes: readonly RunningNode[], count: number): Promise<void> {
  await untilHolds(
    () => {
      const seen = nodes.map((node) => {
        const { set_root, leaderboard_root, log_size } = node.goals.status('my-goal')
        return { set_root, leaderboard_root, log_size, policy: node.goals.policy('my-goal')?.pack_hash }
      })
      assert.deepEqual(
        seen,
        seen.map(() => ({ ...seen[0], log_size: count })),
      )
    },
    { timeout: 40_000, interval: 100 },
  )
}

describe('a goal', () => {
  it('reaches other nodes, which work for it once their operators joined, after a restart too', async (t) => {
    const a = await startNode(t)
    const b = await startNode(t, a.node.addresses)
    const { digest } = await createGoal(a.node)
    await untilHolds(() => assert.equal(b.node.goals.get('my-goal').digest, digest))
    assert.equal(b.node.goals.get(digest).joined, false)
    assert.deepEqual(b.node.nodeInfo().capabilities.goal_ids, [])
    await a.node.goals.contribute(submissionOf('my-goal', contributionOf(digest, packOf({ reward: 1 }))))
    await join(b.node)
    await agree([a.node, b.node], 1)
    await b.stop()
    const again = await startNode(t, a.node.addresses, b.dataDir)
    assert.deepEqual(again.node.nodeInfo().capabilities.goal_ids, ['my-goal'])
    await agree([a.node, again.node], 1)
  })
})

describe('contributions', () => {
  it('arrive by gossip where a node is in the mesh, and its own evaluator judges them', async (t) => {
    const a = await startNode(t)
    const b = await startNode(t, a.node.addresses)
    const { digest } = await createGoal(a.node)
    await join(b.node)
    await Promise.all([hasPeers(a.node, 1), hasPeers(b.node, 1)])
    for (let i = 0; i < 5; i++) {
      await a.node.goals.contribute(submissionOf('my-goal', contributionOf(digest, packOf({ reward: i }))))
      await b.node.goals.contribute(submissionOf('my-goal', contributionOf(digest, packOf({ reward: i }, 'b'))))
    }
    await agree([a.node, b.node], 10)
  })

  it('submitted at three nodes, some twice, converge after the network was cut', async (t) => {
    const a = await startNode(t)
    const b = await startNode(t, a.node.addresses)
    const c = await startNode(t, a.node.addresses)
    const { digest } = await createGoal(a.node, { per_contributor: 3, capacity: 5 })
    for (const { node } of [b, c]) await join(node)
    await agree([a.node, b.node, c.node], 0)
    // While c is away, contributions are submitted at the others.
    await c.stop()
    const few = newContributor()
    const records = Array.from({ length: 12 }, (_, i) => contributionOf(digest, packOf({ reward: i % 4 }, `${i}`), few))
    const others = Array.from({ length: 12 }, (_, i) => contributionOf(digest, packOf({ reward: i % 5 }, `o${i}`)))
    const submit = async (node: RunningNode, some: readonly ReturnType<typeof contributionOf>[]) => {
      for (const record of some) await node.goals.contribute(submissionOf('my-goal', record))
    }
    await Promise.all([
      submit(a.node, [...records.slice(0, 8), ...others.slice(0, 6)]),
      submit(b.node, [...records.slice(4), ...others.slice(3, 9)].reverse()),
    ])
    const again = await startNode(t, [...a.node.addresses, ...b.node.addresses], c.dataDir)
    await submit(again.node, [...others.slice(7), ...records.slice(6, 7)])
    const nodes = [a.node, b.node, again.node]
    await untilHolds(
      () => {
        const seen = nodes.map((node) => {
          const { set_root, leaderboard_root } = node.goals.status('my-goal')
          return {
            set_root,
            leaderboard_root,
            entries: node.goals.leaderboard('my-goal', 5).entries.map((e) => e.pack_hash),
          }
        })
        assert.deepEqual(
          seen,
          seen.map(() => seen[0]),
        )
        assert.equal(seen[0]!.entries.length, 5)
      },
      { timeout: 40_000, interval: 200 },
    )
    const kept = records
      .map((record) => ({ id: contributionId(record.contribution), pack: record.contribution.pack_hash }))
      .sort((x, y) => (x.id < y.id ? -1 : 1))
      .slice(0, 3)
    const sets = await Promise.all(nodes.map(async (node) => (await node.nodeStatus()).sets))
    for (const set of sets) {
      assert.equal(set.find(({ name }) => name === `goal/${digest}`)?.count, others.length + kept.length)
    }
  })

  it('that a peer offers come in for their bytes alone: what is bad stays off the leaderboard, what is false stays out', async (t) => {
    const a = await startNode(t)
    const { digest } = await createGoal(a.node, { min_score: 1 })
    const peer = await startNetwork(t, { networkName: NETWORK, identity: newIdentity(NETWORK) })
    await peer.network.addAddresses(a.node.providerId, a.node.addresses)
    await peer.network.connect(a.node.providerId, AbortSignal.timeout(10_000))
    const give = async (texts: readonly string[], name = `goal/${digest}`) => {
      const set = new MemorySet(texts, name)
      const shunned = { fetched: new Shunned(systemClock), offered: new Shunned(systemClock) }
      return openSync(set, a.node.providerId, { network: peer.network, shunned, ...within() })
    }
    const good = contributionOf(digest, packOf({ reward: 2 }))
    const low = contributionOf(digest, packOf({ reward: 0.5 }))
    const report = await untilHolds(() => give([good, low].map(recordText)))
    assert.equal(report.given, 2)
    await untilHolds(() => {
      const { accepted_contributions, rejected_contributions } = a.node.goals.status('my-goal')
      assert.deepEqual([accepted_contributions, rejected_contributions], [1, 1])
    })
    assert.equal(a.node.goals.leaderboard('my-goal', 10).total, 1)
    const signature = contributionOf(digest, packOf({ reward: 9 })).contribution.signature
    const forged = contributionOf(digest, packOf({ reward: 9 }))
    const text = recordText({ ...forged, contribution: { ...forged.contribution, signature } })
    assert.equal((await give([text])).given, 0)
    const before = a.node.peers().peers.find(({ provider_id }) => provider_id === peer.providerId)
    assert.ok(before!.peer_score.score < 100)
    const other = goalOf({ goal_id: 'other' })
    assert.equal((await give([canonicalJson(other.goal)], 'goals')).given, 1)
    assert.equal(a.node.goals.get('other').joined, false)
    assert.equal((await give([canonicalJson({ ...other.goal, capacity: 7 })], 'goals')).given, 0)
  })

  it('are answered to peers that ask for them, as far as they were accepted', async (t) => {
    const a = await startNode(t)
    const { digest } = await createGoal(a.node)
    const record = contributionOf(digest, packOf({ reward: 2 }))
    const { contribution_id: id } = await a.node.goals.contribute(submissionOf('my-goal', record))
    const peer = await startNetwork(t, { networkName: NETWORK, identity: newIdentity(NETWORK) })
    await peer.network.addAddresses(a.node.providerId, a.node.addresses)
    const ask = (goal: string) =>
      peer.network.request(
        a.node.providerId,
        'contribution_request',
        { goal, contributions: ['ab'.repeat(32), id!] },
        within(),
      )
    const { contributions } = await ask(digest)
    assert.deepEqual(contributions, [
      { ...record, result: { score: 2, metrics: { reward: 2, risk: 0, complexity: 0 } } },
    ])
    assert.deepEqual((await ask('cd'.repeat(32))).contributions, [])
  })
})
