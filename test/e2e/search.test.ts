import { strict as assert } from 'node:assert'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CellListResponse } from '../../protocol/repository.ts'
import type { NodeProcess } from '../../scripts/nodes.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, requestCell, temporaryFolder, untilAnswered, upload } from '../support/processes.ts'

const small = await readFile(SMALL_MODULE)
const CELLS = [
  { cell_type: 'sqlite', capability: 'sql-query', description: 'A whole database in one file' },
  { cell_type: 'resizer', capability: 'image-resizer', description: 'Makes pictures smaller' },
  { cell_type: 'renderer', capability: 'markdown', description: 'Turns text into pages' },
]

async function search(node: NodeProcess, text: string): Promise<readonly [number, readonly string[]]> {
  const response = await fetch(`${node.http_url}/api/v1/repository/cells?search=${encodeURIComponent(text)}`)
  const body = (await response.json()) as Partial<CellListResponse>
  return [response.status, (body.cells ?? []).map(({ cell_type }) => cell_type)]
}

/** The first alternative. An answer hardly waits for close names, so that a busy machine may have to be asked again. */
async function alternative(node: NodeProcess, capability: string) {
  const deadline = performance.now() + 20_000
  // The node remembers what it found for a name: each time another one is asked for that is as close.
  for (let attempt = 0; ; attempt++) {
    const { status, body } = await requestCell(node, `${capability}${'.'.repeat(attempt)}`)
    assert.equal(status, 404)
    const [first] = body.alternatives ?? []
    if (first !== undefined) return first
    if (performance.now() > deadline) throw new Error(`no alternative: ${JSON.stringify(body)}`)
  }
}

test('a misspelt name leads to the right one, at its node and at a peer, also when the index is lost', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  let node = await nodeProcess(t, { dataDir })
  const peer = await nodeProcess(t, { dataDir: join(folder, 'peer'), seeds: node.p2p_addrs })
  for (const { capability, ...cell } of CELLS) {
    const metadata = { ...cell, version: '1.0.0', capabilities: [{ name: capability, version: '1.2.0' }] }
    assert.equal((await upload(node, metadata, small)).status, 201)
  }
  assert.deepEqual(await search(node, 'markdwon'), [200, ['renderer']])
  assert.deepEqual(await search(node, 'pictures'), [200, ['resizer']])
  assert.deepEqual(await search(node, '" OR *'), [200, []])
  assert.deepEqual(await search(node, ''), [400, []])
  assert.deepEqual(await alternative(node, 'sqlquery'), {
    capability: 'sql-query',
    cell_type: 'sqlite',
    version: '1.0.0',
    compatibility_notes: 'another name: offers sql-query 1.2.0',
    source: 'local',
  })
  await untilAnswered(peer, 'image-resizer')
  const elsewhere = await alternative(peer, 'image.resize')
  assert.deepEqual([elsewhere.capability, elsewhere.source], ['image-resizer', 'federated'])

  await node.stop('SIGKILL')
  await writeFile(join(dataDir, 'text', 'index.sqlite'), 'nothing that could be read'.repeat(1000))
  node = await nodeProcess(t, { dataDir })
  assert.deepEqual(await search(node, 'databsae file'), [200, []])
  assert.deepEqual(await search(node, 'database file'), [200, ['sqlite']])
  assert.equal((await alternative(node, 'markdwon')).capability, 'markdown')
})
