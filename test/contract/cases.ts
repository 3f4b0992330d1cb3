import { MAX_APPROVALS } from '../../protocol/approvals.ts'
import { CONSTRAINT_LIMITS } from '../../protocol/constraints.ts'
import { newNonce, readInvitation } from '../../src/domain/federation/invitations.ts'
import { signMessage } from '../../src/domain/federation/join-messages.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed } from '../../src/kernel/identity/keys.ts'
import { newRequestKeys, signRequest } from '../../src/kernel/identity/quantum-signature.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { form, MULTIPART, part, type Reply } from '../http/harness.ts'
import { NETWORK } from '../support/cells.ts'
import { signedConstraint } from '../support/constraints.ts'
import { assuranceCases } from './assurance-cases.ts'
import { chatCases } from './chat-cases.ts'
import { exportCases } from './export-cases.ts'
import { goalCases } from './goal-cases.ts'
import { memoryCases } from './memory-cases.ts'
import { type Another, type ContractServer, SILENT } from './server.ts'
import { webhookCases } from './webhook-cases.ts'

/** Makes a server answer with one status, by a real request. Cases share one server and run in this order. */
export type Produce = (at: ContractServer, another: Another) => Promise<Reply>

const REQUEST = '/api/v1/cells/request'
const CELLS = '/api/v1/repository/cells'
const ABSENT = `sha256:${'0'.repeat(64)}`
const ANOTHER_ID = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'
const LARGE = 'x'.repeat(300 * 1024)
const json = { 'Content-Type': 'application/json' }

let count = 0
/** A name or id that no other case uses. */
const fresh = (word: string): string => `${word}-${++count}`

const ask = (body: object, headers: Record<string, string> = {}) => ({ method: 'POST', path: REQUEST, headers, body })
const askFor = (cell_type: string, version: string) => ({
  method: 'POST',
  path: `${REQUEST}/specific`,
  body: { request_id: fresh('r'), cell_type, version },
})
const NOBODY_HAS = { capability: 'nobody-has-this' }
const AT_ONCE = { Prefer: 'wait=0' }

/** A request that nobody has answered yet, with the token of its client. */
async function pending(at: ContractServer): Promise<{ path: string; headers: Record<string, string> }> {
  const request_id = fresh('r')
  const { headers, status, text } = await at.send(ask({ request_id, capability: SILENT }, AT_ONCE))
  if (status !== 202) throw new Error(text)
  return { path: `${REQUEST}/${request_id}`, headers: { 'Request-Token': String(headers['request-token']) } }
}

async function registered(at: ContractServer, more: object = {}) {
  const cell = { cell_type: fresh('cell'), version: '1.0.0', ...more }
  const reply = await at.register(cell)
  if (reply.status !== 201) throw new Error(reply.text)
  return { ...cell, digest: String(reply.json().digest), id: String(reply.json().cell_id) }
}

/** Refuses a signature that was made for another request. */
const withForeignSignature: Produce = (at) => {
  const body = { request_id: fresh('r'), capability: 'any' }
  const keys = newRequestKeys()
  const target = { audience: at.node.providerId, method: 'POST', path: '/elsewhere', body }
  return at.send(ask({ ...body, quantum_signature: signRequest(keys, NETWORK, target, at.clock.now()) }))
}

const found: Produce = async (at) => {
  const { cell_type } = await registered(at)
  return at.send(ask({ request_id: fresh('r'), capability: `use-${cell_type}` }))
}

const cellRequests: Record<string, Record<number, Produce>> = {
  [`POST ${REQUEST}`]: {
    200: found,
    202: (at) => at.send(ask({ request_id: fresh('r'), capability: SILENT }, AT_ONCE)),
    400: (at) => at.send(ask({ request_id: fresh('r'), capability: 'No Name' })),
    401: withForeignSignature,
    404: (at) => at.send(ask({ request_id: fresh('r'), ...NOBODY_HAS }, { Prefer: 'wait=30' })),
    409: async (at) => {
      const reader = await at.key('reader')
      const request_id = fresh('r')
      await at.send(ask({ request_id, ...NOBODY_HAS }, { ...reader, Prefer: 'wait=30' }))
      return at.send(ask({ request_id, capability: 'another' }, reader))
    },
    413: (at) => at.send({ ...ask({}), headers: json, body: LARGE }),
    415: (at) => at.send({ ...ask({}), headers: { 'Content-Type': 'text/plain' }, body: 'x' }),
  },
  [`POST ${REQUEST}/specific`]: {
    200: async (at) => {
      const { cell_type, version } = await registered(at)
      return at.send(askFor(cell_type, version))
    },
    202: (at) => at.send({ ...askFor(SILENT, '*'), headers: AT_ONCE }),
    400: (at) => at.send(askFor('cell', 'new')),
    404: (at) => at.send({ ...askFor(fresh('nobody'), '*'), headers: { Prefer: 'wait=30' } }),
    409: async (at) => {
      const headers = { ...(await at.key('reader')), Prefer: 'wait=30' }
      const first = askFor('nobody', '1.0.0')
      await at.send({ ...first, headers })
      return at.send({ ...first, headers, body: { ...first.body, version: '2.0.0' } })
    },
    413: (at) => at.send({ ...askFor('cell', '*'), headers: json, body: LARGE }),
    415: (at) => at.send({ ...askFor('cell', '*'), headers: { 'Content-Type': 'text/plain' }, body: 'x' }),
  },
  [`GET ${REQUEST}/{request_id}`]: {
    200: async (at) => {
      const { cell_type } = await registered(at)
      const request_id = fresh('r')
      const reader = await at.key('reader')
      await at.send(ask({ request_id, capability: `use-${cell_type}` }, reader))
      return at.send({ path: `${REQUEST}/${request_id}`, headers: reader })
    },
    202: async (at) => at.send(await pending(at)),
    400: (at) => at.send({ path: `${REQUEST}/${'x'.repeat(200)}` }),
    404: (at) => at.send({ path: `${REQUEST}/${fresh('r')}` }),
  },
  [`DELETE ${REQUEST}/{request_id}`]: {
    200: async (at) => at.send({ ...(await pending(at)), method: 'DELETE' }),
    400: (at) => at.send({ method: 'DELETE', path: `${REQUEST}/${'x'.repeat(200)}` }),
    404: (at) => at.send({ method: 'DELETE', path: `${REQUEST}/${fresh('r')}` }),
    409: async (at) => {
      const { cell_type } = await registered(at)
      const request_id = fresh('r')
      const reader = await at.key('reader')
      await at.send(ask({ request_id, capability: `use-${cell_type}` }, reader))
      return at.send({ method: 'DELETE', path: `${REQUEST}/${request_id}`, headers: reader })
    },
  },
}

