import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createClient, newRequestKeys, PendingError } from '../../src/client/index.ts'
import { verifyRequest } from '../../src/kernel/identity/quantum-signature.ts'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { fakeNode, type Handler, sendCell, sendJson, signCell } from './fake-node.ts'

const cell = signCell(readFileSync('node_modules/source-map/lib/mappings.wasm'))
const IDS = [
  '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN',
  '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX',
] as const

const infoOf = (provider_id: string) => ({
  provider_id,
  name: 'fake',
  description: '',
  api_version: 'v1',
  capabilities: [],
  capability_count: 0,
  cell_count: 0,
  status: 'active',
  documentation_url: null,
  contact_info: { website: null, email: null, support_url: null },
  federation_status: { federated: false, federation_partners: [] },
  service_level: { uptime_target_percent: null, response_time_sla_ms: null },
  node_id: 'c'.repeat(40),
  public_key: '',
  publisher: 'd'.repeat(64),
  multiaddrs: [],
  software_version: '0.1.0',
  log: {
    origin: 'x/log',
    key: 'x/log+00000000+AA==',
    certificate: {
      provider_id,
      role: 'log',
      public_key: 'AA',
      serial: 1,
      not_before: 0,
      not_after: 1,
      signature: 'AA',
    },
  },
})

/** A node that says who it is, under a path of its own. */
const named =
  (id: string, answer: Handler): Handler =>
  (request, response) =>
    request.path.endsWith('/discovery/info') ? sendJson(response, 200, infoOf(id)) : answer(request, response)

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
