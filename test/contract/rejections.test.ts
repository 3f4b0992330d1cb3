import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { CONTEXTS } from '../../protocol/contexts.ts'
import type { GoalCreation } from '../../protocol/goal-api.ts'
import { type ContributionSubmission, createClient } from '../../src/client/index.ts'
import { toBase64Url, utf8 } from '../../src/kernel/base/bytes.ts'
import { packHash } from '../../src/kernel/identity/contribution-signature.ts'
import { nodeIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed, type SigningKey, signObject } from '../../src/kernel/identity/keys.ts'
import { ADMIN_KEY } from '../http/harness.ts'
import { assembled, evaluatorText, reward } from '../providers/evaluators/modules.ts'
import { NETWORK } from '../support/cells.ts'
import { contractServer } from './server.ts'

/** The first byte of the parameters says what happens: a digit is the reward, a letter a way to fail. Risk is the number of bytes behind it. */
const EVALUATOR = evaluatorText({
  // A large input does not fit where it tells to put it.
  pointer:
    '(if (result i32) (i32.gt_u (local.get $length) (i32.const 100)) (then (i32.const 65535)) (else (i32.const 64)))',
  body: `(local.set $n (i32.load8_u offset=7 (local.get $at)))
    (if (i32.eq (local.get $n) (i32.const 0x65)) (then (loop $endless (br $endless))))
    (if (i32.eq (local.get $n) (i32.const 0x74)) (then (unreachable)))
    (if (i32.eq (local.get $n) (i32.const 0x6f)) (then (return (i32.const 65520))))
    ${reward('(f64.convert_i32_u (i32.sub (local.get $n) (i32.const 48)))')}
    (if (i32.eq (local.get $n) (i32.const 0x6e)) (then ${reward('(f64.const nan)')}))
    (f64.store (i32.const 8) (f64.convert_i32_u (i32.sub (local.get $length) (i32.const 8))))`,
})
const FUEL = 10_000
const VERSION = '1.0'

const newKey = (): SigningKey => ed25519FromSeed(newSeed())

/** A whole node with an evaluator of its own, over HTTP: goals by id, and contributions to them by the SDK. */
async function withEvaluator(t: TestContext) {
  const at = await contractServer(t)
  const metadata = { cell_type: 'evaluator', version: '1.0.0', capabilities: [{ name: 'evaluate', version: '1.0.0' }] }
  const cell = await at.admin({
    method: 'POST',
    path: '/api/v1/repository/cells',
    ...at.upload(metadata, await assembled(EVALUATOR)),
  })
  const evaluator = { digest: String(cell.json().digest), fuel: FUEL, memory_pages: 1 }
  const { goals } = createClient({ nodes: at.url, apiKey: ADMIN_KEY, network: NETWORK })
  return {
    at,
    goals,
    create: async (goal_id: string, more: Partial<GoalCreation> = {}): Promise<string> => {
      const admission = { kind: 'open', difficulty: 2 } as const
      return (await goals.create({ goal_id, evaluator, admission, ...more })).digest
    },
    contribute: (goalId: string, text: string, more: Partial<ContributionSubmission> = {}) =>
      goals.contribute({ goalId, version: VERSION, parameters: utf8(text), key: newKey(), ...more }),
  }
}

test('what an evaluator refuses, cannot compute or lies about is told by type and reason, and counted', async (t) => {
  const { goals, create, contribute } = await withEvaluator(t)
  await create('my-goal', {
    min_score: 1,
    weights: { reward: 1, risk: 0, complexity: 0 },
    invariants: { schema: { properties: { metadata: { maxProperties: 1 } } }, bounds: [{ of: 'risk', max: 10 }] },
  })
  const cases: [string, Partial<ContributionSubmission>, string, RegExp][] = [
    ['5', { metadata: { a: '1', b: '2' } }, 'INVARIANT_VIOLATION', /does not fulfil the schema/],
    [`5${'x'.repeat(11)}`, {}, 'INVARIANT_VIOLATION', /risk is 11; the goal allows at most 10/],
    ['0', {}, 'SCORE_TOO_LOW', /the score is 0; the goal asks for at least 1/],
    ['endless', {}, 'EVALUATION_TIMEOUT', /more than 10000 units of fuel/],
    ['trap', {}, 'EVALUATION_ERROR', /it trapped: unreachable/],
    ['nan', {}, 'EVALUATION_ERROR', /reward is NaN/],
    ['outside', {}, 'EVALUATION_ERROR', /evaluate answered 65520: no result of 24 bytes is there/],
    [`5${'x'.repeat(120)}`, {}, 'EVALUATION_ERROR', /the input does not fit/],
  ]
  for (const [text, more, type, reason] of cases) {
    const verdict = await contribute('my-goal', text, more)
    assert.deepEqual([verdict.accepted, verdict.rejection_type, verdict.log_index], [false, type, null], verdict.reason)
    assert.match(verdict.reason, reason)
  }
  const key = newKey()
  const good = await contribute('my-goal', '5', { key })
  assert.deepEqual([good.accepted, good.score, good.log_index], [true, 5, 0], good.reason)
  assert.equal((await contribute('my-goal', '5', { key })).rejection_type, 'DUPLICATE')
  const { total_contributions, accepted_contributions, log_size } = await goals.status('my-goal')
  assert.deepEqual([total_contributions, accepted_contributions, log_size], [cases.length + 2, 1, 1])
})

