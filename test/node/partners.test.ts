import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FederationStatus, PartnerChange } from '../../protocol/federation.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { openKeyDirectory } from '../../src/kernel/identity/key-directory.ts'
import { newRequestKeys, signRequest } from '../../src/kernel/identity/quantum-signature.ts'
import { NETWORK, temporaryFolder } from '../support/cells.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { answerOf, knowsProviders, nextEvent, registerBytes } from '../support/node-pairs.ts'
import { type NodeWithServer, nodeWithServer } from '../support/node-servers.ts'
import { untilHolds } from '../support/until-holds.ts'

const PATH = '/api/v1/federation'

const metadata = (name: string) => ({
  metadata: { cell_type: name, version: '1.0.0', capabilities: [{ name, version: '1.0.0' }] },
})

async function invitation(node: NodeWithServer, terms: object = { private_url: true }): Promise<string> {
  const { status, body } = await node.send('POST', `${PATH}/invitations`, terms)
  assert.equal(status, 201, JSON.stringify(body))
  return String(body.invitation)
}

const add = (node: NodeWithServer, url: string, secret: string, more: object = {}) =>
  node.send('POST', `${PATH}/partners`, { url, shared_secret: secret, own_url: node.url, ...more })

const statusOf = async (node: NodeWithServer): Promise<FederationStatus> =>
  (await node.send('GET', `${PATH}/status`)).body as FederationStatus

const change = async (node: NodeWithServer, partner: NodeWithServer, what: PartnerChange): Promise<void> => {
  const { status, body } = await node.send('PATCH', `${PATH}/partners/${partner.node.providerId}`, what)
  assert.equal(status, 200, JSON.stringify(body))
}

/** Two partners. `a` invited `b`. */
async function partners(
  t: TestContext,
  terms: object = {},
  more: object = {},
): Promise<{ a: NodeWithServer; b: NodeWithServer }> {
  const [a, b] = await Promise.all([nodeWithServer(t), nodeWithServer(t)])
  const added = await add(b, a.url, await invitation(a, { private_url: true, ...terms }), more)
  assert.equal(added.status, 201, JSON.stringify(added.body))
  return { a, b }
}

const codeOf = (body: Record<string, unknown>): unknown => (body.error as { code: string } | undefined)?.code

test('an invitation is for one node, and a wrong one is refused alike', async (t) => {
  const { a } = await partners(t)
  const c = await nodeWithServer(t)
  const used = await invitation(a)
  const d = await nodeWithServer(t)
  assert.equal((await add(d, a.url, used)).status, 201)
  const secret = used.split('.')[2]!
  for (const text of [used, used.replace(secret, `A${secret.slice(1, -1)}A`)]) {
    const refused = await add(c, a.url, text)
    assert.deepEqual([refused.status, codeOf(refused.body)], [403, 'PROV_011'], JSON.stringify(refused.body))
  }
  const elsewhere = await add(c, d.url, await invitation(a))
  assert.deepEqual([elsewhere.status, codeOf(elsewhere.body)], [403, 'PROV_011'], 'a node that did not invite')
  assert.equal((await add(a, a.url, await invitation(a))).status, 400, 'itself')
  const named = await add(c, a.url, await invitation(a), { provider_id: d.node.providerId })
  assert.equal(named.status, 400, 'another id than the invitation says')
  assert.deepEqual((await statusOf(c)).federation_partners, [])
})

