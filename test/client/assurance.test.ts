import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ClientError,
  createClient,
  NotFoundError,
  operatorKey,
  operatorPublicKey,
  UnauthorizedError,
} from '../../src/client/index.ts'
import { fromBase64Url, toBase64Url } from '../../src/kernel/base/bytes.ts'
import { newSeed } from '../../src/kernel/identity/keys.ts'
import { ScriptedAnswerer, scriptedProver } from '../support/assurance.ts'
import { collected, NETWORK } from '../support/cells.ts'
import { nextEvent } from '../support/node-pairs.ts'
import { nodeWithServer } from '../support/node-servers.ts'
import { startReceiver } from '../support/receiver.ts'

const ADMIN_KEY = 'the-administrator-key'
const permissions = [{ domain: 'general' as const, jurisdictions: null }]

async function start(t: Parameters<typeof nodeWithServer>[0], settings: Readonly<Record<string, string>> = {}) {
  const { node, url } = await nodeWithServer(t, { answerer: new ScriptedAnswerer(), prover: scriptedProver, settings })
  const admin = createClient({ nodes: url, apiKey: ADMIN_KEY, network: NETWORK })
  const seed = newSeed()
  const public_key = toBase64Url(operatorPublicKey(seed))
  const made = await admin.operators.create({ algorithm: 'ed25519', public_key, permissions, tier: 'enterprise' })
  const operator = operatorKey(made.operator_id, { seed })
  return { node, url, admin, operator, client: createClient({ nodes: url, network: NETWORK, operator }) }
}

test('the SDK asks signed questions, and tells an answer that was rejected from none', async (t) => {
  const { client, operator } = await start(t)
  const { request, response } = await client.query({ query: 'hello', domain: 'general', proof: true })
  assert.equal(request.operator_id, operator.operatorId)
  assert.equal(response.request_id, request.request_id)
  assert.equal(response.payload?.result, 'hello')
  assert.notEqual(response.proof, undefined)
  const rejected = await client.query({ query: '600', domain: 'general' })
  assert.deepEqual([rejected.response.status, rejected.response.errors[0]?.code], ['failed', '600'])
  await assert.rejects(client.query({ query: '603', domain: 'general' }), (error) => {
    assert.ok(error instanceof ClientError)
    assert.deepEqual([error.code, error.status], ['603', 422])
    return true
  })
  await assert.rejects(client.query({ query: 'q', domain: 'legal' }), UnauthorizedError)
})

test('the SDK manages operators, and signs with the secret that it got', async (t) => {
  const { admin, url, client } = await start(t)
  const made = await admin.operators.create({ operator_id: 'team', algorithm: 'hmac-sha256', permissions })
  const team = operatorKey('team', { secret: fromBase64Url(made.secret!) })
  await client.query({ query: 'q', domain: 'general', operator: team })
  assert.equal((await admin.operators.list()).total, 2)
  const { secret } = await admin.operators.rotate('team')
  await assert.rejects(client.query({ query: 'q', domain: 'general', operator: team }), UnauthorizedError)
  const again = operatorKey('team', { secret: fromBase64Url(secret!) })
  await client.query({ query: 'q', domain: 'general', operator: again })
  assert.equal((await admin.operators.suspend('team')).status, 'suspended')
  await assert.rejects(client.query({ query: 'q', domain: 'general', operator: again }), UnauthorizedError)
  const nobody = createClient({ nodes: url, network: NETWORK })
  await assert.rejects(nobody.query({ query: 'q', domain: 'general' }), { code: 'INVALID_ARGUMENT' })
})

test('the SDK submits a batch, follows it, and reads its answers page by page', async (t) => {
  const { node, client } = await start(t)
  const questions = Array.from({ length: 120 }, (_, i) => ({ query: `q${i}`, domain: 'general' as const }))
  const complete = nextEvent(node, 'batch_complete')
  const { batch_id } = await client.batch.submit(questions)
  await complete
  assert.equal((await client.batch.status(batch_id)).progress, 1)
  const results = await collected(client.batch.results(batch_id, { offset: 5 }))
  assert.deepEqual(
    results.map(({ response }) => response.payload?.result),
    questions.slice(5).map(({ query }) => query),
  )
  assert.equal((await client.batch.cancel(batch_id)).status, 'completed')
})

test('an operator has webhooks of its own, which hear of its own questions alone', async (t) => {
  const { admin, client, url } = await start(t, { 'assurance.webhooks_allow_private': 'true' })
  const receiver = await startReceiver(t)
  const made = await client.webhooks.create({ url: receiver.url, events: ['verification_complete'] })
  assert.equal(made.status, 'active')
  const seed = newSeed()
  const public_key = toBase64Url(operatorPublicKey(seed))
  await admin.operators.create({ operator_id: 'other', algorithm: 'ed25519', public_key, permissions })
  const other = createClient({ nodes: url, network: NETWORK, operator: operatorKey('other', { seed }) })
  await other.query({ query: 'theirs', domain: 'general' })
  const { request } = await client.query({ query: 'mine', domain: 'general' })
  const [received] = await receiver.has(1)
  received!.verify(made.secret)
  assert.deepEqual(
    [received!.event.event_type, received!.event.request_id],
    ['verification_complete', request.request_id],
  )
  assert.deepEqual(await other.webhooks.list(), [])
  await assert.rejects(other.webhooks.get(made.webhook_id), NotFoundError)
  assert.deepEqual(await admin.webhooks.list(), [])
  await assert.rejects(client.webhooks.create({ url: receiver.url, events: ['peer.banned'] }), { status: 422 })
  await client.webhooks.remove(made.webhook_id)
  assert.deepEqual(await client.webhooks.list(), [])
})
