import { strict as assert } from 'node:assert'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LARGE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, requestCell, temporaryFolder, untilAnswered, upload } from '../support/processes.ts'

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const metadata = (cellType: string, version: string, capability: string) => ({
  cell_type: cellType,
  version,
  capabilities: [{ name: capability, version }],
})

test('any node answers for all: request, pull-through, and on without the origin', async (t) => {
  const folder = await temporaryFolder(t)
  const b = await nodeProcess(t, { dataDir: join(folder, 'b') })
  const seeds = [b.p2p_addrs[0]!]
  const a = await nodeProcess(t, { dataDir: join(folder, 'a'), seeds })
  const c = await nodeProcess(t, { dataDir: join(folder, 'c'), seeds })
  const module = await readFile(LARGE_MODULE)
  assert.equal((await upload(c, metadata('esbuild', '1.2.0', 'bundle'), module)).status, 201)
  assert.equal((await upload(c, metadata('esbuild', '1.3.0', 'bundle'), module)).status, 201)

  const cell = await untilAnswered(a, 'bundle', '~1.2.0')
  assert.equal(cell.version, '1.2.0')
  assert.equal(cell.metadata.provider, c.provider_id)
  const downloaded = new Uint8Array(await (await fetch(cell.download_url)).arrayBuffer())
  assert.equal(sha256(downloaded), cell.digest)

  await c.stop('SIGKILL')
  const again = await requestCell(a, 'bundle', '~1.2.0')
  assert.equal(again.body.cell?.cell_id, cell.cell_id)
  const range = await fetch(again.body.cell!.download_url, { headers: { Range: 'bytes=-5' } })
  assert.equal(range.status, 206)
  assert.deepEqual(Buffer.from(await range.arrayBuffer()), module.subarray(-5))

  await a.stop()
  const restarted = await nodeProcess(t, { dataDir: a.dataDir, seeds })
  assert.equal(restarted.provider_id, a.provider_id)
  assert.equal((await requestCell(restarted, 'bundle', '~1.2.0')).body.cell?.cell_id, cell.cell_id)
})

test('a capability that the node never heard of is found through the DHT', async (t) => {
  const folder = await temporaryFolder(t)
  const b = await nodeProcess(t, { dataDir: join(folder, 'b') })
  const seeds = [b.p2p_addrs[0]!]
  const c = await nodeProcess(t, { dataDir: join(folder, 'c'), seeds })
  // A directory without room knows nothing of what others announce.
  const a = await nodeProcess(t, { dataDir: join(folder, 'a'), seeds, env: { CYTOPLEX_DIRECTORY_MAX_CELLS: '0' } })
  assert.equal((await upload(c, metadata('maps', '2.0.0', 'decode'), await readFile(SMALL_MODULE))).status, 201)
  const cell = await untilAnswered(a, 'decode', '^2.0.0')
  assert.equal(cell.metadata.provider, c.provider_id)
  assert.equal(sha256(new Uint8Array(await (await fetch(cell.download_url)).arrayBuffer())), cell.digest)
})

test('a deleted cell is withdrawn from the federation, and what nobody offers is not found, with coverage', async (t) => {
  const folder = await temporaryFolder(t)
  const b = await nodeProcess(t, { dataDir: join(folder, 'b') })
  const a = await nodeProcess(t, { dataDir: join(folder, 'a'), seeds: [b.p2p_addrs[0]!] })
  assert.equal((await upload(b, metadata('maps', '2.0.0', 'decode'), await readFile(SMALL_MODULE))).status, 201)
  await untilAnswered(a, 'decode')
  const deletion = await fetch(`${b.http_url}/api/v1/repository/cells/maps/2.0.0`, {
    method: 'DELETE',
    headers: { 'X-API-Key': b.adminKey },
  })
  assert.equal(deletion.status, 200)
  const deadline = performance.now() + 20_000
  let answer = await requestCell(a, 'decode')
  while (
    answer.status !== 404 ||
    answer.body.coverage!.sources.find(({ source }) => source === 'directory')!.candidates > 0
  ) {
    assert.ok(performance.now() < deadline, `still announced: ${JSON.stringify(answer.body)}`)
    await new Promise((again) => setTimeout(again, 50))
    answer = await requestCell(a, 'decode')
  }
  assert.equal(answer.body.status, 'not_found')
  assert.equal(answer.body.code, 'PROV_003')
  assert.deepEqual(
    answer.body.coverage!.sources.map(({ source }) => source),
    ['store', 'directory', 'dht'],
  )
})