const packageAt = (digest: string, headers: Record<string, string> = {}, method = 'GET') => ({
  method,
  path: `/api/v1/cells/packages/${digest}`,
  headers,
})

const packages: Record<string, Record<number, Produce>> = {
  'GET /api/v1/cells/packages/{digest}': {
    200: async (at) => at.send(packageAt((await registered(at)).digest)),
    206: async (at) => at.send(packageAt((await registered(at)).digest, { Range: 'bytes=0-99' })),
    304: async (at) => {
      const { digest } = await registered(at)
      return at.send(packageAt(digest, { 'If-None-Match': `"${digest}"` }))
    },
    400: (at) => at.send(packageAt('sha256:no')),
    404: (at) => at.send(packageAt(ABSENT)),
    416: async (at) => at.send(packageAt((await registered(at)).digest, { Range: 'bytes=99999999-' })),
  },
  'HEAD /api/v1/cells/packages/{digest}': {
    200: async (at) => at.send(packageAt((await registered(at)).digest, {}, 'HEAD')),
    304: async (at) => {
      const { digest } = await registered(at)
      return at.send(packageAt(digest, { 'If-None-Match': `"${digest}"` }, 'HEAD'))
    },
    400: (at) => at.send(packageAt('sha256:no', {}, 'HEAD')),
    404: (at) => at.send(packageAt(ABSENT, {}, 'HEAD')),
  },
}

const metadata = (more: object = {}) => {
  const cell_type = fresh('cell')
  return { cell_type, version: '1.0.0', capabilities: [{ name: `use-${cell_type}`, version: '1.0.0' }], ...more }
}
const post = (path: string) => ({ method: 'POST', path })
const yank = (cell_type: string, body: object = { reason: 'broken', message: 'loses rows' }) => ({
  ...post(`${CELLS}/${cell_type}/1.0.0/yank`),
  body,
})
const tooLarge = { headers: MULTIPART, body: form(part('metadata', JSON.stringify({ description: LARGE }))) }
const noForm = { headers: json, body: '{}' }