test('a node that does not answer is tried again, and the partner is there when it does', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'a')
  const first = await nodeWithServer(t, { dataDir })
  const secret = await invitation(first)
  const port = Number(new URL(first.url).port)
  await first.stop()
  const b = await nodeWithServer(t)
  const later = await add(b, first.url, secret)
  assert.deepEqual([later.status, later.body.status], [202, 'pending'])
  const waiting = (await statusOf(b)).pending_partners
  assert.deepEqual(
    waiting?.map(({ provider_id, attempts }) => [provider_id, attempts]),
    [[first.node.providerId, 1]],
  )
  assert.match(waiting?.[0]?.last_error ?? '', /ECONNREFUSED/)
  // The invitation survived the restart.
  const a = await nodeWithServer(t, { dataDir, port })
  while ((await statusOf(b)).federation_partners.length === 0) await new Promise((again) => setTimeout(again, 50))
  assert.deepEqual((await statusOf(b)).pending_partners, [])
  assert.equal((await statusOf(a)).federation_partners[0]?.provider_id, b.node.providerId)

  const never = await add(await nodeWithServer(t), 'http://127.0.0.1:1', await invitation(a))
  assert.equal(never.status, 202)
})

test('a partner with auto_forward is asked for what nobody announces', async (t) => {
  // `a` may not dial and `b` does not share, so they connect only when something is asked.
  const apart = { federation_policies: { capability_sharing: false } }
  const { a, b } = await partners(t, { private_url: false }, apart)
  await registerBytes(a.node, await readFile(SMALL_MODULE), metadata('maps'))
  const query = { by: 'capability', name: 'maps' } as const
  const before = await b.node.requestCell(query, 20_000)
  assert.equal(before.status, 'not_found')
  await change(b, a, { federation_policies: { auto_forward: true } })
  const found = await b.node.requestCell(query, 20_000)
  assert.equal(found.status === 'success' && found.source, 'partners')
  const missing = await b.node.requestCell({ by: 'capability', name: 'nothing' }, 20_000)
  assert.ok(missing.status === 'not_found')
  assert.deepEqual(
    missing.coverage.sources.map(({ source }) => source),
    ['store', 'directory', 'partners', 'dht'],
  )
  assert.deepEqual(missing.coverage.peers, [{ provider_id: a.node.providerId, outcome: 'not_found' }])
})

test('who is not shared with finds nothing here, on either way', async (t) => {
  const { a, b } = await partners(t, { federation_policies: { capability_sharing: false } })
  await registerBytes(a.node, await readFile(SMALL_MODULE), metadata('maps'))
  await change(b, a, { federation_policies: { auto_forward: true } })
  const found = await b.node.requestCell({ by: 'capability', name: 'maps' }, 20_000)
  assert.equal(found.status, 'not_found')
  const forward = { request_id: 'r', target_provider_id: a.node.providerId, original_request: { capability: 'maps' } }
  const refused = await b.send('POST', `${PATH}/forward`, forward)
  assert.deepEqual([refused.status, refused.body.status, codeOf(refused.body)], [403, 'rejected', 'PROV_011'])
})

test('what a trusted partner signs itself counts as known, from the change on', async (t) => {
  const { a, b } = await partners(t)
  await registerBytes(a.node, await readFile(SMALL_MODULE), metadata('maps'))
  await change(b, a, { federation_policies: { auto_forward: true } })
  const trustOf = async (): Promise<string> => {
    const found = await b.node.requestCell({ by: 'capability', name: 'maps' }, 20_000)
    assert.ok(found.status === 'success')
    return /"publisher_trust":"(\w+)"/.exec(found.cell.after)![1]!
  }
  assert.equal(await trustOf(), 'unknown')
  await change(b, a, { trust_level: 'trusted' })
  assert.equal(await trustOf(), 'known')
  await change(b, a, { trust_level: 'limited' })
  assert.equal(await trustOf(), 'unknown')
})

