import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it, type TestContext } from 'node:test'
import type { GoalTerms } from '../../protocol/goal.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { nodeIdOf } from '../../src/kernel/identity/ids.ts'
import { verifyInclusion, verifyMmrInclusion } from '../../src/kernel/log/verify.ts'
import type { Submission } from '../../src/node/goals-api.ts'
import { contributionOf, FakeEvaluator, newContributor, packOf, submissionOf, termsOf } from '../support/goals.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeInProcess, registerBytes } from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const bytes = await readFile(SMALL_MODULE)
const HEX = /^[0-9a-f]{64}$/

/** A node that works for a goal, whose evaluator it holds. */
async function nodeWithGoal(
  t: TestContext,
  terms: Partial<GoalTerms> = {},
  settings: Readonly<Record<string, string>> = {},
) {
  const evaluator = new FakeEvaluator()
  const proofs = new Map([['seal', async (proof: Uint8Array) => proof[0] === 7]])
  const { node } = await nodeInProcess(t, { evaluator, proofs, settings })
  const { manifest } = await registerBytes(node, bytes, {
    metadata: { cell_type: 'evaluator', version: '1.0.0', capabilities: [{ name: 'evaluate', version: '1.0.0' }] },
  })
  const { digest: evaluatorDigest } = manifest.package
  const evaluated = { digest: evaluatorDigest, fuel: 1000, memory_pages: 1 }
  const { digest } = await node.goals.create(termsOf({ evaluator: evaluated, ...terms }), 'admin')
  const submit = (record: ReturnType<typeof contributionOf>, change: Partial<Submission> = {}) =>
    node.goals.contribute({ ...submissionOf('my-goal', record), ...change })
  return { node, evaluator, digest, submit, evaluatorDigest }
}

const failsWith = (code: string, status: number) => (error: unknown) =>
  error instanceof ProviderError && error.code === code && error.status === status

describe('a contribution that is good', () => {
  it('is accepted, logged, proven and on top of the leaderboard', async (t) => {
    const { node, evaluator, digest, submit, evaluatorDigest } = await nodeWithGoal(t)
    const key = newContributor()
    const record = contributionOf(digest, packOf({ reward: 1.2, risk: 0.1, complexity: 0.4 }), key)
    const verdict = await submit(record)
    assert.equal(verdict.accepted, true)
    assert.equal(verdict.reason, 'ACCEPTED')
    assert.equal(verdict.score, 1.146)
    assert.equal(verdict.log_index, 0)
    assert.deepEqual(evaluator.prepared, [evaluatorDigest])
    const best = node.goals.policy('my-goal')
    assert.equal(best?.pack_hash, record.contribution.pack_hash)
    assert.equal(best?.contributor_id, nodeIdOf(key.publicKey))
    for (let i = 0; i < 4; i++) await submit(contributionOf(digest, packOf({ reward: i })))
    const { entries, total } = node.goals.leaderboard('my-goal', 2)
    assert.deepEqual(
      [entries.map(({ rank, score }) => [rank, score]), total],
      [
        [
          [1, 3],
          [2, 2],
        ],
        5,
      ],
    )
    const status = node.goals.status('my-goal')
    assert.equal(status.log_size, 5)
    assert.equal(status.accepted_contributions, 5)
    for (const root of [status.log_root, status.leaderboard_root, status.set_root]) assert.match(root, HEX)
    const page = await node.goals.log('my-goal', { from: 3, limit: 10 })
    assert.deepEqual(
      page.map(({ log_index }) => log_index),
      [3, 4],
    )
    const { leafHash, size, root, inclusion, siblings, peaks } = await node.goals.proof('my-goal', 3)
    assert.ok(verifyInclusion({ leafHash, index: 3, size, root }, inclusion))
    assert.ok(verifyMmrInclusion({ leafHash, index: 3, size, root }, { siblings, peaks }))
    await assert.rejects(node.goals.proof('my-goal', 5), /Log index 5 out of bounds \[0, 5\)/)
    const { capabilities, goal_id } = node.nodeInfo()
    assert.deepEqual(
      [capabilities.goal_ids, capabilities.accepts_contributions, goal_id],
      [['my-goal'], true, 'my-goal'],
    )
    const { counters } = (await node.nodeStatus()).metrics
    assert.deepEqual(counters, { contributions_received_total: 5, contributions_processed_total: 5 })
  })

  it('is told of on the bus, with the leaderboard that it changed', async (t) => {
    const { node, digest, submit } = await nodeWithGoal(t)
    const seen: [string, unknown][] = []
    node.events.on('contribution_added', ({ logIndex, score }) => seen.push(['added', [logIndex, score]]))
    node.events.on('leaderboard_update', ({ best }) => seen.push(['board', best?.score]))
    await submit(contributionOf(digest, packOf({ reward: 2 })))
    await submit(contributionOf(digest, packOf({ reward: 5 })))
    assert.deepEqual(seen, [
      ['added', [0, 2]],
      ['board', 2],
      ['added', [1, 5]],
      ['board', 5],
    ])
  })

  it('is evaluated with each seed of the goal', async (t) => {
    const { digest, submit, evaluator } = await nodeWithGoal(t, { seeds: [1, 2, 3] })
    const verdict = await submit(contributionOf(digest, packOf({ reward: 2 })))
    assert.equal(evaluator.evaluations, 3)
    assert.equal(verdict.metrics?.reward, 4)
  })
})

