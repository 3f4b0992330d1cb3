import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Value } from 'typebox/value'
import type { Route } from '../../src/http/route.ts'
import { ROUTES } from '../../src/http/routes.ts'
import { BOUNDARY, form, part } from '../http/harness.ts'
import { signedConstraint } from '../support/constraints.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { assertRefused, breakOff, keptBy, type RawCall, sendBytes, settled } from './hostile.ts'
import { type ContractServer, contractServer } from './server.ts'

const small = await readFile(SMALL_MODULE)
/** A module without content. */
const EMPTY_MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
const JSON_TYPE = 'Content-Type: application/json'
const FORM_TYPE = `Content-Type: multipart/form-data; boundary=${BOUNDARY}`
const PROVIDER = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'
const ABSENT_KEY = '0'.repeat(16)

const nameOf = ({ method, path }: Route): string => `${method} ${path}`
const HELD = { cell_type: 'held', version: '1.0.0' }
const METADATA = { cell_type: 'new', version: '1.0.0', capabilities: [{ name: 'use-new', version: '1.0.0' }] }
const report = { ...HELD, report_id: 'report', timestamp: new Date().toISOString() }

/** A signed request, as far as its form goes. */
const signedBy = (operator_id: string, payload: object) => ({
  request_id: '550e8400-e29b-41d4-a716-446655440000',
  timestamp: new Date().toISOString(),
  operator_id,
  signature: 'A'.repeat(86),
  payload,
})

/** A body of each JSON route that is right as far as its form goes. */
const BODIES: Readonly<Record<string, Record<string, unknown>>> = {
  'POST /api/v1/cells/request': { request_id: 'r', capability: 'use-held' },
  'POST /api/v1/cells/request/specific': { request_id: 'r', cell_type: 'held' },
  'PATCH /api/v1/repository/cells/:cell_type/:version': { description: 'changed' },
  'POST /api/v1/repository/cells/:cell_type/:version/yank': { reason: 'broken' },
  'POST /api/v1/keys': { role: 'reader', name: 'a reader' },
  'POST /api/v1/peers/:provider_id/ban': { reason: 'sends garbage' },
  'POST /api/v1/federation/forward': {
    request_id: 'r',
    target_provider_id: PROVIDER,
    original_request: { request_id: 'r', capability: 'use-held' },
  },
  'POST /api/v1/federation/partners': { url: 'http://127.0.0.1:1', shared_secret: 'secret', provider_id: 'partner' },
  'PATCH /api/v1/federation/partners/:provider_id': { name: 'changed' },
  'POST /api/v1/federation/invitations': { trust_level: 'trusted' },
  'POST /api/v1/federation/join': { type: 'join_hello' },
  'POST /api/v1/replication/policies': { capability: 'sql.*', max_bytes: 1000 },
  'POST /api/v1/repository/vulnerabilities': {
    vulnerabilities: [{ id: 'CVE-1', cell_type: 'held', affected: '*', severity: 'low', description: 'x' }],
  },
  'PUT /api/v1/repository/vulnerabilities/:id': {
    cell_type: 'held',
    affected: '*',
    severity: 'low',
    description: 'x',
  },
  'PUT /api/v1/assurance/approvals': { domain: 'legal', publisher: 'd'.repeat(64) },
  'POST /api/v1/constraints': {
    constraint: signedConstraint('short', { kind: 'maximum_length', parameters: { characters: 100 } }),
  },
  'POST /api/v1/analytics/usage': { ...report, usage_metrics: { activation_count: 1, total_active_time_ms: 1 } },
  'POST /api/v1/analytics/errors': { ...report, error_type: 'execution', error_code: 'E', error_message: 'x' },
  'POST /api/v1/contribute': {
    goal_id: 'unknown',
    agent_pack: { version: '1.0', parameters: 'SGVsbG8gV29ybGQ=' },
    contributor_id: '0'.repeat(40),
  },
  'POST /api/v1/fsck': { repair: false },
  'POST /api/v1/bundles/export': { cells: ['held'] },
  'POST /api/v1/goals': { goal_id: 'new', evaluator: { digest: `sha256:${'0'.repeat(64)}` } },
  'POST /api/v1/operators': { algorithm: 'hmac-sha256', permissions: [{ domain: 'general', jurisdictions: null }] },
  'POST /api/v1/operators/:operator_id/rotate': { public_key: 'A'.repeat(43) },
  'POST /api/v1/query': signedBy('nobody', { query: 'q', context: { domain: 'general' } }),
  'POST /api/v1/batch': signedBy('nobody', { requests: [{ query: 'q', context: { domain: 'general' } }] }),
  'POST /api/v1/webhooks': { url: 'https://127.0.0.1:1/', events: ['peer.banned'] },
  'POST /api/v2/sessions': { initial_context: 'x'.repeat(20) },
  'PUT /api/v2/sessions/:session_id/preferences': { memory_retention_days: 3 },
  'POST /api/v2/sessions/:session_id/token': { permissions: ['read', 'write'] },
  'POST /api/v2/sessions/:session_id/export': { format: 'jsonl' },
  'POST /api/v2/sessions/import': { format: 'cytoplex-session/1' },
  'POST /api/v2/conversations': { session_id: `sess_${'0'.repeat(32)}`, directive: 'x' },
  'POST /api/v2/conversations/:conversation_id/turns': { agent: 'beatrice', content: 'x' },
  'POST /api/v2/sessions/:session_id/context/search': { query: 'a query' },
  'PUT /api/v2/sessions/:session_id/context/summary': { summary: 'a summary' },
  'PUT /api/v2/sessions/:session_id/agents/:agent_name/state': { state_updates: { a: 1 } },
  'POST /v1/chat/completions': { model: 'extractive', messages: [{ role: 'user', content: 'x' }] },
  'POST /v2/chat/completions': { model: 'extractive', messages: [{ role: 'user', content: 'x' }] },
  'PUT /api/v1/analytics/issues/:issue_id': { resolution_url: 'https://example.org/' },
}

