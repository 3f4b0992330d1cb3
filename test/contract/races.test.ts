import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import type { Call } from '../http/harness.ts'
import { settled } from './hostile.ts'
import { type ContractServer, contractServer } from './server.ts'

const CELLS = '/api/v1/repository/cells'
/** Modules without content. */
const MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])

const metadata = (version: string, more: object = {}) => ({
  cell_type: 'raced',
  version,
  capabilities: [{ name: 'use-raced', version }],
  ...more,
})

const PATH = `${CELLS}/raced/1.0.0`
const JUDGED = { cell_type: 'raced', affected: '*', severity: 'critical', description: 'x' }

/** Calls that are about the same version of the same cell. */
const CALLS: Readonly<Record<string, (at: ContractServer) => Call>> = {
  register: (at) => ({ method: 'POST', path: CELLS, ...at.upload(metadata('1.0.0'), MODULE) }),
  update: (at) => ({ method: 'PUT', path: `${CELLS}/raced`, ...at.upload({ version: '1.0.1' }, null) }),
  delete: () => ({ method: 'DELETE', path: PATH }),
  'delete the update': () => ({ method: 'DELETE', path: `${CELLS}/raced/1.0.1` }),
  change: () => ({ method: 'PATCH', path: PATH, body: { status: 'deprecated' } }),
  yank: () => ({ method: 'POST', path: `${PATH}/yank`, body: { reason: 'broken' } }),
  undo: () => ({ method: 'POST', path: `${PATH}/yank`, body: { undo: true } }),
  judge: () => ({ method: 'PUT', path: '/api/v1/repository/vulnerabilities/CVE-1', body: JUDGED }),
  forgive: () => ({ method: 'DELETE', path: '/api/v1/repository/vulnerabilities/CVE-1?cell_type=raced' }),
  details: () => ({ path: `${CELLS}/raced` }),
  list: () => ({ path: `${CELLS}?capability=use-raced` }),
  ask: () => ({
    method: 'POST',
    path: '/api/v1/cells/request',
    headers: { Prefer: 'wait=0' },
    body: { request_id: 'r', capability: 'use-raced' },
  }),
  'ask for all': () => ({
    method: 'POST',
    path: '/api/v1/cells/request/specific',
    headers: { Prefer: 'wait=1' },
    body: {
      request_id: 's',
      cell_type: 'raced',
      preferences: { explain: true, security_level: 'maximum', resolve_dependencies: true },
    },
  }),
  cancel: () => ({ method: 'DELETE', path: '/api/v1/cells/request/r' }),
  search: () => ({ path: `${CELLS}?search=rased` }),
  prove: () => ({ path: '/api/v1/log/inclusion?log_index=0' }),
}

/** Numbers that look random and are the same in each run. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

test('calls about one cell that race each other are answered, and leave a whole cell or none', async (t) => {
  const at = await contractServer(t)
  const random = numbers(7)
  const next = (below: number): number => Math.floor(random.next().value! * below)
  const names = Object.keys(CALLS)
  const seen = new Set<string>()
  for (let round = 0; round < 40; round++) {
    const drawn = Array.from({ length: 24 }, () => names[next(names.length)]!)
    const replies = await Promise.all(drawn.map((name) => at.admin(CALLS[name]!(at))))
    for (const [index, { status, text }] of replies.entries()) {
      assert.ok(status < 500, `${drawn[index]}: ${status} ${text}`)
      seen.add(`${drawn[index]} ${status < 300}`)
    }
    await assertWhole(at)
  }
  for (const name of ['register', 'delete', 'yank', 'undo', 'judge', 'ask'])
    assert.ok(seen.has(`${name} true`), `${name} never succeeded`)
})

/** What is listed can be read, downloaded and resolved; what is not listed cannot. */
async function assertWhole(at: ContractServer): Promise<void> {
  const listed = (await at.admin({ path: `${CELLS}?limit=500` })).json().cells as {
    versions: { version: string; status: string }[]
  }[]
  const versions = listed.flatMap((cell) => cell.versions)
  for (const version of ['1.0.0', '1.0.1']) {
    const details = await at.admin({ path: `${CELLS}/raced?version=${version}` })
    const row = versions.find((one) => one.version === version)
    assert.equal(details.status, row === undefined ? 404 : 200, details.text)
    if (row === undefined) continue
    const { status, digest } = details.json() as { status: string; digest: string }
    assert.equal(row.status, status)
    assert.equal((await at.send({ path: `/api/v1/cells/packages/${digest}` })).bytes.length, MODULE.length)
  }
}

test('a key that is revoked during an upload registers nothing with it', async (t) => {
  const at = await contractServer(t)
  const publisher = await at.key('publisher')
  const [key] = (await at.admin({ path: '/api/v1/keys' })).json().keys as { key_id: string }[]
  const { headers, body } = at.upload(metadata('1.0.0'), MODULE)
  const bytes = body as Buffer
  const isStaging = t.mock.method(at.node, 'stagePackage')
  const outgoing = request({ port: at.port, method: 'POST', path: CELLS, headers: { ...headers, ...publisher } })
  const answered = new Promise<number>((resolve, reject) => {
    outgoing.on('response', (answer) => resolve(answer.resume().statusCode ?? 0))
    outgoing.on('error', reject)
  })
  outgoing.write(bytes.subarray(0, bytes.length - 20))
  while (isStaging.mock.callCount() === 0) await at.send({ path: '/health' })
  assert.equal((await at.admin({ method: 'DELETE', path: `/api/v1/keys/${key!.key_id}` })).status, 200)
  outgoing.end(bytes.subarray(bytes.length - 20))
  assert.equal(await answered, 401)
  assert.equal((await at.send({ path: CELLS })).json().total_count, 0)
  await settled(at)
})
