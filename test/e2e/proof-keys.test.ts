import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { PublicKeys } from '../../protocol/public-keys.ts'
import { CYTOPLEX } from '../../scripts/nodes.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

const run = promisify(execFile)

test('proof keys are public, and replaced on a running node by its administrator alone', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'node')
  const node = await nodeProcess(t, { dataDir })
  const url = `${node.http_url}/.well-known/public-keys.json`
  const listed = await fetch(url)
  assert.equal(listed.headers.get('Cache-Control'), 'public, max-age=300')
  const { keys } = (await listed.json()) as PublicKeys
  assert.deepEqual(
    [keys.length, keys[0]!.kty, keys[0]!.crv, keys[0]!.alg, keys[0]!.use],
    [1, 'OKP', 'Ed25519', 'EdDSA', 'sig'],
  )

  assert.equal((await fetch(`${node.http_url}/api/v1/proof-keys/rotate`, { method: 'POST' })).status, 401)
  const { stdout } = await run(CYTOPLEX, ['keys', 'rotate', '--data-dir', dataDir])
  assert.match(stdout, /^Proofs are signed by the key \S{43} until 20/)
  assert.ok(stdout.includes(`The key ${keys[0]!.kid} signs no longer.`))
  const after = (await (await fetch(url)).json()) as PublicKeys
  assert.deepEqual([after.keys.length, after.keys[1]!.kid, after.keys[1]!.x], [2, keys[0]!.kid, keys[0]!.x])
  const table = await run(CYTOPLEX, ['keys', 'list', '--data-dir', dataDir], { env: { ...process.env, NO_COLOR: '1' } })
  assert.match(table.stdout, new RegExp(`${after.keys[0]!.kid} +signs .*\\n${keys[0]!.kid} +retired `))
  const { stdout: audit } = await run(CYTOPLEX, ['audit', '--json', '--data-dir', dataDir])
  assert.match(audit, /proof_key_rotated/)
})