test('of an untrusted partner nothing is accepted, and what it announced is forgotten', async (t) => {
  const a = await nodeWithServer(t)
  const b = await nodeWithServer(t, { seeds: a.node.addresses })
  assert.equal((await add(b, a.url, await invitation(a))).status, 201)
  const announced = nextEvent(b.node, 'announcement_received', ({ cells }) => cells > 0)
  await registerBytes(a.node, await readFile(SMALL_MODULE), metadata('maps'))
  await announced
  const ask = () => b.node.requestCell({ by: 'capability', name: 'maps' }, 20_000)
  assert.equal((await ask()).status, 'success')

  await change(b, a, { trust_level: 'untrusted', federation_policies: { auto_forward: true } })
  const found = await ask()
  assert.ok(found.status === 'not_found')
  assert.deepEqual(found.coverage.peers, [], 'it is not even asked')
  const refused = nextEvent(b.node, 'announcement_refused', ({ reason }) => reason === 'untrusted')
  await registerBytes(a.node, await readFile(MIDDLE_MODULE), metadata('sql'))
  await refused
  assert.equal(b.node.peers().known_providers, 0)
  const forward = { request_id: 'r', target_provider_id: a.node.providerId, original_request: { capability: 'maps' } }
  assert.equal(codeOf((await b.send('POST', `${PATH}/forward`, forward)).body), 'PROV_011')
  assert.equal((await statusOf(b)).federation_partners[0]?.status, 'limited')
})

test('a token is proven at each use, by the key that it is bound to, once, and reads only its own', async (t) => {
  const { a } = await partners(t)
  const folder = await temporaryFolder(t)
  // A partner whose keys this test holds.
  const dataDir = join(folder, 'c')
  const c = await nodeWithServer(t, { dataDir })
  const secret = await invitation(c)
  const added = await add(a, c.url, secret)
  assert.equal(added.status, 201)
  const token = String(added.body.federation_token)
  const keys = openKeyDirectory(`${dataDir}.keys`, { network: NETWORK, allowCreate: false, clock: systemClock })
  const mine = { ed25519: keys.token.key }

  const sign = (by: typeof mine, method: string, path: string, body?: Record<string, unknown>): string =>
    signRequest(by, NETWORK, { audience: a.node.providerId, method, path, body }, Date.now())
  const forward = {
    request_id: 'r',
    target_provider_id: a.node.providerId,
    original_request: { capability: 'nothing' },
    federation_token: token,
  }
  const send = (body: object) => a.send('POST', `${PATH}/forward`, body, {})
  const signed = { ...forward, quantum_signature: sign(mine, 'POST', `${PATH}/forward`, forward) }
  const taken = await send(signed)
  assert.equal(taken.status, 202, JSON.stringify(taken.body))
  const replayed = await send(signed)
  assert.deepEqual([replayed.status, codeOf(replayed.body)], [401, 'PROV_004'], 'replayed')
  assert.deepEqual(codeOf((await send(forward)).body), 'PROV_016', 'without proof')
  const foreign = { ...forward, quantum_signature: sign(newRequestKeys(), 'POST', `${PATH}/forward`, forward) }
  assert.deepEqual(codeOf((await send(foreign)).body), 'PROV_004', 'proven by another key')
  const altered = { ...forward, quantum_signature: sign(mine, 'POST', `${PATH}/forward`, forward), request_id: 's' }
  assert.deepEqual(codeOf((await send(altered)).body), 'PROV_004', 'another body')

  const path = `/api/v1/cells/request/${String(taken.body.forwarded_request_id)}`
  const poll = (headers: Record<string, string>) => a.send('GET', path, undefined, headers)
  const bearer = { Authorization: `Bearer ${token}` }
  const own = await poll({ ...bearer, 'Quantum-Signature': sign(mine, 'GET', path) })
  assert.ok([202, 404].includes(own.status))
  assert.ok(['pending', 'not_found'].includes(String(own.body.status)), 'its record')
  assert.equal(own.body.request_id, taken.body.forwarded_request_id)
  assert.equal((await poll(bearer)).status, 401)
  assert.equal((await poll({})).body.status, 'error', 'it is there for its partner only')
  const asMine = { 'Quantum-Signature': sign(mine, 'GET', path) }
  assert.equal((await poll(asMine)).body.status, 'error', 'the key alone is not the partner')

  const overview = '/api/v1/analytics/overview'
  const read = () => a.send('GET', overview, undefined, { ...bearer, 'Quantum-Signature': sign(mine, 'GET', overview) })
  assert.equal((await read()).status, 403)
  await change(a, c, { federation_policies: { analytics_sharing: true } })
  assert.equal((await read()).status, 200)
  assert.equal((await a.send('DELETE', `${PATH}/partners/${c.node.providerId}`)).status, 200)
  assert.equal((await read()).status, 401)
})

