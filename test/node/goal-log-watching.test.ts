import assert from 'node:assert/strict'
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { verifyEquivocation } from '../../src/kernel/log/equivocation.ts'
import { logRecordText } from '../../src/kernel/log/log-record.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { connectedTo, within } from '../network/nodes.ts'
import { NETWORK } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { contributionOf, FakeEvaluator, packOf, submissionOf, termsOf } from '../support/goals.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { hasPeers, nextEvent, nodeInProcess, registerBytes } from '../support/node-pairs.ts'
import { scriptedLog, scriptedLogPeer } from '../support/scripted-logs.ts'
import { untilHolds } from '../support/until-holds.ts'

const bytes = await readFile(SMALL_MODULE)

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
  const { manifest } = await registerBytes(a.node, bytes, {
    metadata: { cell_type: 'evaluator', version: '1.0.0', capabilities: [{ name: 'evaluate', version: '1.0.0' }] },
  })
  const evaluator = { digest: manifest.package.digest, fuel: 1000, memory_pages: 1 }
  const { digest } = await a.node.goals.create(termsOf({ evaluator }), 'admin')
  await untilHolds(() => b.node.goals.get('my-goal'))
  await b.node.goals.join('my-goal', 'admin')
  return { a, b, digest }
}

const sizeOf = (node: RunningNode): number => Number(node.goalLog('my-goal').checkpoint().split('\n')[1])

const contribute = async (node: RunningNode, digest: string, reward: number): Promise<void> => {
  const { accepted, reason } = await node.goals.contribute(
    submissionOf('my-goal', contributionOf(digest, packOf({ reward }))),
  )
  assert.ok(accepted, reason)
}

/** Resolves when somebody has cosigned the log of the goal as it is now. */
async function cosigned(node: RunningNode): Promise<void> {
  const lines = () => node.goalLog('my-goal').checkpoint().trimEnd().split('\n\n')[1]!.split('\n').length
  while (lines() < 2) await nextEvent(node, 'checkpoint_cosigned', ({ goal }) => goal !== null)
}

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
    const found = nextEvent(a.node, 'equivocation_found')
    // Its answer may be lost with the connection: the node is banned.
    const answer = await show(digest, 'other', 5, 5).catch(() => undefined)
    assert.equal(answer?.cosignature, undefined)
    assert.equal((await found).providerId, log.providerId)
  })

  it('is cosigned, and goes on in a new epoch when a restored node is told that it was longer', async (t) => {
    const folder = await temporaryFolder(t)
    const [dataDir, backup] = [join(folder, 'data'), join(folder, 'backup')]
    const { a, b, digest } = await pair(t, dataDir)
    await contribute(a.node, digest, 1)
    await cosigned(a.node)
    const { providerId } = a.node
    await a.stop()
    await cp(dataDir, backup, { recursive: true })
    const second = await start(t, b.node.addresses, dataDir)
    await contribute(second.node, digest, 2)
    await cosigned(second.node)
    await second.stop()
    await rm(dataDir, { recursive: true })
    await cp(backup, dataDir, { recursive: true })
    // With them the node would know by itself.
    await rm(`${dataDir}.keys/log-marks.json`)

    const restored = await start(t, b.node.addresses, dataDir)
    await untilHolds(() => assert.equal(restored.node.log.epochs({}).epoch, 2))
    await cosigned(restored.node)
    assert.ok(restored.node.goalLog('my-goal').checkpoint().startsWith(`${providerId}/log.2/${digest}\n`))
    assert.ok(sizeOf(restored.node) >= 1)
    assert.equal(b.node.log.epochs({ provider_id: providerId }).epoch, 2)
    assert.deepEqual((await b.node.log.evidence({})).equivocations, [])
  })
})
