import { strict as assert } from 'node:assert'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FederationStatus } from '../../protocol/federation.ts'
import type { NodeProcess } from '../../scripts/nodes.ts'
import { warmCytoplexAt } from '../cli/warm.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

const api = async (
  node: NodeProcess,
  method: string,
  path: string,
  { body, headers = {} }: { body?: object; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> => {
  const response = await fetch(`${node.http_url}${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    headers: response.headers,
  }
}

const admin = (node: NodeProcess) => ({ 'X-API-Key': node.adminKey })

const statusOf = async (node: NodeProcess): Promise<FederationStatus> =>
  (await api(node, 'GET', '/api/v1/federation/status', { headers: admin(node) })).body as FederationStatus

const cell = (cell_type: string) => ({
  cell_type,
  version: '1.0.0',
  capabilities: [{ name: cell_type, version: '1.0.0' }],
})

/** Polls a forwarded request until it is answered. */
async function answered(node: NodeProcess, id: string, headers: Record<string, string>) {
  const deadline = performance.now() + 20_000
  while (true) {
    const answer = await api(node, 'GET', `/api/v1/cells/request/${id}`, { headers })
    if (answer.status !== 202) return answer
    if (performance.now() > deadline) throw new Error('nobody answered')
    await new Promise((again) => setTimeout(again, 50))
  }
}

/** Two nodes that do not know each other. */
async function strangers(t: TestContext) {
  const folder = await temporaryFolder(t)
  const [a, b] = await Promise.all([
    nodeProcess(t, { dataDir: join(folder, 'a') }),
    nodeProcess(t, { dataDir: join(folder, 'b') }),
  ])
  return { folder, a, b }
}

test('two strangers become partners with one command each; one forwards, and removing the other ends it at once', async (t) => {
  const { folder, a, b } = await strangers(t)
  const invited = await warmCytoplexAt(a, 'federation', 'invite', '--private-url')
  assert.equal(invited.code, 0, invited.stderr)
  const line = invited.stdout.split('\n')[0]!.split(' ')
  assert.deepEqual(line.slice(0, 3), ['cytoplex', 'federation', 'add'])
  const secret = line[5]!
  const added = await warmCytoplexAt(b, ...line.slice(1), '--own-url', b.http_url)
  assert.equal(added.code, 0, added.stderr)
  assert.match(added.stdout, new RegExp(`${a.provider_id} is a partner`))
  const again = await warmCytoplexAt(b, ...line.slice(1), '--own-url', b.http_url)
  assert.equal(again.code, 1)
  assert.match(again.stderr, /is a partner already/)

  const [atA, atB] = await Promise.all([statusOf(a), statusOf(b)])
  assert.equal(atA.federation_partners[0]?.provider_id, b.provider_id)
  assert.equal(atA.federation_partners[0]?.url, b.http_url)
  assert.equal(atB.federation_partners[0]?.provider_id, a.provider_id)
  assert.equal(atB.federation_partners[0]?.trust_level, 'limited')
  // Who is nobody's administrator learns who the partners are, and neither their names nor their URLs.
  const seen = (await api(a, 'GET', '/api/v1/federation/status')).body as FederationStatus
  assert.deepEqual(Object.keys(seen.federation_partners[0]!).sort(), [
    'capabilities',
    'cell_count',
    'provider_id',
    'status',
  ])

  // B asks A, and A asks B: either way the answer is verified here and downloaded through this node.
  assert.equal((await upload(a, cell('maps'), await readFile(SMALL_MODULE))).status, 201)
  assert.equal((await upload(b, cell('sql'), await readFile(MIDDLE_MODULE))).status, 201)
  const forward = (node: NodeProcess, target: string, original_request: object, more: object = {}) =>
    api(node, 'POST', '/api/v1/federation/forward', {
      body: { request_id: 'r1', target_provider_id: target, original_request, reason: 'not here', ...more },
    })
  for (const [node, target, name, file] of [
    [b, a, 'maps', SMALL_MODULE],
    [a, b, 'sql', MIDDLE_MODULE],
  ] as const) {
    const taken = await forward(node, target.provider_id, { request_id: 'o', capability: name })
    assert.equal(taken.status, 202, JSON.stringify(taken.body))
    assert.equal(taken.body.status, 'forwarded')
    const token = { 'Request-Token': taken.headers.get('request-token')! }
    const id = String(taken.body.forwarded_request_id)
    const found = await answered(node, id, token)
    assert.equal(found.status, 200, JSON.stringify(found.body))
    const answer = found.body.cell as { download_url: string; metadata: { provider: string } }
    assert.equal(answer.metadata.provider, target.provider_id)
    assert.ok(answer.download_url.startsWith(node.http_url))
    const bytes = new Uint8Array(await (await fetch(answer.download_url)).arrayBuffer())
    assert.deepEqual(bytes, new Uint8Array(await readFile(file)))
    const stranger = await api(node, 'GET', `/api/v1/cells/request/${id}`)
    assert.equal(stranger.status, 404)
  }
  const absent = await forward(b, a.provider_id, { capability: 'nothing-of-the-kind' })
  const absentToken = { 'Request-Token': absent.headers.get('request-token')! }
  const missing = await answered(b, String(absent.body.forwarded_request_id), absentToken)
  assert.equal(missing.status, 404)
  assert.deepEqual((missing.body.coverage as { peers: unknown }).peers, [
    { provider_id: a.provider_id, outcome: 'not_found' },
  ])

  // A policy takes effect with the next request.
  const told = await warmCytoplexAt(a, 'federation', 'set', b.provider_id, '--no-share-capabilities')
  assert.equal(told.code, 0, told.stderr)
  const refused = await forward(b, a.provider_id, { capability: 'maps' })
  assert.deepEqual([refused.status, refused.body.status], [403, 'rejected'])
  await warmCytoplexAt(a, 'federation', 'set', b.provider_id, '--share-capabilities')
  assert.equal((await forward(b, a.provider_id, { capability: 'maps' })).status, 202)

  const removed = await warmCytoplexAt(a, 'federation', 'remove', b.provider_id)
  assert.equal(removed.code, 0, removed.stderr)
  const ended = await forward(b, a.provider_id, { capability: 'maps' })
  assert.deepEqual([ended.status, (ended.body.error as { code: string }).code], [403, 'PROV_011'])
  const unknown = await forward(a, b.provider_id, { capability: 'sql' })
  assert.deepEqual([unknown.status, (unknown.body.error as { code: string }).code], [404, 'PROV_010'])
  assert.equal((await warmCytoplexAt(a, 'federation', 'remove', b.provider_id)).code, 3)

  await Promise.all([a.stop(), b.stop()])
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    assert.equal(bytes.includes(secret.split('.')[2]!), false, `${entry.name} holds the invitation`)
  }
})

/** Waits until a node knows a cell of its only partner. */
async function hears(node: NodeProcess) {
  const deadline = performance.now() + 20_000
  while (true) {
    const [partner] = (await statusOf(node)).federation_partners
    if (partner?.cell_count === 1) return partner
    if (performance.now() > deadline) throw new Error(`nothing is announced: ${JSON.stringify(partner)}`)
    await new Promise((again) => setTimeout(again, 50))
  }
}

test("partners connect by themselves and hear of each other's cells, after a restart too", async (t) => {
  const { folder, a, b } = await strangers(t)
  const invited = await warmCytoplexAt(a, 'federation', 'invite')
  const [, ...add] = invited.stdout.split('\n')[0]!.split(' ')
  const added = await warmCytoplexAt(b, ...add)
  assert.match(added.stdout, /next: cytoplex federation set \S+ --auto-forward/)
  assert.equal((await upload(a, cell('maps'), await readFile(SMALL_MODULE))).status, 201)
  assert.equal((await hears(b)).status, 'active')
  const nothing = await warmCytoplexAt(b, 'federation', 'set', a.provider_id)
  assert.deepEqual([nothing.code, nothing.stderr], [2, 'cytoplex: say what is to change, such as --trust trusted\n'])
  const moved = await warmCytoplexAt(
    b,
    'federation',
    'set',
    a.provider_id,
    '--url',
    'http://127.0.0.1:1',
    '--name',
    'a',
  )
  assert.equal(moved.code, 0, moved.stderr)
  const torn = await warmCytoplexAt(b, 'federation', 'add', a.http_url, '--secret', add.at(-1)!.slice(0, -9))
  assert.match(torn.stderr, /shared_secret begins as an invitation and is none/)

  await b.stop()
  const again = await nodeProcess(t, { dataDir: join(folder, 'b') })
  const partner = await hears(again)
  assert.deepEqual([partner.status, partner.url, partner.name], ['active', 'http://127.0.0.1:1', 'a'])
})