/** Values of path parameters that lead to something. */
const PARAMS: Readonly<Record<string, string>> = {
  cell_type: 'held',
  version: '1.0.0',
  request_id: 'r',
  digest: `sha256:${'0'.repeat(64)}`,
  key_id: ABSENT_KEY,
  provider_id: PROVIDER,
  policy_id: '0123456789ab',
  id: 'CVE-1',
  issue_id: 'issue',
  webhook_id: `wh_${'0'.repeat(24)}`,
  goal_id: 'unknown',
  log_index: '0',
  package: 'rankers',
  name: 'default',
  operator_id: 'nobody',
  batch_id: '550e8400-e29b-41d4-a716-446655440000',
  domain: 'legal',
  publisher: 'd'.repeat(64),
  constraint_id: 'short',
  agent_name: 'beatrice',
  model: 'extractive',
  file: 'index.js',
  export_id: `export_${'0'.repeat(32)}`,
}

/** A session of the server that is attacked, and its conversation. */
let session = { token: '', ids: {} as Readonly<Record<string, string>> }

async function startSession(at: ContractServer): Promise<void> {
  const { memory } = at.node
  const { token, session_id } = await memory.createSession({})
  const access = await memory.authorize(token)
  const start = { session_id, directive: 'the directive' }
  const { conversation_id } = await memory.startConversation(access, start, new AbortController().signal)
  session = { token, ids: { session_id, conversation_id } }
}

/** The path of a route with its parameters, one of them replaced. */
function pathOf(route: Route, replaced: Readonly<Record<string, string>> = {}): string {
  return route.path
    .replace(
      /:([a-z_]+)/g,
      (_, name: string) => replaced[name] ?? PARAMS[name] ?? session.ids[name] ?? assert.fail(`${name} has no value`),
    )
    .replace('*', replaced['*'] ?? '0/000')
}

