import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { Compile } from 'typebox/compile'
import { GoalFailure } from '../../protocol/goal-api.ts'
import { documentPath } from '../../scripts/openapi-document.ts'
import { answersOf } from '../../src/http/answers.ts'
import { ROUTES } from '../../src/http/routes.ts'
import { fromHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import {
  contributorKey,
  packExtras,
  packHash,
  signContribution,
} from '../../src/kernel/identity/contribution-signature.ts'
import { newSeed } from '../../src/kernel/identity/keys.ts'
import { leafHash } from '../../src/kernel/log/tree.ts'
import { verifyInclusion, verifyMmrInclusion } from '../../src/kernel/log/verify.ts'
import { EVALUATOR, METRICS, termsOf } from '../support/fake-goals.ts'
import { ADMIN, type Harness, type Reply, start } from './harness.ts'

const GOAL = 'my-goal'
const CONTRIBUTE = '/api/v1/contribute'
const API_KEY = 'a-shared-key'

async function withGoal(...args: Parameters<typeof start>): Promise<Harness> {
  const harness = await start(...args)
  harness.node.goals.add(termsOf(GOAL))
  return harness
}

/** The body of a contribution whose parameters are `text`, signed. */
async function signed({ node }: Harness, text: string, more: { metadata?: Record<string, string> } = {}) {
  const parameters = utf8(text)
  const terms = { packHash: packHash('1.0', parameters), extras: packExtras(more), difficulty: 4 }
  const goal = node.goals.get(GOAL).digest
  const record = await signContribution(contributorKey(newSeed()), 'main', { goal, ...terms })
  const { contributor_id, public_key, signature, work } = record
  const agent_pack = { version: '1.0', parameters: Buffer.from(text).toString('base64'), ...more }
  return { goal_id: GOAL, agent_pack, contributor_id, public_key, signature, work }
}

const data = (reply: Reply): Record<string, unknown> => {
  const body = reply.json()
  assert.equal(body.success, true, reply.text)
  assert.equal(body.error, null)
  assert.ok(Math.abs(Date.now() - Number(body.timestamp)) < 60_000)
  return body.data as Record<string, unknown>
}

const failure = Compile(GoalFailure)

/** What an error of this family says. */
const refused = (reply: Reply, status: number): string => {
  assert.equal(reply.status, status, reply.text)
  const body = reply.json()
  assert.ok(failure.Check(body), reply.text)
  return body.error
}

/** The answer has the schema that the route table gives it. */
function fits(reply: Reply, method: string, path: string): void {
  const route = ROUTES.find((one) => one.method === method && documentPath(one) === path)!
  const schema = Compile(answersOf(route)[reply.status]!.schema!)
  const body = reply.json()
  assert.deepEqual(schema.Check(body) ? [] : schema.Errors(body), [])
}

test('a signed contribution is judged, and everything about its goal follows in the envelope', async (t) => {
  const harness = await withGoal(t)
  const { send, node } = harness
  const bodies = []
  for (const text of ['a', 'b', 'c', 'd', 'e'])
    bodies.push(await signed(harness, text, { metadata: { strategy: text } }))
  for (const [index, body] of bodies.entries()) {
    const reply = await send({ method: 'POST', path: CONTRIBUTE, body: { ...body, seed: 12345 } })
    assert.equal(reply.status, 200)
    fits(reply, 'POST', CONTRIBUTE)
    const { contribution_id, ...verdict } = data(reply)
    assert.match(String(contribution_id), /^[0-9a-f]{64}$/)
    const accepted = { accepted: true, reason: 'ACCEPTED', rejection_type: null, metrics: METRICS, score: 1 }
    assert.deepEqual(verdict, { ...accepted, log_index: index, seed: 12345 })
  }
  const leaderboard = await send({ path: `/api/v1/leaderboard/${GOAL}?limit=2` })
  fits(leaderboard, 'GET', '/api/v1/leaderboard/{goal_id}')
  const { entries, total, goal_id } = data(leaderboard) as {
    entries: { rank: number }[]
    total: number
    goal_id: string
  }
  assert.deepEqual([entries.map(({ rank }) => rank), total, goal_id], [[1, 2], 5, GOAL])

  const status = await send({ path: `/api/v1/status/${GOAL}` })
  fits(status, 'GET', '/api/v1/status/{goal_id}')
  assert.deepEqual(data(status), node.goals.status(GOAL))

  const policy = await send({ path: `/api/v1/policy/${GOAL}` })
  fits(policy, 'GET', '/api/v1/policy/{goal_id}')
  assert.deepEqual(data(policy), { goal_id: GOAL, active_policy: entries[0] })
})

test('a goal without contributions has no active policy, an empty leaderboard and an empty log', async (t) => {
  const { send } = await withGoal(t)
  assert.deepEqual(data(await send({ path: `/api/v1/policy/${GOAL}` })), { goal_id: GOAL, active_policy: null })
  assert.deepEqual(data(await send({ path: `/api/v1/leaderboard/${GOAL}` })), { goal_id: GOAL, entries: [], total: 0 })
  const log = data(await send({ path: `/api/v1/log/${GOAL}` }))
  assert.deepEqual([log.log_size, log.from_index, log.limit, log.entries], [0, 0, 100, []])
})

test("a goal's log is read page by page, beside the node's own log", async (t) => {
  const harness = await withGoal(t)
  const { send } = harness
  for (const text of ['a', 'b', 'c'])
    await send({ method: 'POST', path: CONTRIBUTE, body: await signed(harness, text) })
  const page = async (query: string) => {
    const reply = await send({ path: `/api/v1/log/${GOAL}${query}` })
    fits(reply, 'GET', '/api/v1/log/{goal_id}')
    return data(reply) as { log_size: number; log_root: string; entries: { log_index: number; leaf: string }[] }
  }
  const indexes = async (query: string) => (await page(query)).entries.map(({ log_index }) => log_index)
  assert.deepEqual(await indexes(''), [0, 1, 2])
  assert.deepEqual(await indexes('?limit=2'), [0, 1])
  assert.deepEqual(await indexes('?from=2&limit=2'), [2])
  assert.deepEqual(await indexes('?from=3'), [])
  const { log_root, log_size, entries } = await page('')
  assert.equal(log_size, 3)
  assert.equal((await send({ path: '/api/v1/log/checkpoint' })).text, 'origin\n1\nroot\n')
  assert.deepEqual((await send({ path: '/api/v1/log/inclusion?log_index=0' })).json().hashes, [])
  assert.equal((await send({ path: '/api/v1/log/witnesses' })).status, 200)
  const hash = leafHash(utf8(entries[2]!.leaf))
  const proof = data(await send({ path: `/api/v1/proof/${GOAL}/2` })) as { inclusion: string[] }
  const claim = { leafHash: hash, index: 2, size: 3, root: fromHex(log_root) }
  assert.ok(verifyInclusion(claim, proof.inclusion.map(fromHex)))
  for (const query of ['?limit=0', '?limit=1001', '?from=-1', '?from=x']) {
    assert.match(refused(await send({ path: `/api/v1/log/${GOAL}${query}` }), 400), /^(limit|from): found /)
  }
})

test('a proof has the documented shape, and holds in both', async (t) => {
  const harness = await withGoal(t)
  const { send } = harness
  const size = 11
  for (let n = 0; n < size; n++) {
    await send({ method: 'POST', path: CONTRIBUTE, body: await signed(harness, String(n)) })
  }
  for (let index = 0; index < size; index++) {
    const reply = await send({ path: `/api/v1/proof/${GOAL}/${index}` })
    fits(reply, 'GET', '/api/v1/proof/{goal_id}/{log_index}')
    const proof = data(reply) as {
      leaf: string
      leaf_hash: string
      siblings: { hash: string; is_right: boolean }[]
      peaks_bag: string[]
      mmr_size: number
      log_root: string
      inclusion: string[]
    }
    const hash = leafHash(utf8(proof.leaf))
    assert.deepEqual(fromHex(proof.leaf_hash), hash)
    const claim = { leafHash: hash, index, size: proof.mmr_size, root: fromHex(proof.log_root) }
    const siblings = proof.siblings.map((one) => fromHex(one.hash))
    assert.ok(verifyMmrInclusion(claim, { siblings, peaks: proof.peaks_bag.map(fromHex) }))
    assert.ok(verifyInclusion(claim, proof.inclusion.map(fromHex)))
    // 11 leaves are trees of 8, 2 and 1.
    const first = index < 8 ? 0 : index < 10 ? 8 : 10
    for (const [level, { is_right }] of proof.siblings.entries()) {
      assert.equal(is_right, ((index - first) >> level) % 2 === 0, `${index}, ${level}`)
    }
  }
  for (const index of [size, size + 1, Number.MAX_SAFE_INTEGER, -1]) {
    const says = refused(await send({ path: `/api/v1/proof/${GOAL}/${index}` }), 404)
    assert.equal(says, `Log index ${index} out of bounds [0, ${size})`)
  }
  for (const index of ['x', '1.5', '01', '99999999999999999999', '%20']) {
    assert.match(refused(await send({ path: `/api/v1/proof/${GOAL}/${index}` }), 400), /^log_index: found /)
  }
})

test('parameters and proofs are base64, padded or not, and reach the node as base64url', async (t) => {
  const harness = await withGoal(t)
  const { send, node } = harness
  const body = await signed(harness, '')
  const submit = (parameters: string, proofs: Record<string, string> = {}) =>
    send({
      method: 'POST',
      path: CONTRIBUTE,
      body: { ...body, agent_pack: { ...body.agent_pack, parameters }, proofs },
    })
  for (const [sent, taken] of [
    ['', ''],
    ['+/8=', '-_8'],
    ['+/8', '-_8'],
    ['SGVsbG8gV29ybGQ=', 'SGVsbG8gV29ybGQ'],
    ['AA==', 'AA'],
    ['AA', 'AA'],
    ['+/+/', '-_-_'],
  ] as const) {
    assert.equal((await submit(sent, { zk: sent })).status, 200, sent)
    const submission = node.goals.submissions.at(-1)!
    assert.deepEqual([submission.agent_pack.parameters, submission.proofs], [taken, { zk: taken }])
  }
  const before = node.goals.submissions.length
  // Others letters, a lone letter, padding that is wrong, bits that stand for nothing.
  for (const bad of [
    '-_8',
    '*',
    'A',
    'AAAAA',
    'AA=',
    'AAA==',
    'AAAA=',
    '=',
    '====',
    'AB',
    'AAB=',
    'A A=',
    'AA==\n',
    'AA==AA==',
  ]) {
    const says = refused(await submit(bad), 400)
    assert.equal(says.startsWith('agent_pack.parameters: found '), true, says)
    assert.match(says, /allowed is base64/)
    assert.match(refused(await submit('AA', { zk: bad }), 400), /^proofs\.zk: found /)
  }
  assert.equal(node.goals.submissions.length, before)
})

test('a contribution that is malformed is 400, and the message names the field', async (t) => {
  const harness = await withGoal(t)
  const { send, node } = harness
  const body = await signed(harness, 'a')
  const { agent_pack } = body
  for (const [wrong, says] of [
    [{ ...body, goal_id: undefined }, /^goal_id is missing/],
    [{ ...body, goal_id: 'a goal' }, /^goal_id: found "a goal"/],
    [{ ...body, goal_id: 'checkpoint' }, /^goal_id: found "checkpoint"/],
    [{ ...body, goal_id: 'x'.repeat(65) }, /^goal_id: found /],
    [{ ...body, agent_pack: undefined }, /^agent_pack is missing/],
    [{ ...body, agent_pack: 'SGVsbG8=' }, /^agent_pack: found /],
    [{ ...body, agent_pack: { ...agent_pack, parameters: 7 } }, /^agent_pack\.parameters: found 7/],
    [{ ...body, agent_pack: { ...agent_pack, metadata: { a: 1 } } }, /^agent_pack\.metadata\.a: found 1/],
    [{ ...body, proofs: ['AA'] }, /^proofs: found /],
    [{ ...body, contributor_id: undefined }, /^contributor_id is missing/],
    [{ ...body, seed: 1.5 }, /^seed: found 1.5/],
    ['{', /^body: /],
  ] as const) {
    const headers = { 'Content-Type': 'application/json' }
    assert.match(refused(await send({ method: 'POST', path: CONTRIBUTE, headers, body: wrong }), 400), says)
  }
  assert.deepEqual(node.goals.submissions, [])
  const text = await send({ method: 'POST', path: CONTRIBUTE, headers: { 'Content-Type': 'text/plain' }, body: 'x' })
  assert.match(refused(text, 415), /Content-Type/)
  const large = { ...body, agent_pack: { ...agent_pack, parameters: 'A'.repeat(1_100_000) } }
  refused(await send({ method: 'POST', path: CONTRIBUTE, body: large }), 413)
  // As large as it may be, it is read; whether it fits the contract is the node's verdict.
  const largest = { ...body, agent_pack: { ...agent_pack, parameters: 'A'.repeat(4 * 128 * 1024 + 4) } }
  assert.equal((await send({ method: 'POST', path: CONTRIBUTE, body: largest })).status, 200)
})

test('errors of the node come in the envelope: too fast, not joined, a fault', async (t) => {
  const harness = await withGoal(t)
  const { send, node } = harness
  const body = await signed(harness, 'a')
  node.goals.failure = new ProviderError('PROV_013', 'three contributions a second')
  const fast = await send({ method: 'POST', path: CONTRIBUTE, body })
  assert.equal(refused(fast, 429), 'Rate limited')
  assert.match(String(fast.headers['retry-after']), /^[1-9][0-9]*$/)
  node.goals.failure = new Error('a secret path: /var/lib')
  const says = refused(await send({ method: 'POST', path: CONTRIBUTE, body }), 500)
  assert.match(says, /^Internal error/)
  assert.doesNotMatch(says, /secret/)
  node.goals.add(termsOf(GOAL), false)
  assert.match(refused(await send({ method: 'POST', path: CONTRIBUTE, body }), 409), /not joined/)
  assert.match(refused(await send({ path: `/api/v1/leaderboard/${GOAL}` }), 409), /not joined/)
})

test('an unknown goal is 404 everywhere, and one request too many is 429 in the words of the document', async (t) => {
  const { send } = await start(t, { rate_per_minute: { anonymous: 5, reader: 1, publisher: 1, admin: 0 } })
  const paths = ['leaderboard/none', 'status/none', 'log/none', 'policy/none', 'proof/none/0']
  for (const path of paths) assert.match(refused(await send({ path: `/api/v1/${path}` }), 404), /no goal none/)
  const last = await send({ path: '/api/v1/goals/none' })
  assert.equal(refused(last, 429), 'Rate limited')
  assert.equal(last.json().code, 'PROV_013')
  for (const path of ['goals/none/join', 'goals/none/leave']) {
    const reply = await send({ method: 'POST', path: `/api/v1/${path}`, headers: ADMIN })
    assert.match(refused(reply, 404), /no goal none/)
  }
})

test('goals are created by an administrator, with what is left out as the contract says', async (t) => {
  const { send, node } = await start(t)
  const create = (body: object, headers: Record<string, string> = ADMIN) =>
    send({ method: 'POST', path: '/api/v1/goals', headers, body })
  const created = await create({ goal_id: GOAL, evaluator: { digest: EVALUATOR } })
  assert.equal(created.status, 201, created.text)
  fits(created, 'POST', '/api/v1/goals')
  const { goal, joined, digest } = data(created) as { goal: Record<string, unknown>; joined: boolean; digest: string }
  assert.equal(joined, true)
  assert.equal(digest, node.goals.get(GOAL).digest)
  const { type, format, creator, created_at, signature, ...terms } = goal
  assert.deepEqual(terms, {
    goal_id: GOAL,
    name: GOAL,
    description: '',
    evaluator: { digest: EVALUATOR, fuel: 100_000_000, memory_pages: 16 },
    seeds: [0],
    admission: { kind: 'open', difficulty: 16 },
    per_contributor: 100,
    weights: { reward: 1, risk: -0.5, complexity: -0.01 },
    min_score: null,
    mode: 'scalar',
    capacity: 100,
    invariants: {},
    proofs: [],
  })
  refused(await create({ goal_id: GOAL, evaluator: { digest: EVALUATOR } }), 409)
  const wrong = { goal_id: 'other', evaluator: { digest: EVALUATOR } }
  for (const [body, says] of [
    [{ ...wrong, goal_id: 'tile' }, /^goal_id: found "tile"/],
    [{ goal_id: 'other' }, /^evaluator is missing/],
    [{ ...wrong, evaluator: { digest: 'sha256:x' } }, /^evaluator\.digest: found/],
    [{ ...wrong, capacity: 1001 }, /^capacity: found 1001/],
    [{ ...wrong, seeds: [] }, /^seeds: found/],
    [{ ...wrong, min_scores: 1 }, /^min_scores is not a known field/],
  ] as const) {
    assert.match(refused(await create(body), 400), says)
  }
  refused(await create(wrong, {}), 401)

  node.goals.add(termsOf('another'), false)
  const listed = await send({ path: '/api/v1/goals?limit=1&offset=1' })
  fits(listed, 'GET', '/api/v1/goals')
  const list = data(listed) as { goals: { goal: { goal_id: string } }[]; total: number }
  assert.deepEqual([list.goals.map((one) => one.goal.goal_id), list.total], [[GOAL], 2])
  const one = await send({ path: '/api/v1/goals/another' })
  fits(one, 'GET', '/api/v1/goals/{goal_id}')
  assert.equal(data(one).joined, false)

  for (const verb of ['join', 'leave']) {
    const path = `/api/v1/goals/another/${verb}`
    const reply = await send({ method: 'POST', path, headers: ADMIN })
    fits(reply, 'POST', `/api/v1/goals/{goal_id}/${verb}`)
    assert.equal(data(reply).joined, verb === 'join')
    refused(await send({ method: 'POST', path }), 401)
  }
  assert.deepEqual(node.goals.acts, [
    `create ${GOAL} admin`,
    `create ${GOAL} admin`,
    'join another admin',
    'leave another admin',
  ])
})

test('with an api_key, contributing needs it or a publisher, and nothing else does', async (t) => {
  const harness = await withGoal(t, { api_key: API_KEY })
  const { send, node } = harness
  node.presented.set('reader-key', { keyId: '1'.repeat(16), role: 'reader' })
  node.presented.set('publisher-key', { keyId: '2'.repeat(16), role: 'publisher' })
  const contribute = async (headers: Record<string, string>) =>
    send({ method: 'POST', path: CONTRIBUTE, headers, body: await signed(harness, 'a') })
  assert.match(refused(await contribute({}), 401), /needs the agent network's api_key or a publisher's key/)
  assert.match(refused(await contribute({ 'X-API-Key': 'reader-key' }), 401), /needs the agent network's api_key/)
  assert.match(refused(await contribute({ 'X-API-Key': `${API_KEY}x` }), 401), /credential is wrong/)
  for (const key of [
    { 'X-API-Key': API_KEY },
    { Authorization: `Bearer ${API_KEY}` },
    { 'X-API-Key': 'publisher-key' },
    ADMIN,
  ])
    assert.equal(data(await contribute(key)).accepted, true)
  // Missing is told before the body is read.
  refused(
    await send({ method: 'POST', path: CONTRIBUTE, headers: { 'Content-Type': 'application/json' }, body: '{' }),
    401,
  )
  for (const headers of [{}, { 'X-API-Key': API_KEY }] as Record<string, string>[]) {
    assert.equal((await send({ path: `/api/v1/status/${GOAL}`, headers })).status, 200)
    assert.equal((await send({ path: '/health', headers })).status, 200)
  }
  const key = { 'X-API-Key': API_KEY }
  assert.equal((await send({ path: '/api/v1/keys', headers: key })).status, 401)
  const body = { goal_id: 'other', evaluator: { digest: EVALUATOR } }
  assert.match(
    refused(await send({ method: 'POST', path: '/api/v1/goals', headers: key, body }), 403),
    /administrator's key/,
  )
})

test('without an api_key nobody needs a key to contribute, and a wrong one is refused all the same', async (t) => {
  const harness = await withGoal(t)
  const { send } = harness
  const body = await signed(harness, 'a')
  refused(await send({ method: 'POST', path: CONTRIBUTE, headers: { 'X-API-Key': API_KEY }, body }), 401)
  assert.equal(data(await send({ method: 'POST', path: CONTRIBUTE, body })).accepted, true)
})

test('where reading is closed, the api_key reads about goals and nothing else', async (t) => {
  const { send } = await withGoal(t, { api_key: API_KEY, open_reading: false })
  const key = { 'X-API-Key': API_KEY }
  refused(await send({ path: `/api/v1/status/${GOAL}` }), 401)
  assert.equal((await send({ path: `/api/v1/status/${GOAL}`, headers: key })).status, 200)
  assert.equal((await send({ path: '/api/v1/repository/cells', headers: key })).status, 401)
})

test('the api_key is limited for each address, like callers without a key', async (t) => {
  const rate_per_minute = { anonymous: 0, reader: 2, publisher: 0, admin: 0 }
  const { send } = await withGoal(t, { api_key: API_KEY, rate_per_minute, trusted_proxies: ['127.0.0.1'] })
  const status = async (from: string) => {
    const headers = { 'X-API-Key': API_KEY, 'X-Forwarded-For': from }
    return (await send({ path: `/api/v1/status/${GOAL}`, headers })).status
  }
  assert.deepEqual([await status('192.0.2.1'), await status('192.0.2.1'), await status('192.0.2.1')], [200, 200, 429])
  assert.equal(await status('192.0.2.2'), 200)
})

test('large bodies that are read at once are bounded for each address; usual ones are not held up', async (t) => {
  const harness = await withGoal(t)
  const { port, send } = harness
  const headers = { 'Content-Type': 'application/json', 'Content-Length': 1024 * 1024 }
  const begun = Array.from({ length: 9 }, () => {
    const outgoing = request({ port, host: '127.0.0.1', method: 'POST', path: CONTRIBUTE, headers })
    const answered = once(outgoing, 'response').then(([answer]) => (answer as IncomingMessage).statusCode)
    // Those that are let in are broken off below.
    answered.catch(() => undefined)
    outgoing.write('{')
    return { outgoing, answered }
  })
  // Eight have room, whichever they are.
  const first = await Promise.race(begun.map(({ answered }) => answered))
  const usual = await send({ method: 'POST', path: CONTRIBUTE, body: await signed(harness, 'a') })
  for (const { outgoing } of begun) outgoing.destroy()
  assert.deepEqual([first, usual.status], [429, 200])
})
