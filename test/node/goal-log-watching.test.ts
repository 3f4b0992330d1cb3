import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { openCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { verifyEquivocation } from '../../src/kernel/log/equivocation.ts'
import { logRecordText } from "../../src/kernel/log/log-record.ts"
import type { RunningNode } from '../../src/node/node.ts'
import { connectedTo, within } from '../network/nodes.ts'
import { NETWORK } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { contributionOf, FakeEvaluator, packOf, submissionOf, termsOf } from '../support/goals.ts'
import { hasPeers, nextEvent, nodeInProcess } from '../support/node-pairs.ts'
import { scriptedLog, scriptedLogPeer } from '../support/scripted-logs.ts'

const start = (t: TestContext, seeds: readonly string[] = [], dataDir?: string) =>
  nodeInProcess(t, {
    evaluator: new FakeEvaluator(),
    seeds,
    settings: { 'goals.contributions_per_minute': '0' },
    ...(dataDir === undefined ? {} : { dataDir }),
  })

/** Two nodes that know each other and have joined a goal of the first. */
async function pair(t: TestContext, dataDir?: string) {
  const a = await start(t, [], dataDir)
  const b = await start(t, a.node.addresses)
  await Promise.all([hasPeers(a.node, 1), hasPeers(b.node, 1)])
  const { digest } = await a.node.goals.create(termsOf(), 'admin')
  await t.waitFor(() => b.node.goals.get('my-goal'), { timeout: 30_000, interval: 50 })
  await b.node.goals.join('my-goal', 'admin')
  return { a, b, digest }
}

/** A leaf of the node's log of the goal: the fake evaluator needs no package to refuse, so the log is written by hand. */
const linesOf = (note: string): string[] => note.split('\n\n')[1]!.split('\n').slice(0, -1)

const leavesOf = (node: RunningNode): number => Number(node.goalLog('my-goal').checkpoint().split('\n')[1])

describe("a goal's log", () => {
  it('shown with two faces to two nodes that joined the goal is found, and told to a node that did not', async (t) => {
    const { a, b, digest } = await pair(t)
    const stranger = await start(t, b.node.addresses)
    await hasPeers(stranger.node, 1)
    const liar = scriptedLog()
    const [left, right] = ['left', 'right'].map((name) => liar.history(name, 2, 1, digest))
    const found = [a, b, stranger].map(({ node }) => nextEvent(node, 'equivocation_found'))
    const peer = await scriptedLogPeer(t, liar, {
      seeds: [...a.node.addresses, ...b.node.addresses],
      handlers: {
        answers: {
          log_records_request: ({ goal }, asker) => ({
            records: goal === digest ? [logRecordText((asker === a.node.providerId ? left : right)!.record(5))] : [],
          }),
        },
      },
    })
    await Promise.all([a, b].map(({ node }) => connectedTo(peer, node.providerId)))
    for (const { providerId } of await Promise.all(found)) assert.equal(providerId, liar.providerId)
    for (const { node } of [a, b, stranger]) {
      const [evidence] = (await node.log.evidence({})).equivocations
      const proven = verifyEquivocation(pureVerifier, NETWORK, evidence!)
      assert.equal(proven.origin, `${liar.providerId}/log/${digest}`)
    }
  })

  it('is witnessed by nodes that joined the goal, and by no other', async (t) => {
    const { a, digest } = await pair(t)
    const log = scriptedLog()
    const peer = await scriptedLogPeer(t, log, { seeds: a.node.addresses })
    await connectedTo(peer, a.node.providerId)
    const show = async (goal: string, name: string, from: number, to: number) => {
      const history = log.history(name, 0, 1, goal)
      const body = {
        old_size: from,
        proof: history.proof(from, to),
        checkpoint: history.checkpoint(to),
        certificate: log.certificate,
      }
      return peer.network.request(a.node.providerId, 'add_checkpoint_request', body, within())
    }
    assert.ok((await show(digest, 'only', 0, 3)).cosignature)
    assert.ok((await show(digest, 'only', 3, 5)).cosignature)
    assert.equal((await show('cd'.repeat(32), 'only', 0, 3)).refused, 'goal')
    assert.equal((await show(digest, 'only', 0, 6)).conflict?.size, 5)
    assert.notEqual((await show(digest, 'other', 0, 5)).cosignature, 'string')
    assert.equal((await show(digest, 'other', 5, 5)).refused, 'equivocated')
  })
})
