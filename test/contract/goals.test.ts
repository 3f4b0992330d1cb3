import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { createClient, newRequestKeys } from '../../src/client/index.ts'
import { utf8 } from '../../src/kernel/base/bytes.ts'
import { packHash, signContribution } from '../../src/kernel/identity/contribution-signature.ts'
import { ADMIN_KEY } from '../http/harness.ts'
import { NETWORK } from '../support/cells.ts'
import { EVALUATED, EVALUATOR_MODULE } from '../support/evaluator-module.ts'
import { type ContractServer, contractServer } from './server.ts'

/** A goal of a whole node, and a client of it. */
async function withGoal(at: ContractServer, more: object = {}) {
  const metadata = { cell_type: 'evaluator', version: '1.0.0', capabilities: [{ name: 'evaluate', version: '1.0.0' }] }
  const cell = await at.admin({
    method: 'POST',
    path: '/api/v1/repository/cells',
    ...at.upload(metadata, EVALUATOR_MODULE),
  })
  const { goals } = createClient({ nodes: at.url, apiKey: ADMIN_KEY, network: NETWORK })
  const digest = String(cell.json().digest)
  const admission = { kind: 'open', difficulty: 4 } as const
  await goals.create({ goal_id: 'my-goal', evaluator: { digest }, admission, ...more })
  return goals
}

const pack = (text = 'Hello World') => ({
  goalId: 'my-goal',
  version: '1.0',
  parameters: utf8(text),
  key: newRequestKeys().ed25519,
})

test('a whole node takes what the SDK contributes, and proves it', async (t) => {
  const goals = await withGoal(await contractServer(t))
  const metadata = { strategy: 'momentum' }
  const verdict = await goals.contribute({ ...pack(), metadata, proofs: { extra: Uint8Array.of(1, 2) } })
  assert.deepEqual([verdict.accepted, verdict.reason, verdict.metrics], [true, 'ACCEPTED', EVALUATED], verdict.reason)
  assert.equal(verdict.score, EVALUATED.reward - 0.5 * EVALUATED.risk - 0.01 * EVALUATED.complexity)
  const best = await goals.policy('my-goal')
  assert.equal(best?.log_index, verdict.log_index)
  assert.equal((await goals.proof('my-goal', verdict.log_index ?? -1)).mmr_size, 1)
  const { log_size, accepted_contributions } = await goals.status('my-goal')
  assert.deepEqual([log_size, accepted_contributions], [1, 1])
})

test('what does not fit the contract is a verdict of the structure, and an index past the end is 404', async (t) => {
  const goals = await withGoal(await contractServer(t))
  const tooMany = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`key-${n}`, 'x']))
  for (const more of [
    { parameters: new Uint8Array(LIMITS.contributionParameterBytes + 1) },
    { metadata: tooMany },
    { metadata: { 'a key': 'x' } },
    { metadata: { a: 'x'.repeat(257) } },
    { version: '' },
    { proofs: { zk: new Uint8Array(LIMITS.contributionProofBytes + 1) } },
  ]) {
    const { accepted, rejection_type, reason } = await goals.contribute({ ...pack(), ...more })
    assert.deepEqual([accepted, rejection_type], [false, 'INVALID_STRUCTURE'], reason)
  }
  await assert.rejects(goals.proof('my-goal', 0), { status: 404, message: 'Log index 0 out of bounds [0, 0)' })
  await goals.contribute(pack())
  await assert.rejects(goals.proof('my-goal', 1), { status: 404, message: 'Log index 1 out of bounds [0, 1)' })
})

test('a contribution that is signed for another goal, network or contributor is refused', async (t) => {
  const at = await contractServer(t)
  await withGoal(at)
  const elsewhere = createClient({ nodes: at.url, network: NETWORK })
  const known = await elsewhere.goals.get('my-goal')
  const { key, parameters } = pack()
  const submit = async (goal: string, network: string, contributor?: string) => {
    const terms = { goal, packHash: packHash('1.0', parameters), difficulty: 4 }
    const { contributor_id, public_key, signature, work } = await signContribution(key, network, terms)
    const agent_pack = { version: '1.0', parameters: Buffer.from(parameters).toString('base64') }
    const ids = { goal_id: 'my-goal', contributor_id: contributor ?? contributor_id }
    const body = { ...ids, agent_pack, public_key, signature, work }
    const reply = await at.send({ method: 'POST', path: '/api/v1/contribute', body })
    assert.equal(reply.status, 200, reply.text)
    return (reply.json().data as { rejection_type: string | null }).rejection_type
  }
  // Neither is what this node's record says, so work and signature are about something else.
  for (const other of [await submit('0'.repeat(64), NETWORK), await submit(known.digest, 'other')]) {
    assert.ok(other === 'INVALID_SIGNATURE' || other === 'PROOF_INVALID', String(other))
  }
  assert.equal(await submit(known.digest, NETWORK, '0'.repeat(40)), 'INVALID_SIGNATURE')
  assert.equal(await submit(known.digest, NETWORK, 'alice'), 'INVALID_SIGNATURE')
  assert.equal(await submit(known.digest, NETWORK), null)
})
