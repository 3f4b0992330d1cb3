import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Yank } from '../../protocol/yank.ts'
import { signMessage } from '../../src/domain/federation/join-messages.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { openKeyDirectory } from '../../src/kernel/identity/key-directory.ts'
import { newRequestKeys, signRequest } from '../../src/kernel/identity/quantum-signature.ts'
import { BOUNDARY, form, part } from '../http/harness.ts'
import { manifestOf, NETWORK, newPublisher, signedCell, summaryOf, temporaryFolder } from '../support/cells.ts'
import { assertRefused, keptBy, type RawCall, sendBytes, settled } from './hostile.ts'
import { type ContractServer, contractServer } from './server.ts'

/** Modules without content, and with a custom section. */
const MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
const ANOTHER_MODULE = Buffer.concat([MODULE, Buffer.from([0, 2, 1, 0x78])])
const JSON_TYPE = 'Content-Type: application/json'
const FORM_TYPE = `Content-Type: multipart/form-data; boundary=${BOUNDARY}`
const CELLS = '/api/v1/repository/cells'
const REQUEST = '/api/v1/cells/request'

/** Texts that say the same as a JSON text, or nearly, and are another one. */
function respelled(json: string): Record<string, string> {
  const rest = json.slice(1)
  const [key] = Object.keys(JSON.parse(json) as object)
  const reversed = Object.fromEntries(Object.entries(JSON.parse(json) as object).reverse())
  return {
    'an unknown field': `{"unknown":1,${rest}`,
    'an unknown field at the end': `${json.slice(0, -1)},"zzz":null}`,
    'the same key twice': `{${JSON.stringify(key)}:null,${rest}`,
    'the key __proto__': `{"__proto__":{"polluted":true},${rest}`,
    'the key constructor': `{"constructor":{"prototype":{}},${rest}`,
    depth: `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)},${rest}`,
    'an array of it': `[${json}]`,
    nothing: '',
    null: 'null',
    'half of it': json.slice(0, json.length / 2),
    ...(JSON.stringify(reversed) === json ? {} : { 'another order': JSON.stringify(reversed) }),
    'white space': `{ ${rest}`,
    'an escape': json.replace(`"${key}"`, `"\\u00${key!.charCodeAt(0).toString(16)}${key!.slice(1)}"`),
    'a byte order mark': `\ufeff${json}`,
  }
}

const encoded = (text: string): string => Buffer.from(text).toString('base64url')

/** Other spellings of base64url text without padding. */
function reencoded(text: string): Record<string, string> {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const next = alphabet[(alphabet.indexOf(text.at(-1)!) + 1) % alphabet.length]!
  return {
    padding: `${text}${'='.repeat(4 - (text.length % 4))}`,
    'another last character': `${text.slice(0, -1)}${next}`,
    'a line break': `${text.slice(0, 10)}\n${text.slice(10)}`,
    'a space': `${text.slice(0, 10)} ${text.slice(10)}`,
    'a character of base64': `${text.slice(0, 10)}+${text.slice(11)}`,
    'a character too many': `${text}A`,
    'a character too few': text.slice(0, -1),
    nothing: '',
  }
}

const ALGORITHMS = ['none', 'ED25519', 'rs256', 'hs256', 'ml-dsa-65', 'ed25519+ml-dsa-65', '', '__proto__']

