import { strict as assert } from 'node:assert'
import { createHash, randomInt } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CellListResponse } from '../../protocol/repository.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

/** 5 in the gate, 50 in `npm run test:long`. */
const ROUNDS = process.env.LONG_TESTS ? 50 : 5
const CLIENTS = 8
/** Milliseconds into a burst within which the node is killed. */
const KILL_WITHIN_MS = 400

/** A valid module that no other registration has: the real one, and a custom section with a number. */
function distinctModule(module: Uint8Array, number: number): Uint8Array {
  const name = Buffer.from('n')
  const content = Buffer.from(String(number))
  return Buffer.concat([module, Buffer.of(0, 1 + name.length + content.length, name.length), name, content])
}

test(`kill -9 in a burst of registrations, ${ROUNDS} times: what was acknowledged is there and whole, nothing half is`, async (t) => {
  const dataDir = join(await temporaryFolder(t), 'node')
  const module = await readFile(SMALL_MODULE)
  const acknowledged = new Map<string, string>()
  let next = 0
  for (let round = 0; round < ROUNDS; round++) {
    const node = await nodeProcess(t, { dataDir })
    let killed = false
    const client = async (): Promise<void> => {
      while (!killed) {
        const number = next++
        const bytes = distinctModule(module, number)
        const metadata = {
          cell_type: `cell-${number}`,
          version: '1.0.0',
          capabilities: [{ name: `do-${number}`, version: '1.0.0' }],
        }
        // A client whose node is killed sees a broken connection: that registration was not acknowledged.
        const response = await upload(node, metadata, bytes).catch(() => undefined)
        if (response?.status === 201)
          acknowledged.set(metadata.cell_type, createHash('sha256').update(bytes).digest('hex'))
        else if (!killed && response !== undefined) assert.fail(await response.text())
      }
    }
    const clients = Array.from({ length: CLIENTS }, client)
    const before = acknowledged.size
    while (acknowledged.size === before) await new Promise((again) => setImmediate(again))
    await new Promise((kill) => setTimeout(kill, randomInt(KILL_WITHIN_MS)))
    const exited = node.stop('SIGKILL')
    killed = true
    await exited
    await Promise.all(clients)
  }

  const node = await nodeProcess(t, { dataDir })
  const listed = await listAll(node.http_url)
  // More requests than an address without a key may send in a minute.
  const headers = { 'X-API-Key': node.adminKey }
  const types = new Set(listed.cells.map((cell) => cell.cell_type))
  for (const cellType of acknowledged.keys()) assert.ok(types.has(cellType), `${cellType} was acknowledged and is gone`)
  for (const { cell_type: cellType } of listed.cells) {
    const details = (await (
      await fetch(`${node.http_url}/api/v1/repository/cells/${cellType}`, { headers })
    ).json()) as {
      digest: string
    }
    const response = await fetch(`${node.http_url}/api/v1/cells/packages/${details.digest}`, { headers })
    const hex = createHash('sha256')
      .update(new Uint8Array(await response.arrayBuffer()))
      .digest('hex')
    assert.equal(`sha256:${hex}`, details.digest, `${cellType} is not whole`)
    assert.equal(acknowledged.get(cellType) ?? hex, hex)
  }
  assert.deepEqual(await readdir(join(dataDir, 'blobs', 'incoming')), [], 'nothing half written is left')
  assert.equal(await node.stop(), 0)
  t.diagnostic(`${acknowledged.size} registrations acknowledged, ${listed.cells.length} found, ${ROUNDS} kills`)
})

async function listAll(url: string): Promise<CellListResponse> {
  const cells: CellListResponse['cells'] = []
  while (true) {
    const page = (await (
      await fetch(`${url}/api/v1/repository/cells?limit=500&offset=${cells.length}`)
    ).json()) as CellListResponse
    cells.push(...page.cells)
    if (cells.length >= page.total_count || page.cells.length === 0) return { ...page, cells }
  }
}
