import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LoggedAct } from '../../protocol/log.ts'
import type { CellDetails } from '../../protocol/repository.ts'
import type { WitnessList } from '../../protocol/transparency.ts'
import { verifyRoleCertificate } from '../../src/kernel/identity/roles.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { openCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { parseNoteKey } from '../../src/kernel/log/note.ts'
import { decodeEntries, formatTilePath } from '../../src/kernel/log/tiles.ts'
import { leafHash } from '../../src/kernel/log/tree.ts'
import { verifyConsistency, verifyInclusion } from '../../src/kernel/log/verify.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

test('an auditor follows everything that was done to the cells of a node, across a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  let node = await nodeProcess(t, { dataDir })
  const module = await readFile(SMALL_MODULE)
  const get = (path: string) => fetch(`${node.http_url}/api/v1${path}`)
  const info = (await (await get('/discovery/info')).json()) as {
    provider_id: string
    log: { key: string; certificate: Parameters<typeof verifyRoleCertificate>[2] }
  }
  const key = parseNoteKey(info.log.key)
  const expected = { providerId: info.provider_id, role: 'log', now: Date.now() } as const
  assert.deepEqual(verifyRoleCertificate(nativeVerifier, 'main', info.log.certificate, expected), key.publicKey)
  const checkpoint = async () => openCheckpoint(nativeVerifier, await (await get('/log/checkpoint')).text(), key)
  const register = async (version: string) => {
    const metadata = { cell_type: 'maps', version, capabilities: [{ name: 'decode', version }] }
    assert.equal((await upload(node, metadata, module)).status, 201)
  }

  assert.equal((await checkpoint()).size, 0)
  for (const version of ['1.0.0', '1.1.0', '2.0.0']) await register(version)
  const first = await checkpoint()
  assert.equal(first.size, 3)
  await fetch(`${node.http_url}/api/v1/repository/cells/maps/1.0.0`, {
    method: 'DELETE',
    headers: { 'X-API-Key': node.adminKey },
  })
  await node.stop()
  node = await nodeProcess(t, { dataDir })
  await register('3.0.0')
  const second = await checkpoint()
  assert.equal(second.size, 5)

  const consistency = (await (await get('/log/consistency?from=3&to=5')).json()) as { hashes: string[] }
  assert.ok(
    verifyConsistency({ from: 3, fromRoot: first.root, to: 5, toRoot: second.root }, consistency.hashes.map(fromHex)),
  )
  const path = formatTilePath({ level: 'entries', index: 0, width: 5 })
  const bundle = new Uint8Array(await (await get(`/log/${path}`)).arrayBuffer())
  const leaves = decodeEntries(bundle, 5)
  const acts = leaves.map((leaf) => JSON.parse(Buffer.from(leaf).toString()) as LoggedAct)
  assert.deepEqual(
    acts.map(({ act, version }) => `${act} ${version}`),
    ['register 1.0.0', 'register 1.1.0', 'register 2.0.0', 'delete 1.0.0', 'register 3.0.0'],
  )
  for (const [index, leaf] of leaves.entries()) {
    const answer = await get(`/log/inclusion?log_index=${index}&tree_size=5`)
    const { hashes } = (await answer.json()) as { hashes: string[] }
    const claim = { index, size: 5, leafHash: leafHash(leaf), root: second.root }
    assert.ok(verifyInclusion(claim, hashes.map(fromHex)), `leaf ${index}`)
  }
  assert.equal((await get('/log/inclusion?log_index=5')).status, 404)

  const details = (await (await get('/repository/cells/maps?version=2.0.0')).json()) as CellDetails
  const evidence = details.security.log!
  const { root, size } = openCheckpoint(nativeVerifier, evidence.checkpoint, key)
  const leaf = new Uint8Array(Buffer.from(evidence.leaf, 'base64url'))
  assert.equal((JSON.parse(Buffer.from(leaf).toString()) as LoggedAct).cell_id, details.cell_id)
  const claim = { index: evidence.inclusion.log_index, size, leafHash: leafHash(leaf), root }
  assert.ok(verifyInclusion(claim, evidence.inclusion.hashes.map(fromHex)))
})

test('a checkpoint is cosigned by another process, as anyone can verify, and proofs carry it', async (t) => {
  const folder = await temporaryFolder(t)
  const log = await nodeProcess(t, { dataDir: join(folder, 'log') })
  const witness = await nodeProcess(t, { dataDir: join(folder, 'witness'), seeds: [log.p2p_addrs[0]!] })
  const at = async (node: typeof log, path: string) => (await fetch(`${node.http_url}/api/v1${path}`)).json()
  const metadata = { cell_type: 'maps', version: '1.0.0', capabilities: [{ name: 'decode', version: '1.0.0' }] }
  assert.equal((await upload(log, metadata, await readFile(SMALL_MODULE))).status, 201)

  const deadline = performance.now() + 20_000
  let witnesses: WitnessList['witnesses'] = []
  while (witnesses[0]?.size !== 1) {
    assert.ok(performance.now() < deadline, 'nobody cosigned')
    witnesses = ((await at(log, '/log/witnesses')) as WitnessList).witnesses
    await new Promise((again) => setTimeout(again, 50))
  }
  const { provider_id: witnessId, vkey, certificate, name } = witnesses[0]
  const { self } = (await at(witness, '/log/witnesses')) as WitnessList
  assert.deepEqual([witnessId, vkey, name], [self.provider_id, self.vkey, self.name])
  const key = parseNoteKey(vkey)
  const expected = { providerId: self.provider_id, role: 'witness', now: Date.now() } as const
  assert.deepEqual(verifyRoleCertificate(nativeVerifier, 'main', certificate, expected), key.publicKey)

  const info = (await at(log, '/discovery/info')) as { provider_id: string; log: { key: string } }
  const note = await (await fetch(`${log.http_url}/api/v1/log/checkpoint`)).text()
  const opened = openCheckpoint(nativeVerifier, note, parseNoteKey(info.log.key), [key])
  assert.deepEqual([opened.size, opened.witnesses], [1, [key]])
  const details = (await at(log, '/repository/cells/maps')) as CellDetails
  assert.equal(details.security.log?.checkpoint, note)

  // The witness fetches proofs of a log that it follows.
  const query = `/log/consistency?from=0&to=1&provider_id=${info.provider_id}`
  assert.deepEqual(await at(witness, query), { from: 0, to: 1, hashes: [] })
  const evidence = await at(witness, '/log/evidence')
  assert.deepEqual(evidence, { equivocations: [], next: null, suspended: [] })
})