/** Other spellings of a token: its prefix, the base64url of JSON, and what follows. */
function badTokens(token: string): Record<string, string> {
  const [prefix = '', text = '', ...rest] = token.split('.')
  const end = rest.map((part) => `.${part}`).join('')
  const json = Buffer.from(text, 'base64url').toString()
  const swapped = (name: string, value: string): [string, string] => [name, `${prefix}.${encoded(value)}${end}`]
  return Object.fromEntries([
    ...Object.entries(respelled(json)).map(([what, value]) => swapped(what, value)),
    ...Object.entries(reencoded(text)).map(([what, value]) => [`base64: ${what}`, `${prefix}.${value}${end}`]),
    ...ALGORITHMS.map((name) => swapped(`algorithm "${name}"`, json.replaceAll('"ed25519"', `"${name}"`))),
    swapped('invalid UTF-8', '').with(1, `${prefix}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}${end}`),
    ['another prefix', `xx9.${text}${end}`],
    ['no prefix', `${text}${end}`],
    ['a part more', `${token}.AAAA`],
    ['a prefix alone', `${prefix}.`],
    ['a null byte', `${token}\0`],
    ['another case', token.toUpperCase()],
  ])
}

/** A server that `prepare` has filled, and what it keeps after the attack is what it kept before. */
async function attacked<T>(
  t: TestContext,
  prepare: (at: ContractServer) => Promise<T>,
  attack: (at: ContractServer, prepared: T) => Promise<void>,
): Promise<void> {
  const at = await contractServer(t)
  assert.equal((await at.register({ cell_type: 'held', version: '1.0.0' })).status, 201)
  const prepared = await prepare(at)
  const before = await keptBy(at)
  await attack(at, prepared)
  await settled(at)
  assert.deepEqual(await keptBy(at), before)
}

function signedUpload(bytes: Buffer) {
  const publisher = newPublisher()
  const capabilities = [{ name: 'use-signed', version: '1.0.0' }]
  const manifest = manifestOf(publisher.publisher, summaryOf(bytes), { cell_type: 'signed', capabilities })
  return { publisher, bytes, cell: signedCell(publisher, manifest) }
}

function uploadOf({ bytes, cell }: ReturnType<typeof signedUpload>, manifest: string, signature: string): RawCall {
  const { cell_type, version, capabilities } = cell.manifest
  const body = form(
    part('metadata', JSON.stringify({ cell_type, version, capabilities })),
    part('manifest', manifest),
    part('manifest_signature', signature),
    part('cell_package', bytes),
  )
  return { method: 'POST', path: CELLS, headers: [FORM_TYPE], body }
}