/** A right request of a route. */
function rightCall(route: Route): RawCall {
  const { method } = route
  const token = route.access.startsWith('session:') ? { token: session.token } : {}
  if (route.multipart !== undefined) {
    const body = form(part('metadata', JSON.stringify(METADATA)), part('cell_package', EMPTY_MODULE))
    return { method, path: pathOf(route), headers: [FORM_TYPE], body }
  }
  if (route.streamed !== undefined)
    return { method, path: pathOf(route), headers: [`Content-Type: ${route.streamed}`], body: Buffer.alloc(1024) }
  if (route.body === undefined) return { method, path: pathOf(route), ...token }
  const body = BODIES[nameOf(route)] ?? assert.fail(`${nameOf(route)} has no body: add one`)
  return { method, path: pathOf(route), ...token, headers: [JSON_TYPE], body: JSON.stringify(body) }
}

/** Bodies that are no JSON, or JSON that nobody may send; `right` is a text that is right. */
function badJson(right: string): Record<string, string | Buffer> {
  const member = (text: string): string => `${text},${right.slice(1)}`
  const [key] = Object.keys(JSON.parse(right) as object)
  return {
    nothing: '',
    'white space': ' \n',
    'no JSON': 'hello',
    'half of it': right.slice(0, right.length / 2),
    'all but the end': right.slice(0, -1),
    'something after it': `${right}x`,
    'two of it': `${right}${right}`,
    'a comment': `/* */${right}`,
    'a comma too many': `${right.slice(0, -1)},}`,
    'single quotes': right.replaceAll('"', "'"),
    NaN: member('{"x":NaN'),
    'a number of another notation': member('{"x":0x10'),
    'a number beyond IEEE 754': member('{"x":1e999'),
    'a number of 100,000 digits and an exponent': member(`{"x":${'9'.repeat(100_000)}e999`),
    'a control character': member('{"x":"\u0000"'),
    'an array': '[]',
    'an array of it': `[${right}]`,
    null: 'null',
    'a string': '"text"',
    'a number': '1',
    true: 'true',
    'an empty object': '{}',
    'the same key twice': member(`{${JSON.stringify(key)}:1`),
    'the same key twice, escaped': member(
      `{"\\u${key!.charCodeAt(0).toString(16).padStart(4, '0')}${key!.slice(1)}":1`,
    ),
    'the key __proto__': member('{"__proto__":{"polluted":true}'),
    'the key __proto__, escaped': member('{"\\u005f_proto__":{"polluted":true}'),
    'the key __proto__, inside': member('{"x":[{"__proto__":null}]'),
    'nested 100,000 times, arrays': member(`{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}`),
    'nested 100,000 times, open': `${'['.repeat(100_000)}`,
    'nested 30,000 times, objects': member(`{"x":${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}`),
    'nested 33 times': member(`{"x":${'['.repeat(33)}${']'.repeat(33)}`),
    'invalid UTF-8': Buffer.concat([
      Buffer.from('{"x":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from(`",${right.slice(1)}`),
    ]),
    'overlong UTF-8': Buffer.concat([
      Buffer.from('{"x":"'),
      Buffer.from([0xc0, 0xaf]),
      Buffer.from(`",${right.slice(1)}`),
    ]),
    'cut UTF-8': Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xe2, 0x82])]),
    'a lone surrogate': member('{"x":"\\ud800"'),
    'a lone surrogate as UTF-8': Buffer.concat([
      Buffer.from('{"x":"'),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from(`",${right.slice(1)}`),
    ]),
    'a byte order mark': `\ufeff${right}`,
    'UTF-16': Buffer.from(right, 'utf16le'),
    'UTF-16 with a byte order mark': Buffer.from(`\ufeff${right}`, 'utf16le'),
  }
}

