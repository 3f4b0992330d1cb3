import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient, NotFoundError, UnreachableError } from '../../src/client/index.ts'
import { fakeNode, type Handler, sendJson } from './fake-node.ts'

/** Answers each request in turn, and as the last one from then on. */
const inTurn = (...answers: readonly Handler[]): Handler => {
  let next = 0
  return (request, response) => answers[Math.min(next++, answers.length - 1)]!(request, response)
}
const fine: Handler = (_, response) => sendJson(response, 200, { fine: true })
const hangUp: Handler = (_, response) => void response.destroy()
const failing =
  (status: number, code: string, headers: Record<string, string> = {}): Handler =>
  (_, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    sendJson(response, status, { code, message: 'not now' })
  }

test('what may pass is asked again: silence, overload and failures of a moment', async (t) => {
  const passing = [hangUp, failing(504, 'PROV_006'), failing(429, 'PROV_013', { 'Retry-After': '0' })]
  for (const first of passing) {
    const node = await fakeNode(t, inTurn(first, first, fine))
    assert.deepEqual(await createClient({ nodes: node.url }).get('/api/v1/peers'), { fine: true })
    assert.equal(node.seen.length, 3)
  }
})

test('a round asks every node before the next round begins', async (t) => {
  const order: string[] = []
  const named = (name: string, answer: Handler): Handler => {
    return (request, response) => {
      order.push(name)
      return answer(request, response)
    }
  }
  const a = await fakeNode(t, named('a', hangUp))
  const b = await fakeNode(t, named('b', inTurn(hangUp, fine)))
  await createClient({ nodes: [a.url, b.url] }).get('/api/v1/peers')
  assert.deepEqual(order, ['a', 'b', 'a', 'b'])
})

test('retries have an end, and can be turned off', async (t) => {
  const node = await fakeNode(t, hangUp)
  await assert.rejects(createClient({ nodes: node.url }).get('/api/v1/peers'), UnreachableError)
  assert.equal(node.seen.length, 3)
  await assert.rejects(createClient({ nodes: node.url, retries: 0 }).get('/api/v1/peers'), UnreachableError)
  assert.equal(node.seen.length, 4)
})

test('what stays as it is, and what a node wants much later, is not asked again', async (t) => {
  const absent = await fakeNode(t, failing(404, 'PROV_003'))
  await assert.rejects(createClient({ nodes: absent.url }).get('/api/v1/peers'), NotFoundError)
  assert.equal(absent.seen.length, 1)
  const later = await fakeNode(t, failing(429, 'PROV_013', { 'Retry-After': '60' }))
  const asking = createClient({ nodes: later.url }).get('/api/v1/peers')
  await assert.rejects(asking, { status: 429, retryAfter: 60 })
  assert.equal(later.seen.length, 1)
})

test('a node that takes a whole timeout to say nothing is not waited for again', async (t) => {
  const node = await fakeNode(t, () => undefined)
  await assert.rejects(createClient({ nodes: node.url, timeoutMs: 50 }).get('/api/v1/peers'), UnreachableError)
  assert.equal(node.seen.length, 1)
})

test('changes are sent once', async (t) => {
  const node = await fakeNode(t, failing(504, 'PROV_006'))
  const client = createClient({ nodes: node.url, apiKey: 'key' })
  await assert.rejects(client.deleteCell('parser', '1.0.0'), { status: 504 })
  await assert.rejects(client.goals.join('goal'), { status: 504 })
  assert.equal(node.seen.length, 2)
})

test('a signal ends the pause between two rounds', async (t) => {
  const controller = new AbortController()
  const node = await fakeNode(t, (request, response) => {
    setImmediate(() => controller.abort(new Error('enough')))
    return failing(429, 'PROV_013', { 'Retry-After': '5' })(request, response)
  })
  const asking = createClient({ nodes: node.url }).get('/api/v1/peers', { signal: controller.signal })
  await assert.rejects(asking, /^Error: enough$/)
  assert.equal(node.seen.length, 1)
})

test('every kind of call takes a signal', async (t) => {
  const node = await fakeNode(t, fine)
  const signal = AbortSignal.abort(new Error('enough'))
  const how = { signal }
  const client = createClient({ nodes: node.url, apiKey: 'key' })
  const calls: (() => Promise<unknown>)[] = [
    () => client.info(how),
    () => client.listCells({}, how),
    () => client.cellDetails('parser', undefined, how),
    () => client.annotateCell('parser', '1.0.0', {}, how),
    () => client.deleteCell('parser', '1.0.0', how),
    () => client.yankCell('parser', '1.0.0', {}, how),
    () => client.assemble('parse', how),
    () => client.assembleStream('parse', how),
    () => client.download({ digest: `sha256:${'0'.repeat(64)}` }, how),
    () => client.send('POST', '/api/v1/anything', {}, how),
    () => client.listKeys({}, how),
    () => client.revokeKey('key', how),
    () => client.recordVulnerabilities([], how),
    () => client.listVulnerabilities({}, how),
    () => client.removeVulnerability('parser', 'CVE-1', how),
    () => client.audit({}, how),
    () => client.goals.list({}, how),
    () => client.goals.get('goal', how),
    () => client.goals.join('goal', how),
    () => client.goals.leave('goal', how),
    () => client.goals.leaderboard('goal', {}, how),
    () => client.goals.status('goal', how),
    () => client.goals.log('goal', {}, how),
    () => client.goals.policy('goal', how),
    () => client.goals.proof('goal', 0, how),
    () => client.webhooks.list(how),
    () => client.webhooks.get('hook', how),
    () => client.webhooks.remove('hook', how),
    () => client.webhooks.test('hook', how),
    () => client.webhooks.deadLetters('hook', {}, how),
    () => client.webhooks.replay('hook', how),
    () => client.constraints.list({}, how),
    () => client.constraints.remove('constraint', {}, how),
    () => client.operators.list({}, how),
    () => client.operators.rotate('team', {}, how),
    () => client.operators.suspend('team', how),
  ]
  for (const call of calls) await assert.rejects(call, /^Error: enough$/, String(call))
  assert.equal(node.seen.length, 0)
})
