import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TIERS } from '../../protocol/operators.ts'
import { fromBase64Url, toBase64Url } from '../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { newSeed } from '../../src/kernel/identity/keys.ts'
import {
  type OperatorKey,
  operatorKey,
  operatorPublicKey,
  operatorRequestBytes,
} from '../../src/kernel/identity/operator-request.ts'
import type { RunningNode } from '../../src/node/node.ts'
import {
  newOperator,
  question,
  ScriptedAnswerer,
  scriptedProver,
  signedBody,
  signedHeaders,
} from '../support/assurance.ts'
import { NETWORK, TestClock, temporaryFolder } from '../support/cells.ts'
import { nextEvent, nodeInProcess } from '../support/node-pairs.ts'

const QUERY = '/api/v1/query'
const ARRIVAL = { method: 'POST', path: QUERY }
const STATUS = '/api/v1/batch/x/status'
const DAY_MS = 24 * 60 * 60 * 1000

async function start(t: TestContext, options: Parameters<typeof nodeInProcess>[1] = {}) {
  const clock = new TestClock(Date.now())
  const answerer = new ScriptedAnswerer()
  const started = await nodeInProcess(t, { clock, answerer, prover: scriptedProver, ...options })
  return { ...started, answerer, clock }
}

const verify = (node: RunningNode, key: OperatorKey, options: Parameters<typeof signedBody>[4] = {}) =>
  node.assurance.verifyRequest(signedBody(key, node, QUERY, question('q'), options), ARRIVAL)

const refusedWith =
  (status: number, words = /./) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ProviderError, String(error))
    assert.equal(error.status, status, error.message)
    assert.match(error.message, words)
    return true
  }

test('an operator is known by its key or its secret, also after a restart; the secret is in the data directory sealed only', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'data')
  const first = await start(t, { dataDir })
  const signing = await newOperator(first.node)
  const created = await first.node.assurance.createOperator(
    {
      operator_id: 'team@example.org',
      algorithm: 'hmac-sha256',
      permissions: [{ domain: 'general', jurisdictions: null }],
    },
    'admin',
  )
  const secret = fromBase64Url(created.secret!)
  assert.equal(secret.length, 32)
  const sealing = operatorKey('team@example.org', { secret })
  for (const key of [signing, sealing]) await verify(first.node, key)
  assert.doesNotMatch(JSON.stringify(first.node.assurance.listOperators()), new RegExp(created.secret!))
  const { entries } = await first.node.audit({})
  assert.deepEqual(
    entries.map(({ act }) => act),
    ['operator_created', 'operator_created'],
  )
  assert.doesNotMatch(JSON.stringify(entries), new RegExp(created.secret!))
  await first.stop()

  const again = await start(t, { dataDir })
  for (const key of [signing, sealing]) await verify(again.node, key)
  await again.stop()
  const raw = Buffer.from(secret)
  for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    assert.ok(!bytes.includes(raw) && !bytes.includes(created.secret!), entry.name)
  }
})

test('who does not sign rightly is refused in the same words: unknown, another key, another algorithm, no secret, suspended', async (t) => {
  const { node } = await start(t)
  const ed25519 = await newOperator(node)
  const hmac = await newOperator(node, { algorithm: 'hmac-sha256' })
  const suspended = await newOperator(node)
  await node.assurance.suspendOperator(suspended.operatorId, 'admin')
  const { public_key } = node.assurance.listOperators().operators.find((one) => one.operator_id === ed25519.operatorId)!
  const seed = newSeed()
  const hmacWith = (operatorId: string, secret: Uint8Array): OperatorKey => ({
    operatorId,
    algorithm: 'hmac-sha256',
    sign: (message) => new Uint8Array(createHmac('sha256', secret).update(message).digest()),
  })
  const wrong: Record<string, OperatorKey> = {
    unknown: operatorKey('nobody', { seed }),
    'unknown, with a secret': operatorKey('nobody', { secret: seed }),
    'another key': operatorKey(ed25519.operatorId, { seed }),
    'another secret': operatorKey(hmac.operatorId, { secret: seed }),
    'a public key as the secret': hmacWith(ed25519.operatorId, fromBase64Url(public_key!)),
    'a public key in text as the secret': hmacWith(ed25519.operatorId, Buffer.from(public_key!)),
    'an empty secret': hmacWith(hmac.operatorId, new Uint8Array()),
    'a key where there is a secret': operatorKey(hmac.operatorId, { seed }),
    suspended,
  }
  const words = new Set<string>()
  for (const [name, key] of Object.entries(wrong)) {
    await assert.rejects(verify(node, key), (error) => {
      assert.ok(error instanceof ProviderError)
      assert.equal(error.status, 401, name)
      words.add(error.message)
      return true
    })
  }
  assert.equal(words.size, 1)
})