const repository: Record<string, Record<number, Produce>> = {
  [`GET ${CELLS}`]: {
    200: async (at) => {
      const { cell_type } = await registered(at, { description: 'Adds', tags: ['math'] })
      return at.send({ path: `${CELLS}?capability=use-${cell_type}` })
    },
    400: (at) => at.send({ path: `${CELLS}?limit=0` }),
  },
  [`POST ${CELLS}`]: {
    201: (at) => at.admin({ ...post(CELLS), ...at.upload(metadata()) }),
    400: (at) => at.admin({ ...post(CELLS), ...at.upload(metadata(), Buffer.from('no module')) }),
    409: async (at) => {
      const { cell_type } = await registered(at)
      return at.register({ cell_type, version: '1.0.0' })
    },
    413: (at) => at.admin({ ...post(CELLS), ...tooLarge }),
    415: (at) => at.admin({ ...post(CELLS), ...noForm }),
  },
  'POST /api/v1/repository/validate': {
    200: (at) =>
      at.admin({ ...post('/api/v1/repository/validate'), ...at.upload(metadata(), Buffer.from('no module')) }),
    400: (at) => at.admin({ ...post('/api/v1/repository/validate'), ...at.upload('{') }),
    413: (at) => at.admin({ ...post('/api/v1/repository/validate'), ...tooLarge }),
    415: (at) => at.admin({ ...post('/api/v1/repository/validate'), ...noForm }),
  },
  [`PUT ${CELLS}/{cell_type}`]: {
    200: async (at) => {
      const { cell_type } = await registered(at)
      return at.admin({ method: 'PUT', path: `${CELLS}/${cell_type}`, ...at.upload({ version: '1.1.0' }, null) })
    },
    400: async (at) => {
      const { cell_type } = await registered(at)
      return at.admin({ method: 'PUT', path: `${CELLS}/${cell_type}`, ...at.upload({}, null) })
    },
    404: (at) => at.admin({ method: 'PUT', path: `${CELLS}/absent`, ...at.upload({ version: '1.1.0' }, null) }),
    409: async (at) => {
      const { cell_type } = await registered(at)
      return at.admin({ method: 'PUT', path: `${CELLS}/${cell_type}`, ...at.upload({ version: '1.0.0' }, null) })
    },
    413: (at) => at.admin({ method: 'PUT', path: `${CELLS}/any`, ...tooLarge }),
    415: (at) => at.admin({ method: 'PUT', path: `${CELLS}/any`, ...noForm }),
  },
  [`POST ${CELLS}/{cell_type}/{version}/yank`]: {
    200: async (at) => at.admin(yank((await registered(at)).cell_type)),
    400: (at) => at.admin(yank('any', { reason: 'bored' })),
    403: async (at) => {
      const { cell_type } = await registered(at)
      return at.send({ ...yank(cell_type), headers: await at.key('publisher') })
    },
    404: (at) => at.admin(yank('absent')),
    409: async (at) => at.admin(yank((await registered(at)).cell_type, { undo: true })),
  },
  [`GET ${CELLS}/{cell_type}`]: {
    200: async (at) => {
      const { cell_type } = await registered(at)
      return at.send({ path: `${CELLS}/${cell_type}?version=1.0.0` })
    },
    400: (at) => at.send({ path: `${CELLS}/any?version=new` }),
    404: (at) => at.send({ path: `${CELLS}/absent` }),
  },
  [`PATCH ${CELLS}/{cell_type}/{version}`]: {
    200: async (at) => {
      const { cell_type } = await registered(at)
      return at.admin({ method: 'PATCH', path: `${CELLS}/${cell_type}/1.0.0`, body: { status: 'deprecated' } })
    },
    400: (at) => at.admin({ method: 'PATCH', path: `${CELLS}/any/1.0.0`, body: { status: 'gone' } }),
    404: (at) => at.admin({ method: 'PATCH', path: `${CELLS}/absent/1.0.0`, body: { status: 'active' } }),
  },
  [`DELETE ${CELLS}/{cell_type}/{version}`]: {
    200: async (at) => at.admin({ method: 'DELETE', path: `${CELLS}/${(await registered(at)).cell_type}/1.0.0` }),
    400: (at) => at.admin({ method: 'DELETE', path: `${CELLS}/any/new` }),
    403: async (at) => {
      const { cell_type } = await registered(at)
      await registered(at, { dependencies: [{ capability: `use-${cell_type}`, version_constraint: '^1.0.0' }] })
      return at.admin({ method: 'DELETE', path: `${CELLS}/${cell_type}/1.0.0` })
    },
    404: (at) => at.admin({ method: 'DELETE', path: `${CELLS}/absent/1.0.0` }),
  },
}

const VULNERABILITIES = '/api/v1/repository/vulnerabilities'
const known = (cell_type: string) => ({ cell_type, affected: '<2', severity: 'high', description: 'Reads too far' })
const record = (id: string, body: object) => ({ method: 'PUT', path: `${VULNERABILITIES}/${id}`, body })
const many = (count: number, cell_type: string) =>
  Array.from({ length: count }, (_, n) => ({ id: `CVE-2026-${n + 1}`, ...known(cell_type) }))

const vulnerabilities: Record<string, Record<number, Produce>> = {
  [`GET ${VULNERABILITIES}`]: {
    200: async (at) => {
      const { cell_type } = await registered(at)
      await at.admin(record('CVE-2026-1', known(cell_type)))
      return at.send({ path: `${VULNERABILITIES}?cell_type=${cell_type}` })
    },
    400: (at) => at.send({ path: `${VULNERABILITIES}?limit=0` }),
  },
  [`POST ${VULNERABILITIES}`]: {
    200: (at) => at.admin({ ...post(VULNERABILITIES), body: { vulnerabilities: many(2, fresh('cell')) } }),
    400: (at) => at.admin({ ...post(VULNERABILITIES), body: { vulnerabilities: {} } }),
    507: (at) => at.admin({ ...post(VULNERABILITIES), body: { vulnerabilities: many(201, fresh('cell')) } }),
  },
  [`PUT ${VULNERABILITIES}/{id}`]: {
    200: (at) => at.admin(record('CVE-2026-7', known(fresh('cell')))),
    400: (at) => at.admin(record('CVE-2026-7', { ...known('any'), affected: 'new' })),
    507: async (at) => {
      const cell_type = fresh('cell')
      await at.admin({ ...post(VULNERABILITIES), body: { vulnerabilities: many(200, cell_type) } })
      return at.admin(record('CVE-2027-1', known(cell_type)))
    },
  },
  [`DELETE ${VULNERABILITIES}/{id}`]: {
    200: async (at) => {
      const cell_type = fresh('cell')
      await at.admin(record('CVE-2026-1', known(cell_type)))
      return at.admin({ method: 'DELETE', path: `${VULNERABILITIES}/CVE-2026-1?cell_type=${cell_type}` })
    },
    400: (at) => at.admin({ method: 'DELETE', path: `${VULNERABILITIES}/CVE-2026-1` }),
    404: (at) => at.admin({ method: 'DELETE', path: `${VULNERABILITIES}/CVE-2026-1?cell_type=absent` }),
  },
}

const get =
  (path: string): Produce =>
  (at) =>
    at.send({ path })