describe('a contribution that is refused', () => {
  it('says why, and does not stand in the way of another one', async (t) => {
    const seal = { seal: toBase64Url(Uint8Array.of(7)) }
    const { node, digest, submit } = await nodeWithGoal(t, {
      proofs: ['seal'],
      min_score: 1,
      invariants: {
        schema: { properties: { metadata: { maxProperties: 1 } } },
        bounds: [{ of: 'risk', max: 10 }],
      },
    })
    const good = contributionOf(digest, packOf({ reward: 3 }, 'good', { proofs: seal }))
    const forged = { ...good.contribution, signature: contributionOf(digest, good.pack).contribution.signature }
    const cases = {
      INVALID_SIGNATURE: { ...good, contribution: forged },
      INVALID_STRUCTURE: contributionOf(digest, packOf({ reward: 3 }, '', { version: 'v'.repeat(65) })),
      INVARIANT_VIOLATION: contributionOf(
        digest,
        packOf({ reward: 3 }, '', { metadata: { a: '', b: '' }, proofs: seal }),
      ),
      PROOF_INVALID: contributionOf(digest, packOf({ reward: 3 }, '', { proofs: { seal: 'AAAA' } })),
      EVALUATION_TIMEOUT: contributionOf(digest, packOf('timeout', '', { proofs: seal })),
      EVALUATION_ERROR: contributionOf(digest, packOf('error', '', { proofs: seal })),
      SCORE_TOO_LOW: contributionOf(digest, packOf({ reward: 0.5 }, '', { proofs: seal })),
    }
    for (const [type, record] of Object.entries(cases)) {
      const verdict = await submit(record)
      assert.equal(verdict.rejection_type, type, verdict.reason)
      assert.equal(verdict.accepted, false)
      assert.equal(verdict.log_index, null)
    }
    const risky = await submit(contributionOf(digest, packOf({ reward: 99, risk: 11 }, '', { proofs: seal })))
    assert.equal(risky.rejection_type, 'INVARIANT_VIOLATION')
    assert.equal(risky.metrics?.risk, 11)
    const without = await submit(contributionOf(digest, packOf({ reward: 3 })))
    assert.equal(without.rejection_type, 'PROOF_INVALID')
    assert.equal((await submit(good)).accepted, true)
    const again = await submit(good)
    assert.deepEqual([again.rejection_type, again.accepted], ['DUPLICATE', false])
    const { total_contributions, rejected_contributions, log_size } = node.goals.status('my-goal')
    assert.deepEqual([total_contributions, rejected_contributions, log_size], [11, 10, 1])
  })

  it('has a structure that nobody can read', async (t) => {
    const { digest, submit } = await nodeWithGoal(t)
    const pack = packOf({ reward: 1 })
    const record = contributionOf(digest, pack)
    const refused = async (change: Partial<Submission>) => (await submit(record, change)).rejection_type
    assert.equal(await refused({ agent_pack: { ...pack, parameters: 'not base64' } }), 'INVALID_STRUCTURE')
    assert.equal(await refused({ agent_pack: { ...pack, parameters: 'A' } }), 'INVALID_STRUCTURE')
    const metadata = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`key-${i}`, 'value']))
    assert.equal(await refused({ agent_pack: { ...pack, metadata } }), 'INVALID_STRUCTURE')
    const parameters = toBase64Url(new Uint8Array(LIMITS.contributionParameterBytes + 1))
    assert.equal(await refused({ agent_pack: { ...pack, parameters } }), 'INVALID_STRUCTURE')
    assert.equal(await refused({ signature: 'AA' }), 'INVALID_STRUCTURE')
    assert.equal(await refused({ agent_pack: { ...pack, metadata: { a: 'b' } } }), 'INVALID_SIGNATURE')
    assert.equal(await refused({ public_key: toBase64Url(newContributor().publicKey) }), 'INVALID_SIGNATURE')
  })

  it('is not signed, and is told how to sign it', async (t) => {
    const { digest, submit, node } = await nodeWithGoal(t)
    const record = contributionOf(digest, packOf({ reward: 1 }))
    for (const change of [{ public_key: '', signature: '' }, { signature: '' }, { public_key: '' }]) {
      const { rejection_type, reason } = await submit(record, change)
      assert.equal(rejection_type, 'INVALID_SIGNATURE')
      assert.match(reason, /public_key and signature are missing.*cytoplex goal contribute/)
      assert.ok(reason.includes(digest))
    }
    // A name is no node id, whatever signs it.
    const { rejection_type, reason } = await submit(record, { contributor_id: 'alice' })
    assert.equal(rejection_type, 'INVALID_SIGNATURE')
    assert.match(reason, /^contributor_id: found "alice", allowed is the node id of public_key/)
    assert.equal(node.goals.status('my-goal').rejected_contributions, 4)
  })

  it('comes from somebody whom the goal does not admit', async (t) => {
    const key = newContributor()
    const contributors = [nodeIdOf(key.publicKey)]
    const { digest, submit, node } = await nodeWithGoal(t, { admission: { kind: 'closed', contributors } })
    const stranger = await submit(contributionOf(digest, packOf({ reward: 1 })))
    assert.equal(stranger.rejection_type, 'INVALID_GOAL')
    assert.equal((await submit(contributionOf(digest, packOf({ reward: 1 }), key))).accepted, true)
    const open = termsOf({ goal_id: 'open', admission: { kind: 'open', difficulty: 10 } })
    const { digest: other } = await node.goals.create(open, 'admin')
    const lazy = { ...contributionOf(other, packOf({ reward: 1 })).contribution, work: '0' }
    const verdict = await submit({ contribution: lazy, pack: packOf({ reward: 1 }) }, { goal_id: 'open' })
    assert.equal(verdict.rejection_type, 'PROOF_INVALID')
  })

  it('is a pack that another contributor brought with a smaller id; a smaller one takes its place', async (t) => {
    const { node, digest, submit } = await nodeWithGoal(t)
    const pack = packOf({ reward: 1 })
    const contributors = Array.from({ length: 12 }, newContributor)
    const records = contributors.map((key) => contributionOf(digest, pack, key))
    for (const record of records) await submit(record)
    const standing = node.goals.policy('my-goal')
    assert.equal(node.goals.leaderboard('my-goal', 10).total, 1)
    const ids = await Promise.all(records.map(async (record) => (await submit(record)).contribution_id!))
    const smallest = records[ids.indexOf([...ids].sort()[0]!)]
    assert.equal(standing?.contributor_id, smallest?.contribution.contributor_id)
  })
})

