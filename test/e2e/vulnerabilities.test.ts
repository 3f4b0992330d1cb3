import { strict as assert } from 'node:assert'
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AuditList } from '../../protocol/audit.ts'
import type { CellResponse } from '../../protocol/cells.ts'
import type { InclusionProof } from '../../protocol/log.ts'
import type { CellDetails } from '../../protocol/repository.ts'
import type { NodeProcess } from '../../scripts/nodes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { openCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { parseNoteKey } from '../../src/kernel/log/note.ts'
import { leafHash } from '../../src/kernel/log/tree.ts'
import { verifyInclusion } from '../../src/kernel/log/verify.ts'
import { warmCytoplexAt } from '../cli/warm.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const CELL = { cell_type: 'maps', version: '1.0.0', capabilities: [{ name: 'decode', version: '1.0.0' }] }

async function ask(node: NodeProcess, security_level: string): Promise<CellResponse> {
  const body = { request_id: security_level, capability: 'decode', preferences: { security_level } }
  const answer = await fetch(`${node.http_url}/api/v1/cells/request`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Prefer: 'wait=10' },
    body: JSON.stringify(body),
  })
  return (await answer.json()) as CellResponse
}

test('a vulnerability lowers the rating, closes high, and can be audited; all across a restart', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'node')
  let node = await nodeProcess(t, { dataDir })
  assert.equal((await upload(node, CELL, await readFile(SMALL_MODULE))).status, 201)
  const details = async () =>
    (await (await fetch(`${node.http_url}/api/v1/repository/cells/maps`)).json()) as CellDetails
  const rating = async () => (await ask(node, 'standard')).cell?.metadata.security_rating
  const before = await rating()
  assert.match(before ?? '', /^[A-D]$/)
  assert.equal((await details()).security.security_rating, before)

  const said = ['--affected', '^1.0.0', '--severity', 'critical', '--description', 'reads\u202etoo far']
  const added = await warmCytoplexAt(node, 'vulnerability', 'add', 'maps', 'CVE-2026-1', ...said)
  assert.match(added.stdout, /CVE-2026-1 of maps is recorded as critical/, added.stderr)
  assert.equal(await rating(), 'E')

  await node.stop()
  node = await nodeProcess(t, { dataDir })
  assert.equal(await rating(), 'E')
  const { security } = await details()
  assert.equal(security.security_rating, 'E')
  const known = { id: 'CVE-2026-1', severity: 'critical', description: 'reads\u202etoo far', mitigated: false }
  assert.deepEqual(security.vulnerabilities, [known])
  const refused = await ask(node, 'high')
  assert.equal(refused.status, 'not_found')
  assert.match(refused.alternatives?.[0]?.compatibility_notes ?? '', /critical vulnerability, it has CVE-2026-1/)

  const listed = await warmCytoplexAt(node, 'vulnerability', 'list', 'maps')
  assert.match(listed.stdout, /maps +CVE-2026-1 +critical +\^1\.0\.0 .*reads\\u202etoo far/)
  assert.equal(
    (await warmCytoplexAt(node, 'vulnerability', 'add', 'maps', 'X', '--severity', 'bad', '--description', '')).code,
    2,
  )
  assert.equal((await warmCytoplexAt(node, 'vulnerability', 'rm', 'maps', 'CVE-2026-1')).code, 0)
  assert.equal((await warmCytoplexAt(node, 'vulnerability', 'rm', 'maps', 'CVE-2026-1')).code, 3)
  assert.equal(await rating(), before)

  const audit = await warmCytoplexAt(node, 'audit', '--json')
  const { entries, next_before } = JSON.parse(audit.stdout) as AuditList
  assert.deepEqual(
    entries.map(({ act, by }) => [act, by]),
    [
      ['vulnerability_removed', 'admin'],
      ['vulnerability_recorded', 'admin'],
    ],
  )
  assert.equal(next_before, null)
  assert.match((await warmCytoplexAt(node, 'audit', '--limit', '1')).stdout, /Earlier acts: --before [0-9]+/)

  const get = (path: string) => fetch(`${node.http_url}/api/v1${path}`)
  const info = (await (await get('/discovery/info')).json()) as { log: { key: string } }
  const text = await (await get('/log/checkpoint')).text()
  const { root, size } = openCheckpoint(nativeVerifier, text, parseNoteKey(info.log.key))
  for (const { log_index, commitment, ...kept } of entries) {
    const query = `log_index=${log_index}&tree_size=${size}`
    const { hashes } = (await (await get(`/log/inclusion?${query}`)).json()) as InclusionProof
    assert.equal(hash('sha256', canonicalJson(kept)), commitment)
    const leaf = Buffer.from(canonicalJson({ act: 'administration', commitment }))
    const claim = { leafHash: leafHash(leaf), index: log_index, size, root }
    assert.ok(verifyInclusion(claim, hashes.map(fromHex)), `leaf ${log_index}`)
  }
})