const BAD_JSON_TYPES = [
  [],
  ['Content-Type: '],
  ['Content-Type: ;'],
  ['Content-Type: /'],
  ['Content-Type: json'],
  ['Content-Type: application'],
  ['Content-Type: application/'],
  ['Content-Type: text/plain'],
  ['Content-Type: application/jsonp'],
  ['Content-Type: application/json+x'],
  ['Content-Type: application/json garbage'],
  ['Content-Type: application/json, text/plain'],
  ['Content-Type: application/x-www-form-urlencoded'],
  ['Content-Type: multipart/form-data'],
  [FORM_TYPE],
  [`Content-Type: ${'x'.repeat(8000)}/json`],
  ['Content-Type: application/j\u00e9son'],
  ['Content-Type: __proto__'],
  ['Content-Type: constructor'],
]

/** A server with one cell, and what it keeps at the end is what it kept at the beginning. */
async function attacked(
  t: Parameters<typeof contractServer>[0],
  attack: (at: ContractServer) => Promise<void>,
): Promise<void> {
  const at = await contractServer(t)
  const registered = await at.register(HELD)
  assert.equal(registered.status, 201, registered.text)
  await startSession(at)
  const access = await at.node.memory.authorize(session.token)
  const kept = async () => [await keptBy(at), at.node.memory.session(access)]
  const before = await kept()
  await attack(at)
  await settled(at)
  assert.deepEqual(await kept(), before)
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
}

const jsonRoutes = ROUTES.filter(({ body }) => body !== undefined)
const formRoutes = ROUTES.filter(({ multipart }) => multipart !== undefined)

test('bodies that are no JSON, or JSON that means two things, are refused on every route', (t) =>
  attacked(t, async (at) => {
    for (const route of jsonRoutes) {
      const call = rightCall(route)
      for (const [what, body] of Object.entries(badJson(call.body as string))) {
        if (body === '{}' && Value.Check(route.body!, {})) continue
        assertRefused(await sendBytes(at, { ...call, body }), `${nameOf(route)}: ${what}`)
      }
    }
  }))

test('a right body of another Content-Type is refused on every route', (t) =>
  attacked(t, async (at) => {
    for (const route of jsonRoutes) {
      for (const headers of BAD_JSON_TYPES)
        assertRefused(await sendBytes(at, { ...rightCall(route), headers }), `${nameOf(route)}: ${headers}`)
    }
  }))

/** Frames that do not hold what they say. */
function badFrames(call: RawCall): Record<string, RawCall> {
  const body = Buffer.from(call.body ?? '')
  const { length } = body
  const ends = true
  const headers = call.headers ?? []
  const chunked = (text: string): RawCall => ({
    ...call,
    headers: [...headers, 'Transfer-Encoding: chunked'],
    length: null,
    body: text,
    ends,
  })
  const coded = (coding: string): RawCall => ({ ...call, headers: [...headers, coding], ends })
  return {
    'a Content-Length that is too large': { ...call, length: length + 1, ends },
    'a Content-Length that is too small': { ...call, length: length - 10 },
    'a Content-Length of 0': { ...call, length: 0 },
    'a negative Content-Length': coded(`Content-Length: -1`),
    'two Content-Lengths': coded('Content-Length: 1'),
    'a Content-Length that is no number': { ...call, length: null, headers: [...headers, 'Content-Length: abc'], ends },
    'a Content-Length beyond everything': { ...call, length: Number.MAX_SAFE_INTEGER, ends },
    'Content-Length and chunks': { ...chunked(`${length.toString(16)}\r\n${body}\r\n0\r\n\r\n`), length },
    'chunks of garbage': chunked('hello\r\n'),
    'a chunk without its end': chunked(`${length.toString(16)}\r\n${body}`),
    'chunks without an end': chunked(`${length.toString(16)}\r\n${body}\r\n`),
    'a chunk that is shorter than it says': chunked(`${(length + 5).toString(16)}\r\n${body}\r\n0\r\n\r\n`),
    'a chunk of a negative size': chunked(`-1\r\n${body}\r\n0\r\n\r\n`),
    'a chunk beyond everything': chunked(`ffffffffffffffff\r\n${body}\r\n0\r\n\r\n`),
    'a coding that is none': coded('Transfer-Encoding: nothing'),
  }
}