test('manifests and their signatures count in one spelling only', (t) =>
  attacked(
    t,
    async () => signedUpload(MODULE),
    async (at, upload) => {
      const { manifest, signature } = upload.cell
      const right = uploadOf(upload, JSON.stringify(manifest), signature)
      const found = await sendBytes(at, { ...right, path: '/api/v1/repository/validate' })
      assert.match(found.body, /^\{"status":"valid"/)

      const json = JSON.stringify(manifest)
      const { 'another order': _, 'white space': __, 'an escape': ___, ...changed } = respelled(json)
      for (const [what, text] of Object.entries(changed))
        assertRefused(await sendBytes(at, uploadOf(upload, text, signature)), `manifest: ${what}`)
      for (const change of [
        { format: 2 },
        { publisher: 'ab'.repeat(32) },
        { version: '1.0.1' },
        { labels: { __: 'x' } },
        { package: { ...manifest.package, size: manifest.package.size + 0.5 } },
        { package: { ...manifest.package, digest: manifest.package.digest.toUpperCase() } },
      ]) {
        const text = JSON.stringify({ ...manifest, ...change })
        assertRefused(await sendBytes(at, uploadOf(upload, text, signature)), text)
      }
      for (const [what, token] of Object.entries(badTokens(signature)))
        assertRefused(await sendBytes(at, uploadOf(upload, json, token)), `signature: ${what}`)
    },
  ))

test('yanks count in one spelling only', (t) =>
  attacked(
    t,
    async (at) => {
      const upload = signedUpload(ANOTHER_MODULE)
      const { manifest, signature } = upload.cell
      const registered = await sendBytes(at, uploadOf(upload, JSON.stringify(manifest), signature))
      assert.equal(registered.status, 201, registered.body)
      return upload
    },
    async (at, { cell, publisher }) => {
      const yank: Yank = {
        format: 1,
        manifest_digest: cell.id,
        publisher: publisher.publisher,
        counter: 1,
        yanked: true,
        reason: 'broken',
        at: Date.now(),
      }
      const path = `${CELLS}/signed/1.0.0/yank`
      const send = (body: unknown, query = '') =>
        sendBytes(at, { method: 'POST', path: path + query, headers: [JSON_TYPE], body: JSON.stringify(body) })
      const right = publisher.signYank(NETWORK, yank)
      for (const [what, token] of Object.entries(badTokens(right))) assertRefused(await send({ yank: token }), what)
      const stranger = newPublisher()
      const wrong: Record<string, string> = {
        'of another network': publisher.signYank('elsewhere', yank),
        'by another publisher': stranger.signYank(NETWORK, { ...yank, publisher: stranger.publisher }),
        'of another cell': publisher.signYank(NETWORK, { ...yank, manifest_digest: 'ab'.repeat(32) }),
        'with a counter that is no integer': publisher.signYank(NETWORK, { ...yank, counter: 1.5 }),
        'with a counter of 0': publisher.signYank(NETWORK, { ...yank, counter: 0 }),
        'with another field': publisher.signYank(NETWORK, { ...yank, ...{ extra: 1 } }),
        'a manifest signature': cell.signature,
      }
      for (const [what, token] of Object.entries(wrong)) assertRefused(await send({ yank: token }), what)
      assertRefused(await send({ yank: right, reason: 'broken' }), 'with a reason beside it')
      assertRefused(await send({ yank: right, undo: false, extra: 1 }), 'with another field beside it')
      assertRefused(await send({ yank: right }, '?cell_id=x'), 'with a cell id that is none')
      assertRefused(await send({ undo: true }), 'without a yank to undo')
      assertRefused(await send({}), 'without a reason')
    },
  ))

test('signatures of requests count in one spelling only', (t) =>
  attacked(
    t,
    async () => newRequestKeys(),
    async (at, keys) => {
      const body = { request_id: 'r', capability: 'use-held' }
      const audience = at.node.providerId
      const sign = (target: { method: string; path: string; body?: object }): string =>
        signRequest(keys, NETWORK, { audience, ...target } as Parameters<typeof signRequest>[2], at.clock.now())
      const post = (quantum_signature: string) =>
        sendBytes(at, {
          method: 'POST',
          path: REQUEST,
          headers: [JSON_TYPE],
          body: JSON.stringify({ ...body, quantum_signature }),
        })
      const right = sign({ method: 'POST', path: REQUEST, body })
      for (const [what, token] of Object.entries(badTokens(right))) assertRefused(await post(token), `body: ${what}`)
      assert.equal((await post(right)).status, 200)
      assertRefused(await post(right), 'the same signature twice')

      const get = (signature: string) =>
        sendBytes(at, { method: 'GET', path: `${REQUEST}/r`, headers: [`Quantum-Signature: ${signature}`] })
      const header = sign({ method: 'GET', path: `${REQUEST}/r` })
      for (const [what, token] of Object.entries(badTokens(header))) assertRefused(await get(token), `header: ${what}`)
      assert.equal((await get(header)).status, 200)
    },
  ))

test('messages of joining count in one spelling only', (t) =>
  attacked(
    t,
    async (at) => {
      const made = await at.admin({ method: 'POST', path: '/api/v1/federation/invitations', body: {} })
      assert.equal(made.status, 201, made.text)
      const folder = join(await temporaryFolder(t), 'keys')
      return openKeyDirectory(folder, { network: NETWORK, allowCreate: true, clock: systemClock })
    },
    async (at, { token, providerId }) => {
      const send = (body: string) =>
        sendBytes(at, { method: 'POST', path: '/api/v1/federation/join', headers: [JSON_TYPE], body })
      const hello = {
        type: 'join_hello',
        provider_id: providerId,
        audience: at.node.providerId,
        invitation: '0'.repeat(32),
        nonce: 'A'.repeat(22),
      }
      const signed = signMessage(token, NETWORK, hello)
      const { 'another order': _, 'white space': __, 'an escape': ___, ...changed } = respelled(JSON.stringify(signed))
      for (const [what, text] of Object.entries(changed)) assertRefused(await send(text), what)
      for (const [what, text] of Object.entries(reencoded(signed.signature)))
        assertRefused(await send(JSON.stringify({ ...signed, signature: text })), `signature: ${what}`)
      for (const change of [
        { type: 'join_challenge' },
        { type: 'join_welcome' },
        { audience: providerId },
        { certificate: null },
        { certificate: { ...signed.certificate, role: 'identity' } },
        { certificate: { ...signed.certificate, extra: 1 } },
        { nonce: 'A'.repeat(21) },
        { invitation: 'x' },
        {},
      ]) {
        assertRefused(await send(JSON.stringify({ ...signed, ...change })), JSON.stringify(change))
      }
    },
  ))

test('what looks like a token of a partner is worth nothing on any route', (t) =>
  attacked(
    t,
    async () => undefined,
    async (at) => {
      const claims = {
        iss: at.node.providerId,
        aud: at.node.providerId,
        sub: 'partner',
        gen: 1,
        exp: Math.floor(at.clock.now() / 1000) + 3600,
      }
      const typ = 'cytoplex-federation+jwt'
      const tokens = [
        `${encoded(JSON.stringify({ alg: 'none', typ }))}.${encoded(JSON.stringify(claims))}.AA`,
        `${encoded(JSON.stringify({ alg: 'none', typ }))}.${encoded(JSON.stringify(claims))}.`,
        `${encoded(JSON.stringify({ alg: 'HS256', typ }))}.${encoded(JSON.stringify(claims))}.${'A'.repeat(43)}`,
        `${encoded(JSON.stringify({ alg: 'EdDSA', typ }))}.${encoded(JSON.stringify(claims))}.${'A'.repeat(86)}`,
        `${encoded(JSON.stringify({ alg: 'EdDSA', typ, jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AA' } }))}.${encoded(JSON.stringify(claims))}.${'A'.repeat(86)}`,
        'eyJ.eyJ.eyJ',
        `eyJ${'A'.repeat(8000)}.A.A`,
      ]
      const calls = [
        { method: 'GET', path: '/api/v1/analytics/overview' },
        { method: 'GET', path: `${REQUEST}/r` },
        { method: 'DELETE', path: `${REQUEST}/r` },
        { method: 'GET', path: '/api/v1/keys' },
        { method: 'GET', path: '/api/v1/audit' },
        { method: 'GET', path: '/api/v1/federation/status' },
        { method: 'POST', path: REQUEST, body: { request_id: 'r', capability: 'use-held' } },
        { method: 'POST', path: '/api/v1/federation/invitations', body: {} },
        { method: 'DELETE', path: '/api/v1/federation/partners/partner' },
        { method: 'GET', path: '/health' },
      ]
      for (const call of calls) {
        for (const token of tokens) {
          const { status, text } = await at.send({ ...call, headers: { Authorization: `Bearer ${token}` } })
          const what = `${call.method} ${call.path} ${token.slice(0, 60)}`
          assert.equal(status, 401, what)
          assertRefused({ status, type: 'application/json; charset=utf-8', body: text }, what)
          assert.ok(!text.includes(token), 'an answer shows no token')
        }
      }
      for (const federation_token of tokens) {
        const body = {
          request_id: 'r',
          target_provider_id: at.node.providerId,
          original_request: { request_id: 'r', capability: 'use-held' },
          federation_token,
        }
        const reply = await at.send({ method: 'POST', path: '/api/v1/federation/forward', body })
        assert.ok(reply.status === 401 || reply.status === 400, reply.text)
      }
    },
  ))