test('providers that know only the document exchange tokens by hand', async (t) => {
  const asked: { body: Record<string, unknown>; authorization: string | undefined }[] = []
  const other = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      asked.push({ body: text === '' ? {} : JSON.parse(text), authorization: request.headers.authorization })
      const isPoll = request.method === 'GET'
      response.writeHead(isPoll ? 404 : 202, { 'Content-Type': 'application/json' })
      response.end(
        JSON.stringify(
          isPoll
            ? { request_id: 'theirs', status: 'not_found' }
            : { status: 'forwarded', forwarded_request_id: 'theirs', message: 'ok' },
        ),
      )
    })
  })
  await new Promise<void>((listening) => other.listen(0, '127.0.0.1', listening))
  t.after(() => {
    other.closeAllConnections()
    other.close()
  })
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
  const node = await nodeWithServer(t)
  const addition = {
    provider_id: 'provider-1',
    name: 'Other',
    url,
    shared_secret: 'agreed',
    partner_token: 'their-token',
  }
  const added = await node.send('POST', `${PATH}/partners`, addition)
  assert.equal(added.status, 201)
  assert.equal((await node.send('POST', `${PATH}/partners`, addition)).status, 409)
  assert.equal((await node.send('POST', `${PATH}/partners`, { ...addition, provider_id: undefined })).status, 400)

  // It asks here.
  const ask = { request_id: 'r', original_request: { capability: 'nothing' } }
  const token = String(added.body.federation_token)
  const inbound = { ...ask, target_provider_id: node.node.providerId, federation_token: token }
  const taken = await node.send('POST', `${PATH}/forward`, inbound, {})
  assert.equal(taken.status, 202)
  const path = `/api/v1/cells/request/${String(taken.body.forwarded_request_id)}`
  const polled = await node.send('GET', path, undefined, { Authorization: `Bearer ${token}` })
  assert.equal(polled.body.request_id, taken.body.forwarded_request_id)

  // And is asked: for the name alone.
  const original = {
    request_id: 'mine',
    capability: 'nothing',
    quantum_signature: 'qs1.who.am-i',
    context: { device_info: { platform: 'linux' }, intent_context: { secret: 'plan' } },
    preferences: { version_constraints: '^1.0.0', security_level: 'high' },
  }
  const outbound = { ...ask, target_provider_id: 'provider-1', original_request: original, reason: 'because of me' }
  const sent = await node.send('POST', `${PATH}/forward`, outbound)
  assert.equal(sent.status, 202, JSON.stringify(sent.body))
  const { request_id, original_request, ...rest } = asked[0]!.body
  assert.deepEqual(rest, {
    target_provider_id: 'provider-1',
    reason: 'forwarded',
    federation_token: 'their-token',
  })
  assert.notEqual(request_id, 'r')
  const { request_id: renamed, ...asks } = original_request as Record<string, unknown>
  assert.notEqual(renamed, 'mine')
  assert.deepEqual(asks, { capability: 'nothing', preferences: { version_constraints: '^1.0.0' } })
  const record = `/api/v1/cells/request/${String(sent.body.forwarded_request_id)}`
  while ((await node.send('GET', record)).status === 202) await new Promise((again) => setTimeout(again, 20))
  assert.equal((await node.send('GET', record)).status, 404)
  assert.equal(asked[1]!.authorization, 'Bearer their-token')
})

