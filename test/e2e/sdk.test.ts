import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileCache } from '../../src/client/file-cache.ts'
import {
  assemble,
  ClientError,
  createClient,
  NotFoundError,
  newRequestKeys,
  UnauthorizedError,
} from '../../src/client/index.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, untilAnswered } from '../support/processes.ts'

const METADATA = { cell_type: 'maps', version: '1.0.0', capabilities: [{ name: 'decode', version: '1.0.0' }] }

test('the SDK administers a node, publishes with a key of its own, and signs what it asks', async (t) => {
  const node = await nodeProcess(t, { dataDir: join(await temporaryFolder(t), 'node') })
  const bytes = new Uint8Array(await readFile(SMALL_MODULE))
  const admin = createClient({ nodes: node.http_url, apiKey: node.adminKey })
  const created = await admin.createKey({ role: 'publisher', name: 'build server' })
  const publisher = createClient({ nodes: node.http_url, apiKey: created.key })
  const stranger = createClient({ nodes: node.http_url })

  await publisher.registerCell({ metadata: METADATA, package: bytes })
  const changed = await publisher.annotateCell('maps', '1.0.0', { tags: ['source maps'] })
  assert.deepEqual(changed.tags, ['source maps'])
  await assert.rejects(stranger.annotateCell('maps', '1.0.0', { tags: [] }), UnauthorizedError)
  const plans = { ...METADATA, cell_type: 'plans', capabilities: [{ name: 'plan', version: '1.0.0' }] }
  await admin.registerCell({ metadata: plans, package: bytes })
  const others = publisher.deleteCell('plans', '1.0.0')
  await assert.rejects(others, { code: 'PROV_015', message: /registered by another credential/ })

  const flaw = {
    id: 'CVE-1',
    cell_type: 'maps',
    affected: '*',
    severity: 'critical',
    description: 'too curious',
  } as const
  assert.deepEqual(await admin.recordVulnerabilities([flaw]), { recorded: 1, unchanged: 0 })
  assert.deepEqual(await admin.recordVulnerabilities([flaw]), { recorded: 0, unchanged: 1 })
  await assert.rejects(publisher.recordVulnerabilities([flaw]), UnauthorizedError)
  assert.equal((await stranger.listVulnerabilities({ cell_type: 'maps' })).vulnerabilities[0]?.id, 'CVE-1')
  assert.equal((await admin.cellDetails('maps')).security.security_rating, 'E')
  assert.equal((await admin.removeVulnerability('maps', 'CVE-1')).severity, 'critical')
  await assert.rejects(admin.removeVulnerability('maps', 'CVE-1'), NotFoundError)

  const requestKeys = newRequestKeys()
  const signing = createClient({ nodes: node.http_url, requestKeys })
  const cell = await signing.request({ capability: 'decode', requestId: 'mine' })
  assert.equal(cell.cell_type, 'maps')
  // The request belongs to the key: the same id with another body is refused, for others it is free.
  const again = (client: typeof signing, keys?: typeof requestKeys) =>
    client.requestSpecific({ cellType: 'maps', requestId: 'mine', requestKeys: keys })
  await assert.rejects(again(signing), (error) => error instanceof ClientError && error.code === 'PROV_007')
  assert.equal((await again(signing, newRequestKeys({ hybrid: true }))).cell_type, 'maps')

  await publisher.deleteCell('maps', '1.0.0')
  assert.equal((await admin.listKeys()).keys[0]?.key_id, created.key_id)
  assert.equal((await admin.revokeKey(created.key_id)).status, 'revoked')
  await assert.rejects(publisher.listCells(), UnauthorizedError)
  const first = await admin.audit({ limit: 3 })
  const rest = await admin.audit({ before: first.next_before ?? 0 })
  assert.deepEqual(
    [...first.entries, ...rest.entries].map(({ act }) => act),
    ['key_revoked', 'vulnerability_removed', 'vulnerability_recorded', 'key_created'],
  )
})

test('the SDK assembles a cell with what it depends on, from whichever node is there, and keeps the packages', async (t) => {
  const folder = await temporaryFolder(t)
  const seed = await nodeProcess(t, { dataDir: join(folder, 'seed') })
  const other = await nodeProcess(t, { dataDir: join(folder, 'other'), seeds: seed.p2p_addrs })
  const admin = createClient({ nodes: seed.http_url, apiKey: seed.adminKey })
  const [small, middle] = [new Uint8Array(await readFile(SMALL_MODULE)), new Uint8Array(await readFile(MIDDLE_MODULE))]
  const needs = [{ capability: 'decode', version_constraint: '^1.0.0' }]
  const resize = { cell_type: 'resize', version: '2.1.0', capabilities: [{ name: 'image.resize', version: '2.1.0' }] }
  await admin.registerCell({ metadata: METADATA, package: small })
  await admin.registerCell({ metadata: { ...resize, dependencies: needs }, package: middle })

  const cache = fileCache({ directory: join(folder, 'packages') })
  const how = { version: '^2', nodes: [seed.http_url, other.http_url], dependencies: true, waitSeconds: 20, cache }
  const first = await assemble('image.resize', how)
  assert.equal(first.cell.node, seed.http_url)
  assert.deepEqual(first.bytes, middle)
  assert.deepEqual(
    first.dependencies.map(({ manifest }) => manifest.cell_type),
    ['maps'],
  )
  assert.deepEqual(first.dependencies[0]?.bytes, small)
  assert.deepEqual(
    [first, ...first.dependencies].map(({ proof }) => proof?.provider_id),
    [seed.provider_id, seed.provider_id],
  )

  // The other one finds them at its peer. What is in the cache comes from there when nobody has it any more.
  await untilAnswered(other, 'image.resize', '^2')
  const client = createClient({ nodes: other.http_url })
  const { stream, proof } = await client.assembleStream('image.resize', { waitSeconds: 20 })
  assert.equal(proof?.provider_id, seed.provider_id, 'the proof is of the log of who registered it')
  assert.deepEqual(new Uint8Array(await new Response(stream).arrayBuffer()), middle)
  await seed.stop('SIGKILL')
  const again = await assemble('image.resize', { ...how, dependencies: false })
  assert.equal(again.cell.node, other.http_url)
  assert.deepEqual(again.bytes, middle)
  assert.equal(again.proof, undefined, 'who could prove it is gone')
  await other.stop('SIGKILL')
  assert.deepEqual(await createClient(how).download(first.cell), middle)
})
