import { strict as assert } from 'node:assert'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CellDetails, RegisterResponse, ValidateResponse } from '../../protocol/repository.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, requestCell, temporaryFolder, untilAnswered, upload } from '../support/processes.ts'

const small = await readFile(SMALL_MODULE)
const middle = await readFile(MIDDLE_MODULE)
const METADATA = { cell_type: 'maps', version: '1.0.0', capabilities: [{ name: 'decode', version: '1.0.0' }] }

test('a cell is validated, registered, updated and deprecated, and the federation follows', async (t) => {
  const folder = await temporaryFolder(t)
  const node = await nodeProcess(t, { dataDir: join(folder, 'node') })
  const peer = await nodeProcess(t, { dataDir: join(folder, 'peer'), seeds: node.p2p_addrs })
  const send = (method: string, path: string, body: FormData | string) =>
    fetch(`${node.http_url}/api/v1/repository${path}`, {
      method,
      headers: {
        'X-API-Key': node.adminKey,
        ...(typeof body === 'string' ? { 'Content-Type': 'application/json' } : {}),
      },
      body,
    })
  const form = (parts: Record<string, object | string>, bytes?: Uint8Array): FormData => {
    const form = new FormData()
    for (const [name, value] of Object.entries(parts))
      form.set(name, typeof value === 'string' ? value : JSON.stringify(value))
    if (bytes !== undefined) form.set('cell_package', new Blob([new Uint8Array(bytes)]), 'package')
    return form
  }
  const packages = async (): Promise<number> => {
    const entries = await readdir(join(folder, 'node', 'blobs'), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).length
  }
  const validate = async (bytes: Uint8Array): Promise<ValidateResponse> => {
    const response = await send('POST', '/validate', form({ metadata: METADATA }, bytes))
    assert.equal(response.status, 200)
    return (await response.json()) as ValidateResponse
  }

  assert.equal((await validate(small)).status, 'valid')
  const cut = await validate(middle.subarray(0, 400_000))
  assert.equal(cut.status, 'invalid')
  assert.ok(cut.validation_results.issues.some(({ code }) => code === 'WASM_TRUNCATED'))
  assert.equal(await packages(), 0)

  assert.equal((await upload(node, METADATA, small)).status, 201)
  assert.deepEqual(
    (await validate(small)).validation_results.issues
      .filter(({ severity }) => severity === 'error')
      .map(({ code }) => code),
    ['VERSION_EXISTS'],
  )
  const capabilities = [{ name: 'decode', version: '2.0.0' }]
  const updated = await send('PUT', '/cells/maps', form({ version: '2.0.0', metadata: { capabilities } }))
  assert.equal(updated.status, 200)
  const { cell_id, version } = (await updated.json()) as RegisterResponse
  assert.equal(version, '2.0.0')
  assert.equal(await packages(), 1)
  assert.equal((await send('PUT', '/cells/maps', form({ version: '2.0.0', metadata: {} }))).status, 409)
  assert.equal((await send('PUT', '/cells/none', form({ version: '2.0.0', metadata: {} }))).status, 404)
  assert.equal((await untilAnswered(peer, 'decode', '^2.0.0')).cell_id, cell_id)

  const changed = await send('PATCH', '/cells/maps/2.0.0', JSON.stringify({ status: 'in_testing' }))
  assert.equal(changed.status, 200)
  assert.equal(((await changed.json()) as CellDetails).status, 'in_testing')
  for (const asked of [node, peer]) assert.equal((await requestCell(asked, 'decode')).body.cell?.version, '1.0.0')
})