test('where federation is off nobody is a partner', async (t) => {
  const node = await nodeWithServer(t, { settings: { 'federation.enabled': 'false' } })
  assert.equal((await statusOf(node)).federation_enabled, false)
  const forward = { request_id: 'r', target_provider_id: 'p', original_request: { capability: 'x' } }
  for (const [path, body] of [
    ['invitations', {}],
    ['partners', { url: 'https://a.example', shared_secret: 's', provider_id: 'p' }],
    ['forward', forward],
    ['forward', { ...forward, target_provider_id: node.node.providerId }],
  ] as const) {
    const refused = await node.send('POST', `${PATH}/${path}`, body)
    assert.deepEqual([refused.status, codeOf(refused.body)], [403, 'PROV_009'], path)
  }
})

test("a partner's answer that does not verify, or is not what was asked, is refused", async (t) => {
  const source = await nodeWithServer(t)
  await registerBytes(source.node, await readFile(SMALL_MODULE), metadata('maps'))
  const whole = (await source.send('POST', '/api/v1/cells/request', { request_id: 'r', capability: 'maps' })).body
  const cell = whole.cell as { manifest: Record<string, unknown>; metadata: object }
  const answers: Record<string, unknown> = {
    forged: { ...whole, cell: { ...cell, manifest: { ...cell.manifest, version: '9.0.0' } } },
    foreign: { ...whole, cell },
    incomplete: { ...whole, cell: { ...cell, manifest: undefined } },
    strange: ['nothing'],
  }
  const hostile = createServer((request, response) => {
    const id = request.url?.split('/').at(-1) ?? ''
    let text = ''
    request.setEncoding('utf8').on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      const taken = { status: 'forwarded', message: '', forwarded_request_id: '' }
      if (request.method === 'POST') taken.forwarded_request_id = JSON.parse(text).original_request.capability
      response.writeHead(request.method === 'POST' ? 202 : 200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify(request.method === 'POST' ? taken : answers[id === 'maps' ? 'forged' : id]))
    })
  })
  await new Promise<void>((listening) => hostile.listen(0, '127.0.0.1', listening))
  t.after(() => {
    hostile.closeAllConnections()
    hostile.close()
  })
  const url = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`
  const node = await nodeWithServer(t)
  await node.send('POST', `${PATH}/partners`, { provider_id: 'p', url, shared_secret: 's', partner_token: 't' })
  for (const name of ['maps', 'foreign', 'incomplete', 'strange']) {
    const forward = { request_id: 'r', target_provider_id: 'p', original_request: { capability: name } }
    const taken = await node.send('POST', `${PATH}/forward`, forward)
    assert.equal(taken.status, 202, JSON.stringify(taken.body))
    const record = `/api/v1/cells/request/${String(taken.body.forwarded_request_id)}`
    while ((await node.send('GET', record)).status === 202) await new Promise((again) => setTimeout(again, 20))
    const { status, body } = await node.send('GET', record)
    assert.equal(status, 404, name)
    assert.deepEqual((body.coverage as { peers: unknown }).peers, [{ provider_id: 'p', outcome: 'rejected' }], name)
  }
})

test('once yanks were reconciled with a partner, an answer at high security is not stale', async (t) => {
  const a = await nodeWithServer(t)
  await registerBytes(a.node, await readFile(SMALL_MODULE), metadata('maps'))
  const b = await nodeWithServer(t, {
    seeds: a.node.addresses,
    settings: { 'publishers.pinned': a.node.publisher, 'sync.interval_seconds': '1' },
  })
  await knowsProviders(b.node, 1)
  const isStale = async () => {
    const found = await b.node.requestCell({ by: 'capability', name: 'maps', securityLevel: 'high' }, 20_000)
    assert.ok(found.status === 'success' && found.source === 'directory', JSON.stringify(found))
    return answerOf(found.cell).stale
  }
  assert.equal(await isStale(), true, 'a peer is no partner')
  assert.equal((await add(b, a.url, await invitation(a))).status, 201)
  await untilHolds(async () => assert.equal(await isStale(), undefined))
})