test('bodies that are not framed as they say are refused on every route', (t) =>
  attacked(t, async (at) => {
    for (const route of [...jsonRoutes, ...formRoutes]) {
      for (const [what, call] of Object.entries(badFrames(rightCall(route))))
        assertRefused(await sendBytes(at, call), `${nameOf(route)}: ${what}`)
    }
  }))

const METADATA_PART = part('metadata', JSON.stringify(METADATA))
const PACKAGE_PART = part('cell_package', EMPTY_MODULE)
const raw = (head: string, body: string | Buffer = ''): Buffer =>
  Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\n${head}\r\n\r\n`, 'latin1'),
    Buffer.from(body as string),
    Buffer.from('\r\n'),
  ])
const named = (filename: string): Buffer => part('cell_package', EMPTY_MODULE, `; filename="${filename}"`)
const nested = (name: string): Buffer =>
  part(
    name,
    `--inner\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{}\r\n--inner--`,
    '\r\nContent-Type: multipart/mixed; boundary=inner',
  )

/** Multipart bodies that nobody may send. */
const BAD_FORMS: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'no part': form(),
  'no boundary in it': Buffer.from('hello'),
  'another boundary': Buffer.from(
    form(METADATA_PART, PACKAGE_PART).toString('latin1').replaceAll(BOUNDARY, 'other'),
    'latin1',
  ),
  'no metadata': form(PACKAGE_PART),
  'metadata twice': form(METADATA_PART, METADATA_PART, PACKAGE_PART),
  'the package twice': form(METADATA_PART, PACKAGE_PART, PACKAGE_PART),
  'the package, metadata, the package': form(PACKAGE_PART, METADATA_PART, PACKAGE_PART),
  'an unknown part': form(METADATA_PART, PACKAGE_PART, part('other', 'x')),
  'an unknown part first': form(part('other', 'x'), METADATA_PART, PACKAGE_PART),
  'a part named __proto__': form(METADATA_PART, PACKAGE_PART, part('__proto__', 'x')),
  'a part named constructor': form(METADATA_PART, PACKAGE_PART, part('constructor', 'x')),
  'a part named with a path': form(METADATA_PART, PACKAGE_PART, part('../metadata', '{}')),
  'a part named with NUL': form(METADATA_PART, PACKAGE_PART, part('metadata\0', '{}')),
  'a part with an empty name': form(METADATA_PART, PACKAGE_PART, part('', '{}')),
  'a part without a name': form(METADATA_PART, PACKAGE_PART, raw('Content-Disposition: form-data')),
  'a hundred parts': form(...Array.from({ length: 100 }, (_, i) => part(`p${i}`, 'x'))),
  'a manifest without its signature': form(METADATA_PART, PACKAGE_PART, part('manifest', '{}')),
  'a signature without its manifest': form(METADATA_PART, PACKAGE_PART, part('manifest_signature', 'cs1.abc')),
  'a nested form as metadata': form(nested('metadata'), PACKAGE_PART),
  'metadata in base64': form(
    part('metadata', Buffer.from(JSON.stringify(METADATA)).toString('base64'), '\r\nContent-Transfer-Encoding: base64'),
    PACKAGE_PART,
  ),
  'metadata of 300 KB': form(
    part('metadata', JSON.stringify({ ...METADATA, description: 'x'.repeat(300_000) })),
    PACKAGE_PART,
  ),
  'a signature of 200 KB': form(
    METADATA_PART,
    PACKAGE_PART,
    part('manifest', '{}'),
    part('manifest_signature', 'x'.repeat(200_000)),
  ),
  'headers of 100 KB before the name': form(
    METADATA_PART,
    raw(`X-Long: ${'x'.repeat(100_000)}\r\nContent-Disposition: form-data; name="cell_package"`, EMPTY_MODULE),
  ),
  'a thousand headers': form(
    METADATA_PART,
    raw(`${'X-A: b\r\n'.repeat(1000)}Content-Disposition: form-data; name="cell_package"`, EMPTY_MODULE),
  ),
  'a header without its end': form(
    METADATA_PART,
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="cell_package"\r\n`),
  ),
  'a file name that leads elsewhere': form(METADATA_PART, named('../../../../tmp/cell.wasm')),
  'a file name that leads elsewhere on Windows': form(METADATA_PART, named('..\\..\\cell.wasm')),
  'an absolute file name': form(METADATA_PART, named('/etc/passwd')),
  'a drive as file name': form(METADATA_PART, named('C:\\cell.wasm')),
  'a file name of dots': form(METADATA_PART, named('..')),
  'a file name with NUL': form(METADATA_PART, named('cell.wasm\0.txt')),
  'a file name with an escaped path': form(
    METADATA_PART,
    part('cell_package', EMPTY_MODULE, "; filename*=UTF-8''..%2f..%2fcell.wasm"),
  ),
  'a file name of 64 KB': form(METADATA_PART, named('x'.repeat(65_536))),
  'a file name of 4 KB': form(METADATA_PART, named('x'.repeat(4096))),
  'a path as the name of metadata': form(
    part('metadata', JSON.stringify(METADATA), '; filename="../metadata.json"'),
    PACKAGE_PART,
  ),
  'a cell type that leads elsewhere': form(
    part('metadata', JSON.stringify({ ...METADATA, cell_type: '../../new' })),
    PACKAGE_PART,
  ),
  'a version that leads elsewhere': form(
    part('metadata', JSON.stringify({ ...METADATA, version: '1.0.0-../../x' })),
    PACKAGE_PART,
  ),
  'a capability that leads elsewhere': form(
    part('metadata', JSON.stringify({ ...METADATA, capabilities: [{ name: '../x', version: '1.0.0' }] })),
    PACKAGE_PART,
  ),
  'a format that leads elsewhere': form(
    part('metadata', JSON.stringify({ ...METADATA, packaging_format: '../wasm' })),
    PACKAGE_PART,
  ),
  'a cell type with NUL': form(part('metadata', JSON.stringify({ ...METADATA, cell_type: 'new\0' })), PACKAGE_PART),
}