const asAdmin =
  (path: string): Produce =>
  (at) =>
    at.admin({ path })

const newPeer = (): string => providerIdOf(ed25519FromSeed(newSeed()).publicKey)
const banPath = (peer: string): string => `/api/v1/peers/${peer}/ban`

const discovery: Record<string, Record<number, Produce>> = {
  'GET /api/v1/discovery/info': { 200: get('/api/v1/discovery/info') },
  'GET /api/v1/discovery/capabilities': {
    200: async (at) => {
      const { cell_type } = await registered(at)
      return at.send({ path: `/api/v1/discovery/capabilities?capability=use-${cell_type}&include_details=true` })
    },
    400: get('/api/v1/discovery/capabilities'),
  },
  'GET /api/v1/discovery/health': { 200: get('/api/v1/discovery/health') },
  'GET /peers': { 200: asAdmin('/peers') },
  'GET /api/v1/peers': { 200: asAdmin('/api/v1/peers') },
  'GET /api/v1/peers/banned': { 200: asAdmin('/api/v1/peers/banned') },
  'POST /api/v1/peers/{provider_id}/ban': {
    200: (at) => at.admin({ ...post(banPath(newPeer())), body: { reason: 'sends garbage', duration_seconds: 3600 } }),
    400: (at) => at.admin({ ...post(banPath(at.node.providerId)), body: {} }),
  },
  'DELETE /api/v1/peers/{provider_id}/ban': {
    200: async (at) => {
      const peer = newPeer()
      await at.admin({ ...post(banPath(peer)), body: {} })
      return at.admin({ method: 'DELETE', path: banPath(peer) })
    },
    400: (at) => at.admin({ method: 'DELETE', path: banPath('nobody') }),
    404: (at) => at.admin({ method: 'DELETE', path: banPath(newPeer()) }),
  },
  'GET /api/v1/providers': { 200: asAdmin('/api/v1/providers') },
  'GET /api/v1/providers/{package}': {
    200: asAdmin('/api/v1/providers/rankers'),
    400: asAdmin(`/api/v1/providers/${'x'.repeat(200)}`),
    404: asAdmin('/api/v1/providers/absent'),
  },
  'GET /api/v1/providers/{package}/{name}': {
    200: asAdmin('/api/v1/providers/validators/wasm'),
    400: asAdmin(`/api/v1/providers/validators/${'x'.repeat(200)}`),
    404: asAdmin('/api/v1/providers/validators/absent'),
  },
}

const log: Record<string, Record<number, Produce>> = {
  'GET /api/v1/log/checkpoint': { 200: get('/api/v1/log/checkpoint') },
  'GET /api/v1/log/inclusion': {
    200: get('/api/v1/log/inclusion?log_index=1'),
    400: get('/api/v1/log/inclusion'),
    404: get('/api/v1/log/inclusion?log_index=99999'),
  },
  'GET /api/v1/log/registration': {
    200: async (at) => {
      const { id } = await registered(at)
      return at.send({ path: `/api/v1/log/registration?cell_id=${id}` })
    },
    400: get('/api/v1/log/registration?cell_id=none'),
    404: get(`/api/v1/log/registration?cell_id=${'0'.repeat(64)}`),
  },
  'GET /api/v1/log/consistency': {
    200: get('/api/v1/log/consistency?from=1'),
    400: get('/api/v1/log/consistency?from=first'),
    404: get('/api/v1/log/consistency?from=99999'),
  },
  'GET /api/v1/log/witnesses': { 200: get('/api/v1/log/witnesses') },
  'GET /api/v1/log/evidence': {
    200: get('/api/v1/log/evidence'),
    400: get('/api/v1/log/evidence?limit=0'),
  },
  'GET /api/v1/log/epochs': {
    200: get('/api/v1/log/epochs'),
    400: get('/api/v1/log/epochs?provider_id=nobody'),
  },
  // Of goals that there are, the goals' own cases tell.
  'GET /api/v1/log/{goal_id}/checkpoint': {
    400: get('/api/v1/log/a.b/checkpoint'),
    404: get('/api/v1/log/none/checkpoint'),
  },
  'GET /api/v1/log/{goal_id}/inclusion': {
    400: get('/api/v1/log/none/inclusion'),
    404: get('/api/v1/log/none/inclusion?log_index=0'),
  },
  'GET /api/v1/log/{goal_id}/consistency': {
    400: get('/api/v1/log/none/consistency?from=first'),
    404: get('/api/v1/log/none/consistency?from=0'),
  },
  'GET /api/v1/log/{goal_id}/proof': {
    400: get('/api/v1/log/none/proof'),
    404: get('/api/v1/log/none/proof?log_index=0'),
  },
  'GET /api/v1/log/{goal_id}/tile/{path}': {
    400: get('/api/v1/log/a.b/tile/0/000.p/1'),
    404: get('/api/v1/log/none/tile/0/000.p/1'),
  },
  'GET /api/v1/log/tile/{path}': { 200: get('/api/v1/log/tile/0/000.p/1'), 404: get('/api/v1/log/tile/9/999') },
}

