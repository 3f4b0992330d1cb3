import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { CONSTRAINT_LIMITS } from '../../protocol/constraints.ts'
import {
  createClient,
  NotFoundError,
  operatorKey,
  operatorPublicKey,
  UnauthorizedError,
} from '../../src/client/index.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { newSeed } from '../../src/kernel/identity/keys.ts'
import { signedBody, signedHeaders } from '../support/assurance.ts'
import { NETWORK } from '../support/cells.ts'
import { type ConstraintTerms, signedConstraint } from '../support/constraints.ts'
import { nodeWithServer } from '../support/node-servers.ts'

const ADMIN_KEY = 'the-administrator-key'
const PATH = '/api/v1/constraints'
const SHORT: ConstraintTerms = { kind: 'maximum_length', parameters: { characters: 100 } }
const status = (expected: number) => (error: unknown) => (error as { status?: number }).status === expected

async function start(t: TestContext) {
  const { node, url } = await nodeWithServer(t)
  const admin = createClient({ nodes: url, apiKey: ADMIN_KEY, network: NETWORK })
  const operator = async (operator_id: string) => {
    const seed = newSeed()
    const public_key = toBase64Url(operatorPublicKey(seed))
    const permissions = [{ domain: 'general' as const, jurisdictions: null }]
    await admin.operators.create({ operator_id, algorithm: 'ed25519', public_key, permissions, tier: 'enterprise' })
    const key = operatorKey(operator_id, { seed })
    return { key, client: createClient({ nodes: url, network: NETWORK, operator: key }) }
  }
  const send = async (method: string, path: string, headers: Record<string, string>, body?: object) => {
    const json = { 'Content-Type': 'application/json' }
    const call = body === undefined ? { headers } : { headers: { ...json, ...headers }, body: JSON.stringify(body) }
    const reply = await fetch(url + path, { method, ...call })
    return { status: reply.status, body: (await reply.json()) as { errors: { code: string; message: string }[] } }
  }
  return { node, url, admin, operator, send }
}

test('an operator registers constraints of its own, which others neither see nor remove, and the log does not tell', async (t) => {
  const { admin, operator, node } = await start(t)
  const [{ client: alice }, { client: bob }] = [await operator('alice'), await operator('bob')]
  await admin.constraints.add({ constraint: signedConstraint('short', SHORT) })
  const added = await alice.constraints.add({ constraint: signedConstraint('short', SHORT, 2) })
  assert.deepEqual([added.operator_id, added.registered_by], ['alice', 'operator:alice'])
  await alice.constraints.add({ constraint: signedConstraint('long', SHORT), operator_id: 'alice' })

  const listed = async (client: typeof alice) =>
    (await client.constraints.list()).map(({ operator_id, constraint }) => [operator_id, constraint.constraint_id])
  assert.deepEqual(await listed(alice), [
    ['alice', 'long'],
    ['alice', 'short'],
  ])
  assert.deepEqual(await listed(bob), [])
  assert.deepEqual(await listed(admin), [
    [null, 'short'],
    ['alice', 'long'],
    ['alice', 'short'],
  ])
  assert.equal((await admin.constraints.list({ operator_id: 'alice' })).length, 2)

  await assert.rejects(alice.constraints.add({ constraint: signedConstraint('short', SHORT, 2) }), status(409))
  for (const id of ['short', 'long']) await assert.rejects(bob.constraints.remove(id), NotFoundError)
  const removed = await alice.constraints.remove('short')
  assert.deepEqual([removed.operator_id, removed.constraint.version], ['alice', 2])
  assert.deepEqual(await listed(admin), [
    [null, 'short'],
    ['alice', 'long'],
  ])
  await admin.constraints.remove('long', { operator_id: 'alice' })
  const acts = (await node.audit({})).entries.map(({ act }) => act).filter((act) => act.startsWith('constraint'))
  assert.deepEqual(acts, ['constraint_removed', 'constraint_added'])
})

test("an operator's constraint binds its own questions, and nobody else's", async (t) => {
  const { operator } = await start(t)
  const [{ client: alice }, { client: bob }] = [await operator('alice'), await operator('bob')]
  const parameters = { pattern: 'secret', target: 'query' as const }
  await alice.constraints.add({ constraint: signedConstraint('quiet', { kind: 'forbidden_pattern', parameters }) })
  const ask = { query: 'a secret question', domain: 'general' as const, constraints: ['quiet'] }
  const { response } = await alice.query(ask)
  assert.deepEqual([response.status, response.errors[0]?.code], ['failed', '600'])
  assert.deepEqual(response.payload?.constraints_failed, ['quiet'])
  await assert.rejects(bob.query(ask), status(422))
})

