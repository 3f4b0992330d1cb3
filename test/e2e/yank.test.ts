import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { CellDetails, CellListResponse } from '../../protocol/repository.ts'
import { CYTOPLEX, type NodeProcess } from '../../scripts/nodes.ts'
import { createPublisherKeys, publisherKeys, savePublisherKeyFile } from '../../src/kernel/identity/manifest-signer.ts'
import { manifestOf, NETWORK, signedCell, summaryOf } from '../support/cells.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { scriptedPeer } from '../support/node-pairs.ts'
import { nodeProcess, requestCell, temporaryFolder, untilAnswered } from '../support/processes.ts'

const env = { CYTOPLEX_NETWORK_NAME: NETWORK }
const run = promisify(execFile)

/** Waits until a node has heard of so many yanks, or of so many that were undone. Nobody asks it for a cell. */
async function untilHeard(node: NodeProcess, yanked: boolean, count: number): Promise<void> {
  const deadline = performance.now() + 20_000
  const line = new RegExp(`^cytoplex_cells_yanked_total\\{yanked="${yanked}",by="publisher"\\} ${count}$`, 'm')
  while (true) {
    const metrics = await (await fetch(`${node.http_url}/metrics`)).text()
    if (line.test(metrics)) return
    if (performance.now() > deadline) throw new Error(`${line} is not in\n${metrics}`)
    await new Promise((again) => setTimeout(again, 50))
  }
}

test('a publisher withdraws a cell everywhere, and brings it back; nobody else can', async (t) => {
  const folder = await temporaryFolder(t)
  const bytes = await readFile(SMALL_MODULE)
  const file = createPublisherKeys({ kind: 'publisher', hybrid: true })
  const keyFile = join(folder, 'publisher.json')
  savePublisherKeyFile(keyFile, file)
  const publisher = publisherKeys(file)
  const cell = signedCell(publisher, manifestOf(publisher.publisher, summaryOf(bytes)))
  const { digest } = cell.manifest.package

  const claimed = Promise.withResolvers<void>()
  const lies = {
    answers: {
      yank_request: () => {
        claimed.resolve()
        return { yanks: [] }
      },
    },
  }
  const liar = await scriptedPeer(t, cell, bytes, lies, { status: 'yanked', yank_counter: 7 })
  const b = await nodeProcess(t, { dataDir: join(folder, 'b'), env })
  const seeds = [b.p2p_addrs[0]!]
  const c = await nodeProcess(t, { dataDir: join(folder, 'c'), seeds, env })
  const a = await nodeProcess(t, { dataDir: join(folder, 'a'), seeds: [...seeds, liar.address], env })

  const form = new FormData()
  const { cell_type, version, capabilities } = cell.manifest
  form.set('metadata', JSON.stringify({ cell_type, version, capabilities }))
  form.set('manifest', JSON.stringify(cell.manifest))
  form.set('manifest_signature', cell.signature)
  form.set('cell_package', new Blob([new Uint8Array(bytes)]), 'package')
  const url = `${c.http_url}/api/v1/repository/cells`
  const uploaded = await fetch(url, { method: 'POST', headers: { 'X-API-Key': c.adminKey }, body: form })
  assert.equal(uploaded.status, 201, await uploaded.clone().text())

  await claimed.promise
  const found = await untilAnswered(a, 'parse')
  assert.deepEqual([found.cell_id, found.metadata.provider], [cell.id, c.provider_id])
  const packageAt = async (node: NodeProcess): Promise<Buffer> =>
    Buffer.from(await (await fetch(`${node.http_url}/api/v1/cells/packages/${digest}`)).arrayBuffer())
  assert.deepEqual(await packageAt(a), bytes)

  const yank = (...flags: string[]) =>
    run(CYTOPLEX, ['cell', 'yank', 'parser', '1.0.0', '--data-dir', c.dataDir, '--key', keyFile, ...flags], {
      env: { ...process.env, ...env },
    })
  const { stdout } = await yank('--reason', 'broken', '--message', 'loses rows')
  assert.equal(stdout, 'parser 1.0.0 is yanked everywhere\n')
  await untilHeard(a, true, 1)
  const gone = await requestCell(a, 'parse')
  assert.equal(gone.status, 404)
  assert.equal(gone.body.code, 'PROV_002')
  assert.ok(JSON.stringify(gone.body).includes('was yanked: broken: loses rows'))
  await untilHeard(b, true, 1)
  for (const node of [a, b, c]) assert.deepEqual(await packageAt(node), bytes)

  const details = (await (await fetch(`${url}/parser`)).json()) as CellDetails
  assert.deepEqual([details.status, details.yanks[0]?.reason, details.yanks[0]?.counter], ['yanked', 'broken', 1])
  const { cells } = (await (await fetch(url)).json()) as CellListResponse
  assert.equal(cells[0]?.versions[0]?.status, 'yanked')
  const checkpoint = await (await fetch(`${c.http_url}/api/v1/log/checkpoint`)).text()
  assert.equal(checkpoint.split('\n')[1], '2', 'its registration and its yank are in the log')

  assert.equal((await yank('--undo')).stdout, 'the yank of parser 1.0.0 is undone everywhere\n')
  await untilHeard(a, false, 1)
  assert.equal((await untilAnswered(a, 'parse')).cell_id, cell.id)
  await assert.rejects(yank('--undo'), /is not yanked by its publisher/)
})
