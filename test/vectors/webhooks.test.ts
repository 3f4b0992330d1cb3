import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { WebhookCase } from '../../scripts/vectors/webhooks.ts'
import { readVectors } from './read.ts'

/** Standard Webhooks, as its text says it, without its library. */
function holds({ secret, id, timestamp, body, signature }: WebhookCase): boolean {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const expected = `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  return signature.split(' ').includes(expected)
}

test('webhook.json: signatures', () => {
  const { cases } = readVectors<{ cases: WebhookCase[] }>('webhook.json')
  assert.ok(cases.length > 5)
  for (const one of cases) assert.equal(holds(one), one.holds, one.about)
})