const BAD_FORM_TYPES = [
  [],
  ['Content-Type: multipart/form-data'],
  ['Content-Type: multipart/form-data; boundary'],
  ['Content-Type: multipart/form-data; boundary='],
  ['Content-Type: multipart/form-data; boundary=""'],
  ['Content-Type: multipart/form-data; boundary=other'],
  [`Content-Type: multipart/form-data; boundary=${'x'.repeat(4000)}`],
  ['Content-Type: multipart/form-data; boundary=a\u00e9'],
  ['Content-Type: multipart/form-data; __proto__=x'],
  [`Content-Type: multipart/mixed; boundary=${BOUNDARY}`],
  [`Content-Type: multipart/form-data-x; boundary=${BOUNDARY}`],
  [`Content-Type: multipart; boundary=${BOUNDARY}`],
  ['Content-Type: application/octet-stream'],
  [JSON_TYPE],
]

test('forms that are not what they should be are refused on every route', (t) =>
  attacked(t, async (at) => {
    for (const route of formRoutes) {
      const call = rightCall(route)
      for (const [what, body] of Object.entries(BAD_FORMS))
        assertRefused(await sendBytes(at, { ...call, body }), `${nameOf(route)}: ${what}`)
      for (const headers of BAD_FORM_TYPES)
        assertRefused(await sendBytes(at, { ...call, headers }), `${nameOf(route)}: ${headers}`)
      for (const [what, json] of Object.entries(badJson(JSON.stringify(METADATA)))) {
        const metadata = part('metadata', json)
        assertRefused(
          await sendBytes(at, { ...call, body: form(metadata, PACKAGE_PART) }),
          `${nameOf(route)}: metadata: ${what}`,
        )
      }
    }
  }))