test('who is not on the list of a goal, or has filled a place already, is told so', async (t) => {
  const { create, contribute } = await withEvaluator(t)
  const key = newKey()
  await create('closed', { admission: { kind: 'closed', contributors: [nodeIdOf(key.publicKey)] }, per_contributor: 1 })
  const stranger = await contribute('closed', '5')
  assert.equal(stranger.rejection_type, 'INVALID_GOAL', stranger.reason)
  // One that has a smaller id takes the place, so it is a matter of a few until one has a larger one.
  const types: (string | null)[] = []
  while (!types.includes('RATE_LIMITED') && types.length < 30) {
    types.push((await contribute('closed', `5${'x'.repeat(types.length)}`, { key })).rejection_type)
  }
  assert.deepEqual([types[0], types.at(-1)], [null, 'RATE_LIMITED'])
  assert.ok(types.slice(0, -1).every((type) => type === null))
})

test('a goal that asks for attestations takes those of the key that it names, for this pack and goal', async (t) => {
  const { create, contribute } = await withEvaluator(t)
  const attester = newKey()
  const name = `ed25519.${toBase64Url(attester.publicKey)}`
  const digest = await create('attested', { proofs: [name] })
  const attestation = (text: string, { goal = digest, key = attester } = {}): Uint8Array => {
    const about = { goal, pack_hash: packHash(VERSION, utf8(text)) }
    const public_key = toBase64Url(key.publicKey)
    return utf8(JSON.stringify({ public_key, signature: signObject(key, NETWORK, CONTEXTS.attestation, about) }))
  }
  const refused: [Uint8Array | undefined, RegExp][] = [
    [undefined, /the goal asks for a proof ed25519\./],
    [utf8('nonsense'), /does not hold/],
    [attestation('6'), /does not hold/],
    [attestation('5', { goal: '0'.repeat(64) }), /does not hold/],
    [attestation('5', { key: newKey() }), /does not hold/],
  ]
  for (const [proof, reason] of refused) {
    const verdict = await contribute('attested', '5', proof === undefined ? {} : { proofs: { [name]: proof } })
    assert.deepEqual([verdict.accepted, verdict.rejection_type], [false, 'PROOF_INVALID'])
    assert.match(verdict.reason, reason)
  }
  const good = await contribute('attested', '5', { proofs: { [name]: attestation('5') } })
  assert.equal(good.accepted, true, good.reason)
})

test('a goal that asks for inclusion takes packs that the node which it names has logged', async (t) => {
  const { at, create, contribute } = await withEvaluator(t)
  await create('first')
  const name = `inclusion.${at.node.providerId}`
  await create('second', { proofs: [name] })
  const { log_index: index } = await contribute('first', '5')
  const file = await at.send({ path: `/api/v1/log/first/proof?log_index=${index}` })
  const proofs = { [name]: utf8(file.text) }
  const other = await contribute('second', '6', { proofs })
  assert.equal(other.rejection_type, 'PROOF_INVALID', other.reason)
  const bent = { [name]: utf8(file.text.replace(/"leaf":"../, '"leaf":"AA')) }
  assert.equal((await contribute('second', '5', { proofs: bent })).rejection_type, 'PROOF_INVALID')
  const good = await contribute('second', '5', { proofs })
  assert.equal(good.accepted, true, good.reason)
})

test('what nobody here can verify is kept without a verdict', async (t) => {
  const { goals, create, contribute } = await withEvaluator(t)
  await create('unknown', { proofs: ['zk'] })
  const verdict = await contribute('unknown', '5', { proofs: { zk: Uint8Array.of(1) } })
  assert.deepEqual([verdict.accepted, verdict.rejection_type], [false, null])
  assert.match(verdict.reason, /no verifier of proofs zk/)
  assert.equal((await goals.status('unknown')).rejected_contributions, 0)
})

test('two goals of one node have nothing in common, whatever is asked of them', async (t) => {
  const { goals, create, contribute } = await withEvaluator(t)
  await create('one')
  await create('two')
  for (const text of ['5', '7']) await contribute('one', text)
  await contribute('two', '3')
  const scores = async (id: string) => (await goals.leaderboard(id)).entries.map(({ score }) => score)
  assert.deepEqual([await scores('one'), await scores('two')], [[7, 5], [3]])
  const [one, two] = [await goals.status('one'), await goals.status('two')]
  assert.deepEqual([one.log_size, one.total_contributions, two.log_size, two.total_contributions], [2, 2, 1, 1])
  for (const root of ['log_root', 'leaderboard_root', 'set_root'] as const) assert.notEqual(one[root], two[root])
  assert.equal((await goals.policy('two'))?.score, 3)
  const { entries } = await goals.log('two')
  assert.equal(entries.length, 1)
  assert.equal((await goals.proof('two', 0)).leaf, entries[0]?.leaf)
  await assert.rejects(goals.proof('two', 1), { status: 404, message: 'Log index 1 out of bounds [0, 1)' })
})