test('a signature is for one node, one method and path, and every byte of the request', async (t) => {
  const { node } = await start(t)
  const key = await newOperator(node)
  const other = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'
  await assert.rejects(verify(node, key, { audience: other }), refusedWith(401))
  const body = signedBody(key, node, QUERY, question('q'))
  const changed = [
    { ...body, request_id: randomUUID() },
    { ...body, timestamp: new Date(Date.now() + 1000).toISOString() },
    { ...body, payload: question('another') },
    { ...body, payload: question('q', { return_proof: true }) },
  ]
  for (const one of changed) await assert.rejects(node.assurance.verifyRequest(one, ARRIVAL), refusedWith(401))
  for (const arrival of [
    { ...ARRIVAL, method: 'PUT' },
    { ...ARRIVAL, path: '/api/v1/batch' },
    { ...ARRIVAL, path: `${QUERY}?a` },
  ]) {
    await assert.rejects(node.assurance.verifyRequest(body, arrival), refusedWith(401))
  }
  // The network is part of what is signed.
  const { signature: _, ...unsigned } = body
  const message = operatorRequestBytes('elsewhere', unsigned, { audience: node.providerId, ...ARRIVAL })
  const elsewhere = { ...unsigned, signature: toBase64Url(key.sign(message)) }
  await assert.rejects(node.assurance.verifyRequest(elsewhere, ARRIVAL), refusedWith(401))
  await node.assurance.verifyRequest(body, ARRIVAL)
})

test('a request is taken once, within five minutes of its timestamp, across a restart', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const first = await start(t, { dataDir })
  const key = await newOperator(first.node)
  const now = first.clock.now()
  for (const at of [now - 301_000, now + 301_000]) {
    await assert.rejects(verify(first.node, key, { at }), refusedWith(401, /300 s/))
  }
  for (const at of [now - 299_000, now + 299_000]) await verify(first.node, key, { at })
  const body = signedBody(key, first.node, QUERY, question('q'), { at: now })
  const path = { method: 'GET', path: STATUS }
  const headers = signedHeaders(key, first.node, 'GET', STATUS, { at: now })
  const asSent = {
    operator_id: key.operatorId,
    ts: headers['X-Timestamp']!,
    nonce: headers['X-Nonce']!,
    signature: headers['X-Signature']!,
  }
  await first.node.assurance.verifyRequest(body, ARRIVAL)
  await first.node.assurance.verifyHeaders(asSent, path)
  const upper = { ...body, request_id: body.request_id.toUpperCase() }
  await assert.rejects(first.node.assurance.verifyRequest(body, ARRIVAL), refusedWith(409, /used before/))
  await assert.rejects(first.node.assurance.verifyHeaders(asSent, path), refusedWith(409, /used before/))
  await assert.rejects(first.node.assurance.verifyRequest(upper, ARRIVAL), refusedWith(401))
  await first.stop()
  const again = await start(t, { dataDir, clock: first.clock })
  await assert.rejects(again.node.assurance.verifyRequest(body, ARRIVAL), refusedWith(409, /used before/))
  // Another operator may use the same id.
  await verify(again.node, await newOperator(again.node), { requestId: body.request_id, at: now })
})

test('a timestamp without an offset from UTC is none', async (t) => {
  const { node } = await start(t)
  const key = await newOperator(node)
  for (const timestamp of ['2026-01-31T12:00:00', '2026-01-31 12:00:00Z', 'Sat, 31 Jan 2026 12:00:00']) {
    const { signature: _, ...body } = { ...signedBody(key, node, QUERY, question('q')), timestamp }
    const message = operatorRequestBytes(NETWORK, body, { audience: node.providerId, ...ARRIVAL })
    const signed = { ...body, signature: toBase64Url(key.sign(message)) }
    await assert.rejects(node.assurance.verifyRequest(signed, ARRIVAL), refusedWith(400, /timestamp/))
  }
})