test('who names another operator is refused, and nothing is stored', async (t) => {
  const { admin, operator } = await start(t)
  const [{ client: alice }] = [await operator('alice'), await operator('bob')]
  const forbidden = (error: unknown) => error instanceof UnauthorizedError && error.status === 403
  const order = { constraint: signedConstraint('short', SHORT), operator_id: 'bob' }
  await assert.rejects(alice.constraints.add(order), forbidden)
  await assert.rejects(alice.constraints.list({ operator_id: 'bob' }), forbidden)
  await assert.rejects(alice.constraints.remove('short', { operator_id: 'bob' }), forbidden)
  assert.deepEqual(await admin.constraints.list(), [])
})

test('what is not signed by the operator, changed, or sent again is refused, and nothing is stored', async (t) => {
  const { admin, node, operator, send } = await start(t)
  const { key } = await operator('alice')
  const stranger = operatorKey('alice', { seed: newSeed() })
  const order = { constraint: signedConstraint('short', SHORT) }
  const right = signedBody(key, node, PATH, order)
  const unsigned = { ...right, signature: undefined }
  for (const [name, body, expected] of [
    ['by a stranger', signedBody(stranger, node, PATH, order), 401],
    ['by somebody unknown', signedBody(operatorKey('nobody', { seed: newSeed() }), node, PATH, order), 401],
    ['by nobody', unsigned, 401],
    ['for another path', signedBody(key, node, '/api/v1/webhooks', order), 401],
    ['too old', signedBody(key, node, PATH, order, { at: Date.now() - 301_000 }), 401],
    ['with another payload', { ...right, payload: { constraint: signedConstraint('long', SHORT) } }, 401],
    ['with a field that nobody knows', { ...right, more: 1 }, 400],
    ['without a request id', { ...right, request_id: undefined }, 400],
    ['with an operator that is no text', { ...right, operator_id: {} }, 400],
    ['with a signature that is no text', { ...right, signature: 7 }, 400],
  ] as const) {
    const reply = await send('POST', PATH, {}, body)
    assert.deepEqual([reply.status, reply.body.errors[0]?.code], [expected, String(expected)], name)
  }
  const bare = signedHeaders(key, node, 'GET', PATH)
  assert.equal((await send('DELETE', `${PATH}/short`, bare)).status, 401)
  assert.equal((await send('GET', PATH, {})).status, 401)
  assert.deepEqual(await admin.constraints.list(), [])
  assert.equal((await send('POST', PATH, {}, right)).status, 201)
  assert.equal((await send('POST', PATH, {}, right)).status, 409)
  assert.equal((await admin.constraints.list()).length, 1)
})

test('a signed payload that is no constraint is refused in words, whatever it looks like', async (t) => {
  const { admin, node, operator, send } = await start(t)
  const { key } = await operator('alice')
  const bad = (pattern: string) => ({
    constraint: signedConstraint('bad', { kind: 'forbidden_pattern', parameters: { pattern, target: 'query' } }),
  })
  const signed = signedConstraint('short', SHORT)
  for (const [payload, expected, says] of [
    [{}, 400, /constraint/],
    [[], 400, /body/],
    [{ requests: 5 }, 400, /body/],
    [{ requests: [null] }, 400, /body/],
    [{ query: 'q', context: null }, 400, /body/],
    [{ constraint: { kind: 'magic' } }, 400, /found "magic"/],
    [{ constraint: { ...signed, version: 7 } }, 400, /not signed by its public_key/],
    [bad('('), 422, /pattern/],
    [bad('(a)\\1'), 422, /pattern/],
    [bad('((a{0,9}){0,9}){0,9}'), 422, /instructions/],
  ] as const) {
    const reply = await send('POST', PATH, {}, signedBody(key, node, PATH, payload))
    assert.equal(reply.status, expected, JSON.stringify(payload))
    assert.match(reply.body.errors[0]?.message ?? '', says)
  }
  assert.deepEqual(await admin.constraints.list(), [])
})

test('an operator has as many as it may, also when it sends them all at once, and leaves room for everybody’s', async (t) => {
  const { admin, operator } = await start(t)
  const { client } = await operator('alice')
  const sent = Array.from({ length: CONSTRAINT_LIMITS.perOperator + 20 }, (_, i) =>
    client.constraints.add({ constraint: signedConstraint(`c${i}`, SHORT) }).then(
      () => 201,
      (error: { status?: number }) => error.status,
    ),
  )
  const statuses = await Promise.all(sent)
  assert.deepEqual([...new Set(statuses)].sort(), [201, 507])
  assert.equal(statuses.filter((one) => one === 507).length, 20)
  const kept = await client.constraints.list()
  assert.equal(kept.length, CONSTRAINT_LIMITS.perOperator)
  await admin.constraints.add({ constraint: signedConstraint('c0', SHORT) })
  const newer = signedConstraint(kept[0]!.constraint.constraint_id, SHORT, 2)
  assert.equal((await client.constraints.add({ constraint: newer })).constraint.version, 2)
})
