import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { challengeAnswer, createClient, IntegrityError, NotFoundError, verifyWebhook } from '../../src/client/index.ts'
import { ADMIN_KEY, start } from '../http/harness.ts'
import { fakeNode, sendJson } from './fake-node.ts'

const secretOf = (fill: number): string => `whsec_${Buffer.alloc(32, fill).toString('base64')}`
const SECRET = secretOf(1)
const EVENT = { event_type: 'peer.banned', request_id: null, timestamp: '2026-01-01T00:00:00.000Z', data: { n: 'é' } }
const BODY = JSON.stringify(EVENT)
const ID = `wh_${'0'.repeat(24)}`

function signed(body = BODY, { secret = SECRET, at = new Date() } = {}): Record<string, string> {
  const id = 'msg_1'
  return {
    'Webhook-Id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  }
}

const refused = (received: Parameters<typeof verifyWebhook>[0], secrets: string | string[] = SECRET) =>
  assert.throws(() => verifyWebhook(received, secrets), IntegrityError)

test('an event whose signature holds is told with its id, whatever form the request has', () => {
  const headers = signed()
  for (const body of [BODY, new TextEncoder().encode(BODY), Buffer.from(BODY)]) {
    for (const form of [headers, new Headers(headers), { ...headers, host: 'x', cookie: ['a'] }]) {
      assert.deepEqual(verifyWebhook({ body, headers: form }, SECRET), { id: 'msg_1', event: EVENT })
    }
  }
  assert.deepEqual(verifyWebhook({ body: BODY, headers }, [secretOf(2), SECRET]).event, EVENT)
})

test('what was changed, signed by others, is old, incomplete or no event is refused', () => {
  const headers = signed()
  refused({ body: BODY.replace('é', 'e'), headers })
  refused({ body: `${BODY} `, headers })
  refused({ body: BODY, headers }, secretOf(2))
  refused({ body: BODY, headers }, [])
  refused({ body: BODY, headers }, '')
  refused({ body: BODY, headers }, 'whsec_')
  refused({ body: BODY, headers: signed(BODY, { at: new Date(Date.now() - 301_000) }) })
  refused({ body: BODY, headers: signed(BODY, { at: new Date(Date.now() + 301_000) }) })
  for (const name of Object.keys(headers)) {
    const { [name]: _, ...rest } = headers
    refused({ body: BODY, headers: rest })
    refused({ body: BODY, headers: { ...headers, [name]: 'x' } })
    refused({ body: BODY, headers: { ...headers, [name]: '' } })
  }
  for (const other of ['{}', '[]', 'x', '{"event_type":1}', BODY.replace('{', '{"data":{},')]) {
    refused({ body: other, headers: signed(other) })
  }
  refused({ body: Uint8Array.of(0xff, 0xfe), headers })
})

test('a challenge is answered with itself, and other events are not', () => {
  const event = { ...EVENT, event_type: 'webhook.challenge', data: { challenge: 'c' } }
  assert.deepEqual(challengeAnswer(event), { challenge: 'c' })
  assert.equal(challengeAnswer({ ...event, event_type: 'webhook.test' }), undefined)
  assert.equal(challengeAnswer({ ...event, data: { challenge: 1 } }), undefined)
  assert.equal(challengeAnswer(EVENT), undefined)
})

test('the client makes, lists, tries and removes webhooks at a node', async (t) => {
  const { server } = await start(t)
  const { webhooks } = createClient({ nodes: server.url, apiKey: ADMIN_KEY })
  const created = await webhooks.create({ url: 'https://hooks.example/', events: ['cell.yanked'] })
  assert.deepEqual([created.secret, created.events], ['whsec_c2VjcmV0', ['cell.yanked']])
  assert.equal((await webhooks.list()).length, 1)
  assert.equal((await webhooks.get(ID)).webhook_id, ID)
  assert.equal((await webhooks.test(ID)).delivered, true)
  assert.deepEqual((await webhooks.deadLetters(ID, { limit: 7 })).dead_letters, [])
  assert.deepEqual(await webhooks.replay(ID), { replayed: 0 })
  assert.equal((await webhooks.remove(ID)).webhook_id, ID)
})

test('what a node refuses is told in its words', async (t) => {
  const errors = [{ code: '404', message: 'there is no webhook x', severity: 'error' }]
  const node = await fakeNode(t, (_, response) =>
    sendJson(response, 404, { request_id: '', status: 'failed', payload: null, errors }),
  )
  const { webhooks } = createClient({ nodes: node.url, apiKey: 'k' })
  await assert.rejects(webhooks.get(ID), (error) => {
    assert.ok(error instanceof NotFoundError)
    assert.equal(error.message, 'there is no webhook x')
    return true
  })
})
