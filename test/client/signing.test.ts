import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createClient, newRequestKeys, PendingError } from '../../src/client/index.ts'
import { verifyRequest } from '../../src/kernel/identity/quantum-signature.ts'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { providerInfo } from '../support/provider-info.ts'
import { fakeNode, type Handler, sendCell, sendJson, signCell } from './fake-node.ts'

const cell = signCell(readFileSync('node_modules/source-map/lib/mappings.wasm'))
const IDS = [
  '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN',
  '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX',
] as const

/** A node that says who it is, under a path of its own. */
const named =
  (id: string, answer: Handler): Handler =>
  (request, response) =>
    request.path.endsWith('/discovery/info')
      ? sendJson(response, 200, providerInfo({ provider_id: id }))
      : answer(request, response)

test('each attempt is signed anew, for the node that it goes to and the path there', async (t) => {
  const [busyId, id] = IDS
  let polls = 0
  const busy = await fakeNode(
    t,
    named(busyId, (_, response) => sendJson(response, 503, {})),
  )
  const node = await fakeNode(
    t,
    named(id, (request, response) => {
      const { request_id } = JSON.parse(request.body.toString())
      if (polls++ > 0) return sendCell(request, response, cell.answer)
      sendJson(response, 202, { request_id, status: 'pending', estimated_wait_time_ms: 0 })
    }),
  )
  const requestKeys = newRequestKeys()
  const client = createClient({ nodes: [busy.url, `${node.url}/cells`], requestKeys, network: 'main' })
  await client.request({ capability: 'parse', context: { environment: { LANG: 'C' } }, waitSeconds: 2 })
  const sent = [busy, node].flatMap(({ seen }) => seen.filter(({ method }) => method === 'POST'))
  assert.deepEqual(
    sent.map(({ path }) => path),
    ['/api/v1/cells/request', '/cells/api/v1/cells/request', '/cells/api/v1/cells/request'],
  )
  const verified = sent.map(({ path, body: bytes }, index) => {
    const { quantum_signature: token, ...body } = JSON.parse(bytes.toString())
    const target = { audience: index === 0 ? busyId : id, method: 'POST', path, body }
    return verifyRequest(pureVerifier, 'main', token, target, Date.now())
  })
  assert.equal(new Set(verified.map(({ key }) => key)).size, 1)
  assert.equal(new Set(verified.map(({ nonce }) => nonce)).size, 3)
  // Who it is was asked once.
  assert.equal(node.seen.filter(({ method }) => method === 'GET').length, 1)
})

test('without keys nothing is signed, and nobody is asked who they are', async (t) => {
  const node = await fakeNode(t, (request, response) => {
    const { request_id } = JSON.parse(request.body.toString())
    sendJson(response, 202, { request_id, status: 'pending' })
  })
  const client = createClient({ nodes: node.url })
  await assert.rejects(client.request({ capability: 'parse', waitSeconds: 0 }), PendingError)
  assert.equal(node.seen.length, 1)
  assert.doesNotMatch(node.seen[0]!.body.toString(), /quantum_signature/)
})