const keys: Record<string, Record<number, Produce>> = {
  'POST /api/v1/keys': {
    201: (at) => at.admin({ ...post('/api/v1/keys'), body: { role: 'publisher', name: 'build server' } }),
    400: (at) => at.admin({ ...post('/api/v1/keys'), body: { role: 'king', name: 'x' } }),
  },
  'GET /api/v1/keys': { 200: asAdmin('/api/v1/keys?limit=1'), 400: asAdmin('/api/v1/keys?limit=0') },
  'DELETE /api/v1/keys/{key_id}': {
    200: async (at) => {
      const made = await at.admin({ ...post('/api/v1/keys'), body: { role: 'reader', name: 'lost' } })
      return at.admin({ method: 'DELETE', path: `/api/v1/keys/${made.json().key_id}` })
    },
    400: (at) => at.admin({ method: 'DELETE', path: '/api/v1/keys/x' }),
    404: (at) => at.admin({ method: 'DELETE', path: `/api/v1/keys/${'0'.repeat(16)}` }),
  },
}

const reportOf = (at: ContractServer, cell_type: string, more: object) => ({
  report_id: fresh('report'),
  cell_type,
  version: '1.0.0',
  timestamp: new Date(at.clock.now()).toISOString(),
  ...more,
})
const usage = { usage_metrics: { activation_count: 3, total_active_time_ms: 1200 } }
const failure = { error_type: 'execution', error_code: 'E_OVERFLOW', error_message: 'the sum is too large' }

/** Reports something about a cell that is here. */
async function report(at: ContractServer, kind: 'usage' | 'errors'): Promise<Reply> {
  const { cell_type } = await registered(at)
  const body = reportOf(at, cell_type, kind === 'usage' ? usage : failure)
  return at.send({ ...post(`/api/v1/analytics/${kind}`), body })
}

const analytics: Record<string, Record<number, Produce>> = {
  'POST /api/v1/analytics/usage': {
    202: (at) => report(at, 'usage'),
    401: (at) => {
      const body = reportOf(at, 'any', usage)
      const target = { audience: at.node.providerId, method: 'POST', path: '/elsewhere', body }
      const quantum_signature = signRequest(newRequestKeys(), NETWORK, target, at.clock.now())
      return at.send({ ...post('/api/v1/analytics/usage'), body: { ...body, quantum_signature } })
    },
    400: (at) =>
      at.send({ ...post('/api/v1/analytics/usage'), body: reportOf(at, 'any', { ...usage, version: 'new' }) }),
  },
  'POST /api/v1/analytics/errors': {
    202: (at) => report(at, 'errors'),
    400: (at) => at.send({ ...post('/api/v1/analytics/errors'), body: {} }),
  },
  'GET /api/v1/analytics/overview': {
    200: asAdmin('/api/v1/analytics/overview?time_range=24h'),
    400: asAdmin('/api/v1/analytics/overview?time_range=ever'),
  },
  'GET /api/v1/analytics/issues': {
    200: asAdmin('/api/v1/analytics/issues?limit=1'),
    400: asAdmin('/api/v1/analytics/issues?limit=0'),
  },
  'PUT /api/v1/analytics/issues/{issue_id}': {
    200: async (at) => {
      await report(at, 'errors')
      const listed = await at.admin({ path: '/api/v1/analytics/issues' })
      const [issue] = listed.json().issues as { issue_id: string }[]
      const body = { resolution_url: 'https://example.org/fixed' }
      return at.admin({ method: 'PUT', path: `/api/v1/analytics/issues/${issue!.issue_id}`, body })
    },
    400: (at) => at.admin({ method: 'PUT', path: '/api/v1/analytics/issues/x', body: { resolution_url: 'http://x' } }),
    404: (at) => at.admin({ method: 'PUT', path: '/api/v1/analytics/issues/x', body: { resolution_url: null } }),
  },
}

const PARTNERS = '/api/v1/federation/partners'
const FORWARD = '/api/v1/federation/forward'
/** Nobody listens there. */
const CLOSED = 'http://127.0.0.1:1'

/** Adds a partner that knows the document only. */
const addPartner = (at: ContractServer, more: object = {}): Promise<Reply> => {
  const provider_id = fresh('partner')
  const partner = {
    provider_id,
    name: 'Acme',
    url: CLOSED,
    trust_level: 'limited',
    shared_secret: 'agreed by telephone',
  }
  return at.admin({ ...post(PARTNERS), body: { ...partner, ...more } })
}
const partnerId = async (at: ContractServer, more: object = {}): Promise<string> =>
  String((await addPartner(at, more)).json().partner_id)

async function invitation(at: ContractServer): Promise<string> {
  const made = await at.admin({ ...post('/api/v1/federation/invitations'), body: { private_url: true } })
  return String(made.json().invitation)
}

/** Makes the two partners. */
async function join(at: ContractServer, other: ContractServer): Promise<void> {
  const body = { url: other.url, own_url: at.url, shared_secret: await invitation(other) }
  const reply = await at.admin({ ...post(PARTNERS), body })
  if (reply.status !== 201) throw new Error(reply.text)
}

const forward = (target_provider_id: string, more: object = {}) => ({
  ...post(FORWARD),
  body: {
    request_id: fresh('r'),
    target_provider_id,
    original_request: { capability: 'any' },
    reason: 'not here',
    ...more,
  },
})

