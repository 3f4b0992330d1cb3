import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, contributorKey, createClient } from '../../src/client/index.ts'
import { utf8 } from '../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { nodeIdOf } from '../../src/kernel/identity/ids.ts'
import { newSeed } from '../../src/kernel/identity/keys.ts'
import { ADMIN_KEY, start } from '../http/harness.ts'
import { EVALUATOR, METRICS, termsOf } from '../support/fake-goals.ts'

const GOAL = 'my-goal'
const key = contributorKey(newSeed())
const pack = { goalId: GOAL, version: '1.0', parameters: utf8('Hello World'), key }

type Proof = Awaited<ReturnType<Client['goals']['proof']>>

/** A client of a node with a goal; `change` is made to every answer. */
async function withGoal(t: Parameters<typeof start>[0], change: (body: string) => string = (body) => body) {
  const harness = await start(t)
  harness.node.goals.add(termsOf(GOAL))
  const changing: typeof fetch = async (url, init) => {
    const response = await fetch(url, init)
    const { status, headers } = response
    return new Response(change(await response.text()), { status, headers })
  }
  const client = createClient({ nodes: harness.server.url, apiKey: ADMIN_KEY, fetch: changing })
  return { ...harness, client }
}

test('a contribution is worked for and signed, and its verdict comes back', async (t) => {
  const { client, node } = await withGoal(t)
  const proofs = { zk: Uint8Array.of(0xfb, 0xff) }
  const verdict = await client.goals.contribute({ ...pack, metadata: { strategy: 'momentum' }, proofs, seed: 7 })
  assert.deepEqual([verdict.accepted, verdict.metrics, verdict.log_index], [true, METRICS, 0])
  const [submission] = node.goals.submissions
  assert.equal(submission?.contributor_id, nodeIdOf(key.publicKey))
  assert.deepEqual(submission.agent_pack, {
    version: '1.0',
    parameters: 'SGVsbG8gV29ybGQ',
    metadata: { strategy: 'momentum' },
  })
  assert.deepEqual([submission.proofs, submission.seed], [{ zk: '-_8' }, 7])
  assert.deepEqual((await client.goals.leaderboard(GOAL)).entries[0], await client.goals.policy(GOAL))
  assert.equal((await client.goals.status(GOAL)).accepted_contributions, 1)
})

test('a refusal is a verdict, not an error; too fast is an error that may be tried again', async (t) => {
  const { client, node } = await withGoal(t)
  node.goals.add(termsOf(GOAL, { admission: { kind: 'closed', contributors: ['0'.repeat(40)] } }))
  const { accepted, rejection_type } = await client.goals.contribute(pack)
  assert.deepEqual([accepted, rejection_type], [false, 'INVALID_GOAL'])
  assert.equal(node.goals.submissions[0]?.work, undefined)
  node.goals.failure = new ProviderError('PROV_013', 'too fast')
  await assert.rejects(client.goals.contribute(pack), { code: 'PROV_013', retryable: true, message: 'Rate limited' })
  await assert.rejects(client.goals.contribute({ ...pack, goalId: 'none' }), {
    name: 'NotFoundError',
    message: /no goal none/,
  })
})

test('a goal that is not what it says, or not the one that is meant, is not contributed to', async (t) => {
  let change = (body: string): string => body
  const { client, node } = await withGoal(t, (body) => change(body))
  const refused = async (code: RegExp, more: Partial<Parameters<Client['goals']['contribute']>[0]> = {}) => {
    await assert.rejects(client.goals.contribute({ ...pack, ...more }), { name: 'IntegrityError', message: code })
  }
  await refused(/should be 00/, { goalDigest: '0'.repeat(64) })
  const { digest, goal } = node.goals.get(GOAL)
  change = (body) => body.replace(digest, '0'.repeat(64))
  await refused(/has the digest 0+, which it has not/)
  node.goals.known.set(GOAL, { goal: { ...goal, capacity: 7 }, digest, joined: true })
  change = (body) => body
  await refused(/which it has not/)
  const elsewhere = createClient({ nodes: await urlOf(t), network: 'other' })
  await assert.rejects(elsewhere.goals.get(GOAL), { name: 'IntegrityError', message: /not signed by its creator/ })
  assert.deepEqual(node.goals.submissions, [])
})

/** A node with the goal, signed for the network `main`. */
async function urlOf(t: Parameters<typeof start>[0]): Promise<string> {
  const { server, node } = await start(t)
  node.goals.add(termsOf(GOAL))
  return server.url
}

test('proofs are verified in both shapes; one that was changed is refused', async (t) => {
  let change = (body: string): string => body
  const { client } = await withGoal(t, (body) => change(body))
  const size = 7
  for (let n = 0; n < size; n++) await client.goals.contribute({ ...pack, parameters: utf8(String(n)) })
  for (let index = 0; index < size; index++) assert.equal((await client.goals.proof(GOAL, index)).log_index, index)
  await assert.rejects(client.goals.proof(GOAL, size), {
    name: 'NotFoundError',
    message: 'Log index 7 out of bounds [0, 7)',
  })
  const flip = (hash: string): string => (hash.startsWith('0') ? '1' : '0') + hash.slice(1)
  const changes: ((proof: Proof) => Partial<Proof>)[] = [
    ({ leaf }) => ({ leaf: `${leaf} ` }),
    ({ leaf_hash }) => ({ leaf_hash: flip(leaf_hash) }),
    ({ log_root }) => ({ log_root: flip(log_root) }),
    () => ({ mmr_size: 8 }),
    () => ({ log_index: 3 }),
    ({ siblings }) => ({ siblings: siblings.map((one) => ({ ...one, is_right: !one.is_right })) }),
    ({ siblings }) => ({ siblings: siblings.slice(1) }),
    ({ peaks_bag }) => ({ peaks_bag: peaks_bag.toReversed() }),
    ({ inclusion }) => ({ inclusion: inclusion.map(flip) }),
  ]
  for (const [n, changed] of changes.entries()) {
    change = (body) => {
      const answer = JSON.parse(body)
      return JSON.stringify({ ...answer, data: { ...answer.data, ...changed(answer.data) } })
    }
    await assert.rejects(client.goals.proof(GOAL, 2), { name: 'IntegrityError' }, String(n))
  }
})

test('goals are created, listed, joined and left, and their logs read page by page', async (t) => {
  const { client } = await withGoal(t)
  const created = await client.goals.create({ goal_id: 'second', evaluator: { digest: EVALUATOR } })
  assert.equal(created.joined, true)
  assert.equal((await client.goals.leave('second')).joined, false)
  assert.equal((await client.goals.join('second')).joined, true)
  assert.deepEqual(
    (await client.goals.list({ limit: 1 })).goals.map(({ goal }) => goal.goal_id),
    [GOAL],
  )
  for (let n = 0; n < 3; n++) await client.goals.contribute({ ...pack, parameters: utf8(String(n)) })
  const page = await client.goals.log(GOAL, { from: 1, limit: 1 })
  assert.deepEqual([page.log_size, page.entries.map((one) => one.log_index)], [3, [1]])
})

test('work is given up when the caller wants', async (t) => {
  const { client, node } = await withGoal(t)
  node.goals.add(termsOf(GOAL, { admission: { kind: 'open', difficulty: 32 } }))
  const controller = new AbortController()
  const contributing = client.goals.contribute({ ...pack, signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(contributing, /enough/)
  assert.deepEqual(node.goals.submissions, [])
})
