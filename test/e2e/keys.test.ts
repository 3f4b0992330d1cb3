import { strict as assert } from 'node:assert'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { warmCytoplexAt } from '../cli/warm.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

const cell = (cell_type: string) => ({
  cell_type,
  version: '1.0.0',
  capabilities: [{ name: cell_type, version: '1.0.0' }],
})

test('a publisher gets a key, registers with it, and loses it; all across a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  let node = await nodeProcess(t, { dataDir })
  const created = await warmCytoplexAt(node, 'key', 'create', 'build server', '--role', 'publisher', '--json')
  assert.equal(created.code, 0, created.stderr)
  const { key, key_id } = JSON.parse(created.stdout) as { key: string; key_id: string }

  const module = await readFile(SMALL_MODULE)
  const publish = (cellType: string, bytes: Uint8Array) => upload({ ...node, adminKey: key }, cell(cellType), bytes)
  assert.equal((await publish('maps', module)).status, 201)
  const administer = () => fetch(`${node.http_url}/api/v1/keys`, { headers: { 'X-API-Key': key } })
  assert.equal((await administer()).status, 403)
  // What it registered is its own: not even the administrator takes the name over by accident.
  const taken = await upload(node, { ...cell('maps'), version: '2.0.0' }, module)
  assert.equal(taken.status, 403)

  await node.stop()
  node = await nodeProcess(t, { dataDir })
  assert.equal((await publish('sql', await readFile(MIDDLE_MODULE))).status, 201)
  const listed = await warmCytoplexAt(node, 'key', 'list')
  assert.match(listed.stdout, new RegExp(`${key_id} +build server +publisher +active`))
  assert.doesNotMatch(listed.stdout, new RegExp(key))
  const revoked = await warmCytoplexAt(node, 'key', 'revoke', key_id)
  assert.match(revoked.stdout, /is revoked/)
  assert.equal((await administer()).status, 401)
  const unknown = await warmCytoplexAt(node, 'key', 'revoke', '0'.repeat(16))
  assert.equal(unknown.code, 3)
  assert.equal((await warmCytoplexAt(node, 'key', 'create', 'x', '--role', 'king')).code, 2)

  // Two keys' acts and two cells, in the log as leaves: what an administrator did only as commitments.
  const bundle = Buffer.from(await (await fetch(`${node.http_url}/api/v1/log/tile/entries/000.p/4`)).arrayBuffer())
  assert.equal(bundle.toString('latin1').match(/"act":"administration"/g)?.length, 2)
  assert.doesNotMatch(bundle.toString('latin1'), /build server/)

  await node.stop()
  const secret = key.slice(-43)
  for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    assert.equal(bytes.includes(secret), false, `${entry.name} holds the secret`)
  }
})