/** First message of a node that was invited by `audience`. */
function hello(invited: string, audience: string) {
  const identity = ed25519FromSeed(newSeed())
  const key = ed25519FromSeed(newSeed())
  const now = Date.now()
  const certificate = issueRoleCertificate({
    identity,
    network: NETWORK,
    role: 'token',
    publicKey: key.publicKey,
    serial: 1,
    notBefore: now - 60_000,
    notAfter: now + 60_000,
  })
  const said = { type: 'join_hello', provider_id: providerIdOf(identity.publicKey), audience, nonce: newNonce() }
  return signMessage({ key, certificate }, NETWORK, { ...said, invitation: readInvitation(invited, NETWORK)!.id })
}

const federation: Record<string, Record<number, Produce>> = {
  'GET /api/v1/federation/status': {
    200: async (at) => {
      await addPartner(at)
      return at.admin({ path: '/api/v1/federation/status' })
    },
  },
  [`POST ${PARTNERS}`]: {
    201: (at) => addPartner(at),
    202: async (at, another) => {
      const body = { url: CLOSED, shared_secret: await invitation(await another()) }
      return at.admin({ ...post(PARTNERS), body })
    },
    400: (at) => addPartner(at, { trust_level: 'blind' }),
    403: async (at, another) => {
      const other = await another()
      const secret = (await invitation(other)).replace(/.{22}$/, 'A'.repeat(22))
      return at.admin({ ...post(PARTNERS), body: { url: other.url, own_url: at.url, shared_secret: secret } })
    },
    409: async (at) => addPartner(at, { provider_id: await partnerId(at) }),
  },
  [`PATCH ${PARTNERS}/{provider_id}`]: {
    200: async (at) =>
      at.admin({ method: 'PATCH', path: `${PARTNERS}/${await partnerId(at)}`, body: { trust_level: 'untrusted' } }),
    400: (at) => at.admin({ method: 'PATCH', path: `${PARTNERS}/any`, body: {} }),
    404: (at) => at.admin({ method: 'PATCH', path: `${PARTNERS}/absent`, body: { trust_level: 'limited' } }),
  },
  [`DELETE ${PARTNERS}/{provider_id}`]: {
    200: async (at) => at.admin({ method: 'DELETE', path: `${PARTNERS}/${await partnerId(at)}` }),
    400: (at) => at.admin({ method: 'DELETE', path: `${PARTNERS}/${'x'.repeat(200)}` }),
    404: (at) => at.admin({ method: 'DELETE', path: `${PARTNERS}/absent` }),
  },
  'POST /api/v1/federation/invitations': {
    201: (at) => at.admin({ ...post('/api/v1/federation/invitations'), body: {} }),
    400: (at) => at.admin({ ...post('/api/v1/federation/invitations'), body: { trust_level: 'blind' } }),
  },
  'POST /api/v1/federation/join': {
    200: async (at) =>
      at.send({ ...post('/api/v1/federation/join'), body: hello(await invitation(at), at.node.providerId) }),
    400: (at) => at.send({ ...post('/api/v1/federation/join'), body: {} }),
    403: async (at) => at.send({ ...post('/api/v1/federation/join'), body: hello(await invitation(at), ANOTHER_ID) }),
  },
  [`POST ${FORWARD}`]: {
    202: async (at, another) => {
      const other = await another()
      await join(at, other)
      return at.send(forward(other.node.providerId))
    },
    400: (at) => at.send(forward('any', { original_request: {} })),
    401: (at) => at.send(forward(at.node.providerId)),
    403: async (at) => at.send(forward(await partnerId(at))),
    404: (at) => at.send(forward('absent')),
    504: async (at) => at.send(forward(await partnerId(at, { partner_token: 'theirs' }))),
  },
}

const REPLICATION = '/api/v1/replication'
const POLICIES = `${REPLICATION}/policies`
const PINS = `${REPLICATION}/pins`

/** Follows something that nobody else follows. */
const follow = (at: ContractServer, more: object = {}): Promise<Reply> =>
  at.admin({ ...post(POLICIES), body: { capability: fresh('followed'), max_bytes: 1000, ...more } })
const pin = (at: ContractServer, digest: string): Promise<Reply> => at.admin(post(`${PINS}/${digest}`))

/** The digest of a package that this server has a copy of. */
async function copied(at: ContractServer, another: Another): Promise<string> {
  const other = await another()
  await join(at, other)
  const cell_type = fresh('copied')
  const metadata = { cell_type, version: '1.0.0', capabilities: [{ name: `use-${cell_type}`, version: '1.0.0' }] }
  // A module without content, but for a section of its own.
  const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, 3, 1, 0x78, count % 256)
  const { digest } = (await other.admin({ ...post(CELLS), ...other.upload(metadata, module) })).json()
  const download = { path: `/api/v1/cells/packages/${digest}` }
  for (let tries = 0; (await at.send(download)).status !== 200; tries++) {
    if (tries === 100) throw new Error(`${digest} cannot be downloaded`)
    // The two connect by themselves, a moment after they have become partners.
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return String(digest)
}

const APPROVALS = '/api/v1/assurance/approvals'
const CONSTRAINTS = '/api/v1/constraints'
const approval = { domain: 'legal', publisher: 'd'.repeat(64) }
const approve = (at: ContractServer, more: object = {}): Promise<Reply> =>
  at.admin({ method: 'PUT', path: APPROVALS, body: { ...approval, ...more } })
const constrain = (at: ContractServer, id: string, more: object = {}): Promise<Reply> =>
  at.admin({
    ...post(CONSTRAINTS),
    body: { constraint: signedConstraint(id, { kind: 'maximum_length', parameters: { characters: 100 } }), ...more },
  })