describe('a contribution that cannot be judged now', () => {
  it('is kept, and judged once it can be', async (t) => {
    const { node, evaluator, digest, submit } = await nodeWithGoal(t)
    evaluator.isBroken = true
    const verdict = await submit(contributionOf(digest, packOf({ reward: 1 })))
    assert.deepEqual([verdict.accepted, verdict.rejection_type], [false, null])
    assert.equal(node.goals.policy('my-goal'), null)
    evaluator.isBroken = false
    await untilHolds(() => assert.equal(node.goals.policy('my-goal')?.score, 1))
    assert.equal(node.goals.status('my-goal').rejected_contributions, 0)
  })
})

describe('a submission', () => {
  it('to a goal that is unknown, or not joined, is an error', async (t) => {
    const { node, digest, submit } = await nodeWithGoal(t)
    const record = contributionOf(digest, packOf({ reward: 1 }))
    await assert.rejects(submit(record, { goal_id: 'unknown' }), failsWith('PROV_001', 404))
    await submit(record)
    const before = node.goals.status('my-goal')
    await node.goals.leave('my-goal', 'admin')
    await assert.rejects(submit(record), failsWith('PROV_001', 409))
    assert.throws(() => node.goals.policy('my-goal'), failsWith('PROV_001', 409))
    assert.equal(node.goals.status('my-goal').log_size, 1)
    await node.goals.join('my-goal', 'admin')
    assert.deepEqual(node.goals.status('my-goal'), before)
    assert.equal((await submit(record)).rejection_type, 'DUPLICATE')
    const { entries } = await node.audit({})
    assert.deepEqual(
      entries.map(({ act }) => act),
      ['goal_joined', 'goal_left', 'goal_created'],
    )
  })

  it('is not taken where the operator takes none', async (t) => {
    const { digest, submit, node } = await nodeWithGoal(t, {}, { 'goals.accept_contributions': 'false' })
    await assert.rejects(submit(contributionOf(digest, packOf({ reward: 1 }))), failsWith('PROV_015', 403))
    assert.equal(node.nodeInfo().capabilities.accepts_contributions, false)
  })

  it('of one contributor that comes much too fast is told so, and others are not', async (t) => {
    const { digest, submit } = await nodeWithGoal(t, {}, { 'goals.contributions_per_minute': '1' })
    const key = newContributor()
    assert.equal((await submit(contributionOf(digest, packOf({ reward: 1 }), key))).accepted, true)
    await assert.rejects(submit(contributionOf(digest, packOf({ reward: 2 }), key)), failsWith('PROV_013', 429))
    assert.equal((await submit(contributionOf(digest, packOf({ reward: 2 })))).accepted, true)
  })
})