/** Lengths at which to cut a body: every byte around its structure, some inside the package. */
function cutsOf(body: Buffer, inside: Buffer): number[] {
  const start = body.indexOf(inside)
  const isNear = (at: number): boolean => at < start + 100 || at > start + inside.length - 100 || at % 4999 === 0
  return Array.from({ length: body.length }, (_, at) => at).filter(isNear)
}

async function inGroups<T>(items: readonly T[], size: number, work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += size) await Promise.all(items.slice(at, at + size).map(work))
}

const UPLOADED = form(METADATA_PART, part('cell_package', small, '; filename="package.wasm"'))
/** The closing delimiter is whole without the line break behind it. */
const WHOLE = UPLOADED.length - 2

test('an upload that ends early is refused at every byte', (t) =>
  attacked(t, async (at) => {
    const cuts = cutsOf(UPLOADED, small).filter((bytes) => bytes < WHOLE)
    for (const route of formRoutes) {
      await inGroups(cuts, 8, async (bytes) => {
        const body = UPLOADED.subarray(0, bytes)
        assertRefused(await sendBytes(at, { ...rightCall(route), body }), `${nameOf(route)}: ${bytes} bytes`)
      })
    }
  }))

test('an upload whose connection breaks at any byte leaves nothing', (t) =>
  attacked(t, async (at) => {
    const cuts = cutsOf(UPLOADED, small)
    for (const route of formRoutes)
      await inGroups(cuts, 8, (bytes) => breakOff(at, { ...rightCall(route), body: UPLOADED }, bytes))
  }))

/** Values that are right for no parameter, and those that are right for none with a form of its own. */
const BAD_SEGMENTS = [
  '..',
  '.',
  '..%2f..%2fetc%2fpasswd',
  '%2e%2e%2f',
  '%2e%2e',
  '..%5c..',
  'held%00',
  '%00',
  '%',
  '%zz',
  '%ff',
  '%c0%ae%c0%ae',
  '%ed%a0%80',
  '%F0%9F%92%A9',
  'held%0d%0aX-Injected:%201',
  '%20',
  '__proto__',
  'x'.repeat(1025),
  'x'.repeat(7000),
]

test('paths that lead elsewhere, or say nothing, are refused on every route', (t) =>
  attacked(t, async (at) => {
    for (const route of ROUTES) {
      if (route.method === 'HEAD') continue
      const names = [...route.path.matchAll(/:([a-z_]+)|(\*)/g)].map(([, name = '*']) => name)
      for (const name of names) {
        for (const segment of BAD_SEGMENTS) {
          // An agent may be called so.
          if (name === 'agent_name' && segment === '__proto__') continue
          const path = pathOf(route, { [name]: segment })
          const reply = await sendBytes(at, { ...rightCall(route), path })
          // The documented answer about a request that is not there has a form of its own.
          if (route.method === 'DELETE' && name === 'request_id' && reply.status === 404) continue
          assertRefused(reply, `${route.method} ${path.slice(0, 100)}`)
        }
      }
    }
  }))

const BAD_INTEGERS = [
  '',
  'NaN',
  'Infinity',
  '-1',
  '-0',
  '1.5',
  '1.0',
  '1e0',
  '0x1',
  '01',
  '+1',
  '%201',
  '1%20',
  '1_0',
  '%00',
  'true',
  '99999999999999999999',
  '1'.repeat(5000),
]
const BAD_BOOLEANS = ['', 'yes', 'TRUE', '2', 'null', 'true,false']
const BAD_TEXTS = ['%00', '..%2f..', '%ff', '%zz', 'x'.repeat(5000)]