const sources: Record<string, Record<number, Produce>> = {
  [`GET ${APPROVALS}`]: {
    200: async (at) => {
      await approve(at)
      return at.admin({ path: APPROVALS })
    },
  },
  [`PUT ${APPROVALS}`]: {
    200: (at) => approve(at, { jurisdictions: ['EU'] }),
    400: (at) => approve(at, { domain: 'weather' }),
    507: async (_at, another) => {
      const at = await another()
      const publisherOf = (number: number): string => number.toString(16).padStart(64, '0')
      await Promise.all(
        Array.from({ length: MAX_APPROVALS }, (_, number) => approve(at, { publisher: publisherOf(number) })),
      )
      return approve(at, { publisher: publisherOf(MAX_APPROVALS) })
    },
  },
  [`DELETE ${APPROVALS}/{domain}/{publisher}`]: {
    200: async (at) => {
      await approve(at, { domain: 'finance' })
      return at.admin({ method: 'DELETE', path: `${APPROVALS}/finance/${approval.publisher}` })
    },
    400: (at) => at.admin({ method: 'DELETE', path: `${APPROVALS}/weather/${approval.publisher}` }),
    404: (at) => at.admin({ method: 'DELETE', path: `${APPROVALS}/medical/${approval.publisher}` }),
  },
  [`GET ${CONSTRAINTS}`]: {
    200: async (at) => {
      await constrain(at, fresh('listed'))
      return at.admin({ path: CONSTRAINTS })
    },
    400: (at) => at.admin({ path: `${CONSTRAINTS}?operator_id=` }),
    403: async (at) => at.send({ path: CONSTRAINTS, headers: await at.key('reader') }),
  },
  [`POST ${CONSTRAINTS}`]: {
    201: (at) => constrain(at, fresh('added')),
    400: (at) => constrain(at, fresh('bad'), { constraint: { kind: 'magic' } }),
    403: async (at) => at.send({ ...post(CONSTRAINTS), body: {}, headers: await at.key('reader') }),
    409: async (at) => {
      const id = fresh('twice')
      await constrain(at, id)
      return constrain(at, id)
    },
    422: (at) => {
      const parameters = { pattern: '(', target: 'query' as const }
      return constrain(at, '', {
        constraint: signedConstraint(fresh('bad'), { kind: 'forbidden_pattern', parameters }),
      })
    },
    507: async (at) => {
      const operator = { operator_id: fresh('operator') }
      await Promise.all(
        Array.from({ length: CONSTRAINT_LIMITS.perOperator }, (_, number) => constrain(at, `c${number}`, operator)),
      )
      return constrain(at, 'one-too-many', operator)
    },
  },
  [`DELETE ${CONSTRAINTS}/{constraint_id}`]: {
    200: async (at) => {
      const id = fresh('removed')
      await constrain(at, id)
      return at.admin({ method: 'DELETE', path: `${CONSTRAINTS}/${id}` })
    },
    400: (at) => at.admin({ method: 'DELETE', path: `${CONSTRAINTS}/NO!` }),
    403: async (at) => at.send({ method: 'DELETE', path: `${CONSTRAINTS}/absent`, headers: await at.key('reader') }),
    404: (at) => at.admin({ method: 'DELETE', path: `${CONSTRAINTS}/absent` }),
  },
}

const replication: Record<string, Record<number, Produce>> = {
  [`GET ${REPLICATION}`]: {
    200: async (at) => {
      const { digest } = await registered(at)
      await pin(at, digest)
      await follow(at)
      return at.admin({ path: REPLICATION })
    },
  },
  [`GET ${POLICIES}`]: { 200: asAdmin(POLICIES) },
  [`POST ${POLICIES}`]: {
    201: (at) => follow(at),
    400: (at) => follow(at, { versions: 'not a range' }),
    404: (at) => at.admin({ ...post(POLICIES), body: { partner: ANOTHER_ID, max_bytes: 1 } }),
    409: async (at) => {
      await follow(at, { capability: 'twice' })
      return follow(at, { capability: 'twice' })
    },
  },
  [`DELETE ${POLICIES}/{policy_id}`]: {
    200: async (at) => at.admin({ method: 'DELETE', path: `${POLICIES}/${(await follow(at)).json().id}` }),
    400: (at) => at.admin({ method: 'DELETE', path: `${POLICIES}/x` }),
    404: (at) => at.admin({ method: 'DELETE', path: `${POLICIES}/${'0'.repeat(12)}` }),
    409: async (at) => {
      const { policies } = (await at.admin({ path: POLICIES })).json() as { policies: { id: string; source: string }[] }
      const configured = policies.find(({ source }) => source === 'configuration')
      return at.admin({ method: 'DELETE', path: `${POLICIES}/${configured?.id}` })
    },
  },
  [`POST ${PINS}/{digest}`]: {
    200: async (at) => pin(at, (await registered(at)).digest),
    400: (at) => pin(at, 'x'),
  },
  [`DELETE ${PINS}/{digest}`]: {
    200: async (at) => {
      const { digest } = await registered(at)
      await pin(at, digest)
      return at.admin({ method: 'DELETE', path: `${PINS}/${digest}` })
    },
    400: (at) => at.admin({ method: 'DELETE', path: `${PINS}/x` }),
    404: (at) => at.admin({ method: 'DELETE', path: `${PINS}/${ABSENT}` }),
  },
  [`DELETE ${REPLICATION}/copies/{digest}`]: {
    200: async (at, another) =>
      at.admin({ method: 'DELETE', path: `${REPLICATION}/copies/${await copied(at, another)}` }),
    400: (at) => at.admin({ method: 'DELETE', path: `${REPLICATION}/copies/x` }),
    404: (at) => at.admin({ method: 'DELETE', path: `${REPLICATION}/copies/${ABSENT}` }),
    409: async (at, another) => {
      const digest = await copied(at, another)
      await pin(at, digest)
      return at.admin({ method: 'DELETE', path: `${REPLICATION}/copies/${digest}` })
    },
  },
}