test('an operator asks about its domains and jurisdictions only; a country covers its subdivisions', async (t) => {
  const { node } = await start(t)
  const key = await newOperator(node, {
    permissions: [
      { domain: 'legal', jurisdictions: ['EU', 'US-CA'] },
      { domain: 'finance', jurisdictions: ['US'] },
    ],
  })
  const ask = (context: ReturnType<typeof question>['context']) =>
    node.assurance.verifyRequest(signedBody(key, node, QUERY, { query: 'q', context }), ARRIVAL)
  for (const context of [
    { domain: 'legal', jurisdiction: 'EU' },
    { domain: 'legal', jurisdiction: 'US-CA' },
    { domain: 'finance', jurisdiction: 'US-DE' },
  ] as const) {
    await ask(context)
  }
  for (const context of [
    { domain: 'medical' },
    { domain: 'legal' },
    { domain: 'legal', jurisdiction: 'US' },
    { domain: 'legal', jurisdiction: 'US-DE' },
    { domain: 'finance', jurisdiction: 'USA' },
  ] as const) {
    await assert.rejects(ask(context), refusedWith(403))
  }
})

test('a key that is rotated ends at once, and a suspension with it', async (t) => {
  const { node } = await start(t)
  const old = await newOperator(node)
  await node.assurance.suspendOperator(old.operatorId, 'admin')
  const seed = newSeed()
  const public_key = toBase64Url(operatorPublicKey(seed))
  const rotated = await node.assurance.rotateOperator(old.operatorId, { public_key }, 'admin')
  assert.equal(rotated.status, 'active')
  await assert.rejects(verify(node, old), refusedWith(401))
  await verify(node, operatorKey(old.operatorId, { seed }))
  const sealed = await newOperator(node, { algorithm: 'hmac-sha256' })
  const { secret } = await node.assurance.rotateOperator(sealed.operatorId, {}, 'admin')
  await assert.rejects(verify(node, sealed), refusedWith(401))
  await verify(node, operatorKey(sealed.operatorId, { secret: fromBase64Url(secret!) }))
  await assert.rejects(node.assurance.rotateOperator('nobody', {}, 'admin'), refusedWith(404))
  await assert.rejects(node.assurance.rotateOperator(old.operatorId, { public_key }, 'admin'), refusedWith(400))
})

test('what is no operator is not registered', async (t) => {
  const { node } = await start(t)
  const permissions = [{ domain: 'general' as const, jurisdictions: null }]
  const small = toBase64Url(new Uint8Array(32))
  const refused = [
    { algorithm: 'ed25519' as const },
    { algorithm: 'ed25519' as const, public_key: small },
    { algorithm: 'ed25519' as const, public_key: `${'A'.repeat(42)}B` },
    { algorithm: 'hmac-sha256' as const, public_key: toBase64Url(operatorPublicKey(newSeed())) },
    { algorithm: 'hmac-sha256' as const, permissions: [...permissions, ...permissions] },
  ]
  for (const one of refused) {
    await assert.rejects(node.assurance.createOperator({ permissions, ...one }, 'admin'), refusedWith(400))
  }
  assert.equal(node.assurance.listOperators().total, 0)
  assert.equal((await node.audit({})).entries.length, 0)
  const one = { operator_id: 'one', algorithm: 'hmac-sha256' as const, permissions }
  const both = await Promise.allSettled([
    node.assurance.createOperator(one, 'a'),
    node.assurance.createOperator(one, 'b'),
  ])
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
})