test('queries that cannot be read are refused on every route', (t) =>
  attacked(t, async (at) => {
    let count = 0
    for (const route of ROUTES) {
      if (route.query === undefined) continue
      const fields = (route.query as unknown as { properties: Record<string, { type: string; minLength?: number }> })
        .properties
      const right: Record<string, string> = {}
      if ('log_index' in fields) right.log_index = '0'
      if ('from' in fields) right.from = '1'
      if ('capability' in fields) right.capability = 'use-held'
      const asked = (query: string): RawCall => ({ ...rightCall(route), path: `${pathOf(route)}?${query}` })
      for (const [name, { type }] of Object.entries(fields)) {
        const others = Object.entries(right)
          .flatMap(([other, value]) => (other === name ? [] : [`${other}=${value}&`]))
          .join('')
        const bad =
          type === 'integer'
            ? BAD_INTEGERS
            : type === 'boolean'
              ? BAD_BOOLEANS
              : name === 'search'
                ? ['', 'x'.repeat(5000)]
                : BAD_TEXTS
        for (const value of bad) {
          const call = asked(`${others}${name}=${value}`)
          assertRefused(await sendBytes(at, call), call.path.slice(0, 200))
          count++
        }
        const value = right[name] ?? (type === 'integer' ? '1' : type === 'boolean' ? 'true' : 'held')
        const twice = asked(`${others}${name}=${value}&${name}=${value}`)
        assertRefused(await sendBytes(at, twice), twice.path)
      }
    }
    assert.ok(count > 100)
  }))

test('a cell that is named like a property of every object is a cell like any other', async (t) => {
  const at = await contractServer(t)
  const name = 'constructor'
  const cell = { cell_type: name, version: '1.0.0', labels: { [name]: name }, tags: [name], description: name }
  const path = `/api/v1/repository/cells/${name}`
  const report = { cell_type: name, version: '1.0.0', timestamp: new Date(at.clock.now()).toISOString() }
  const usage = { activation_count: 1, total_active_time_ms: 1 }
  const error = { error_type: name, error_code: name, error_message: name, stack_trace: `at ${name} (x:1)` }
  const asked = { request_id: name, capability: name, preferences: { explain: true, resolve_dependencies: true } }
  const vulnerability = { cell_type: name, affected: '*', severity: 'low', description: name }
  for (const [call, status] of [
    [{ path }, 404],
    [{ path: `/api/v1/providers/${name}` }, 404],
    [{ path: `/api/v1/providers/validators/${name}` }, 404],
    [{ path: `/api/v1/log/tile/${name}` }, 404],
    [{ method: 'DELETE', path: `/api/v1/federation/partners/${name}` }, 404],
    [{ method: 'POST', path: '/api/v1/cells/request', headers: { Prefer: 'wait=30' }, body: asked }, 404],
    [
      {
        method: 'POST',
        path: '/api/v1/repository/cells',
        ...at.upload({ ...cell, capabilities: [{ name, version: '1.0.0' }] }),
      },
      201,
    ],
    [{ path }, 200],
    [{ path: `/api/v1/repository/cells?search=${name}&capability=${name}` }, 200],
    [{ path: `/api/v1/discovery/capabilities?capability=${name}&include_details=true` }, 200],
    [{ method: 'POST', path: '/api/v1/cells/request', body: { ...asked, request_id: 'again' } }, 200],
    [
      {
        method: 'POST',
        path: '/api/v1/analytics/usage',
        body: { ...report, report_id: '1', usage_metrics: usage },
      },
      202,
    ],
    [{ method: 'POST', path: '/api/v1/analytics/errors', body: { ...report, report_id: '2', ...error } }, 202],
    [{ path: `/api/v1/analytics/overview?cell_type=${name}` }, 200],
    [{ method: 'PUT', path: `/api/v1/repository/vulnerabilities/${name}`, body: vulnerability }, 200],
    [{ method: 'POST', path: `${path}/1.0.0/yank`, body: { reason: 'broken' } }, 200],
    [{ path }, 200],
    [{ method: 'DELETE', path: `${path}/1.0.0` }, 200],
    [{ path }, 404],
  ] as const) {
    const reply = await at.admin(call)
    assert.equal(reply.status, status, `${call.path}: ${reply.text.slice(0, 300)}`)
  }
})