const proofKeys: Record<string, Record<number, Produce>> = {
  'GET /.well-known/public-keys.json': { 200: get('/.well-known/public-keys.json') },
  'POST /api/v1/proof-keys/rotate': { 200: (at) => at.admin(post('/api/v1/proof-keys/rotate')) },
}

const audit: Record<string, Record<number, Produce>> = {
  'GET /api/v1/configuration': { 200: asAdmin('/api/v1/configuration') },
  'GET /api/v1/audit': { 200: asAdmin('/api/v1/audit?limit=1'), 400: asAdmin('/api/v1/audit?limit=0') },
}

const doctor: Record<string, Record<number, Produce>> = {
  'POST /api/v1/doctor': { 200: (at) => at.admin(post('/api/v1/doctor')) },
}

const FSCK = '/api/v1/fsck'
const BUNDLES = '/api/v1/bundles'
const asText = { 'Content-Type': 'text/plain' }
const exported = (at: ContractServer, body: object): Promise<Reply> =>
  at.admin({ method: 'POST', path: `${BUNDLES}/export`, headers: json, body })
const imported = (at: ContractServer, body: string | Buffer, type = 'application/x-tar'): Promise<Reply> =>
  at.admin({ method: 'POST', path: `${BUNDLES}/import?dry_run=true`, headers: { 'Content-Type': type }, body })

const upkeep: Record<string, Record<number, Produce>> = {
  'GET /api/v1/backup/snapshot': { 200: asAdmin('/api/v1/backup/snapshot') },
  'GET /api/v1/backup/packages/{digest}': {
    200: async (at) => at.admin({ path: `/api/v1/backup/packages/${(await registered(at)).digest}` }),
    400: asAdmin('/api/v1/backup/packages/x'),
    404: asAdmin(`/api/v1/backup/packages/${ABSENT}`),
  },
  [`POST ${FSCK}`]: {
    200: (at) => at.admin({ method: 'POST', path: FSCK, headers: json, body: {} }),
    400: (at) => at.admin({ method: 'POST', path: FSCK, headers: json, body: { repair: 'yes' } }),
    413: (at) => at.admin({ method: 'POST', path: FSCK, headers: json, body: { repair: LARGE } }),
    415: (at) => at.admin({ method: 'POST', path: FSCK, headers: asText, body: 'x' }),
  },
  'POST /api/v1/gc': {
    200: (at) => at.admin(post('/api/v1/gc?dry_run=true')),
    400: (at) => at.admin(post('/api/v1/gc?dry_run=maybe')),
  },
  [`POST ${BUNDLES}/export`]: {
    200: async (at) => exported(at, { cells: [(await registered(at)).cell_type] }),
    400: (at) => exported(at, { cells: [] }),
    404: (at) => exported(at, { cells: ['nobody-has-this'] }),
    409: (at) => exported(at, { since: { size: 1_000_000_000 } }),
    413: (at) => exported(at, { cells: [LARGE] }),
    415: (at) => at.admin({ method: 'POST', path: `${BUNDLES}/export`, headers: asText, body: 'x' }),
  },
  [`POST ${BUNDLES}/import`]: {
    200: async (at) => {
      const order = { cells: [(await registered(at)).cell_type] }
      const archive = await at.node.upkeep.exportBundle(order, new AbortController().signal)
      return imported(at, Buffer.concat(await Array.fromAsync(archive)))
    },
    400: (at) => imported(at, 'no archive'),
    415: (at) => imported(at, 'x', 'text/plain'),
  },
  'GET /api/v1/logs': { 200: asAdmin('/api/v1/logs'), 400: asAdmin('/api/v1/logs?limit=-1') },
}

const system: Record<string, Record<number, Produce>> = {
  'GET /health': { 200: get('/health') },
  'GET /ready': { 200: get('/ready') },
  'GET /info': { 200: get('/info') },
  'GET /status': { 200: get('/status') },
  'GET /metrics': { 200: get('/metrics') },
  'GET /openapi.json': { 200: get('/openapi.json') },
}

/** By `METHOD /path` as the OpenAPI document writes it, and status. */
export const CASES: Readonly<Record<string, Readonly<Record<number, Produce>>>> = {
  ...cellRequests,
  ...packages,
  ...repository,
  ...vulnerabilities,
  ...federation,
  ...replication,
  ...proofKeys,
  ...sources,
  ...audit,
  ...doctor,
  ...upkeep,
  ...discovery,
  ...log,
  ...goalCases,
  ...assuranceCases,
  ...keys,
  ...analytics,
  ...webhookCases,
  ...memoryCases,
  ...exportCases,
  ...chatCases,
  ...system,
}