test('a tier allows so many requests a minute and a day; the limit with the fewest left is told, and a replay costs nothing', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const tiers = {
    free: { per_minute: 3, per_day: 5, batch_size: 2 },
    standard: { per_minute: 100, per_day: 50_000, batch_size: 100 },
    enterprise: { per_minute: 0, per_day: 0, batch_size: 10_000 },
  }
  const clock = new TestClock(Date.UTC(2026, 5, 1, 12))
  const { node, stop } = await start(t, { dataDir, tiers, clock })
  const key = await newOperator(node, { tier: 'free' })
  const at = () => ({ at: clock.now() })
  const once = signedBody(key, node, QUERY, question('q'), at())
  const first = await node.assurance.verifyRequest(once, ARRIVAL)
  assert.deepEqual(first.limit, { limit: 3, remaining: 2, resetAt: clock.now() / 1000 + 20 })
  await assert.rejects(node.assurance.verifyRequest(once, ARRIVAL), refusedWith(409))
  assert.equal((await verify(node, key, at())).limit?.remaining, 1)
  assert.equal((await verify(node, key, at())).limit?.remaining, 0)
  await assert.rejects(verify(node, key, at()), (error) => {
    refusedWith(429, /3 a minute/)(error)
    assert.equal((error as { retryAfter?: number }).retryAfter, 20)
    return true
  })
  clock.advance(60_000)
  assert.deepEqual((await verify(node, key, at())).limit, {
    limit: 5,
    remaining: 1,
    resetAt: Date.UTC(2026, 5, 2) / 1000,
  })
  await stop()

  const again = await start(t, { dataDir, tiers, clock })
  assert.equal((await verify(again.node, key, at())).limit?.remaining, 0)
  await assert.rejects(verify(again.node, key, at()), refusedWith(429, /5 a day/))
  clock.advance(DAY_MS)
  assert.equal((await verify(again.node, key, at())).limit?.limit, 3)
  const unlimited = await newOperator(again.node, { tier: 'enterprise' })
  assert.equal((await verify(again.node, unlimited, at())).limit, null)
})

test('the configuration has the tiers of the contract, unless it says otherwise', async (t) => {
  const { config } = await start(t)
  for (const [tier, { perMinute, perDay, batch }] of Object.entries(TIERS)) {
    const { per_minute, per_day, batch_size } = config.assurance.tiers[tier as keyof typeof TIERS]
    assert.deepEqual([per_minute || null, per_day || null, batch_size], [perMinute, perDay, batch])
  }
})

test('a question is answered, and proven where it is asked for; strict says what could not be had', async (t) => {
  const { node } = await start(t)
  const key = await newOperator(node)
  const ask = async (payload: ReturnType<typeof question>) => {
    const request = signedBody(key, node, QUERY, payload)
    const from = await node.assurance.verifyRequest(request, ARRIVAL)
    return { request, response: await node.assurance.query(request, from, new AbortController().signal) }
  }
  const told = nextEvent(node, 'verification_complete')
  const { request, response } = await ask(question('hello'))
  assert.equal(response.request_id, request.request_id)
  assert.equal(response.payload?.result, 'hello')
  assert.equal(response.proof, undefined)
  assert.deepEqual(await told, {
    requestId: request.request_id,
    responseId: response.response_id,
    operatorId: key.operatorId,
    status: 'success',
    verificationStatus: 'verified',
    confidence: 1,
  })
  assert.notEqual((await ask(question('hello', { return_proof: true }))).response.proof, undefined)
  const strict = await ask(question('hello', { verification_mode: 'strict' }))
  assert.equal(strict.response.status, 'partial')
  assert.deepEqual(
    strict.response.errors.map(({ code }) => code),
    ['602'],
  )
  assert.equal(strict.response.proof, undefined)
  const violation = nextEvent(node, 'constraint_violation')
  const broken = await ask(question('600'))
  assert.equal(broken.response.status, 'failed')
  assert.deepEqual((await violation).constraintsFailed, ['c'])
})

test('a question whose time is over is 503, and its search is told to end', async (t) => {
  const { node, answerer } = await start(t, { settings: { 'assurance.query_timeout_ms': '100' } })
  const key = await newOperator(node)
  const ended = Promise.withResolvers<void>()
  answerer.before = (_query, signal) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        ended.resolve()
        reject(signal.reason)
      })
    })
  const request = signedBody(key, node, QUERY, question('slow'))
  const from = await node.assurance.verifyRequest(request, ARRIVAL)
  await assert.rejects(node.assurance.query(request, from, new AbortController().signal), refusedWith(503))
  await ended.promise
})
