import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { wasmOf } from '../../scripts/bench/wasm.ts'
import { nodeProcess, requestCell, temporaryFolder, untilAnswered, upload } from '../support/processes.ts'

const MIB = 1024 * 1024
const SIZE = 24 * MIB

test('a package that three nodes hold comes whole although one of them is killed in the middle', async (t) => {
  const folder = await temporaryFolder(t)
  // So slow that none of them could have sent everything before it is killed.
  const env = { CYTOPLEX_P2P_UPLOAD_BYTES_PER_SECOND: String(8 * MIB) }
  const origin = await nodeProcess(t, { dataDir: join(folder, 'origin'), env })
  const bytes = wasmOf(SIZE, 1)
  const metadata = { cell_type: 'big', version: '1.0.0', capabilities: [{ name: 'weigh', version: '1.0.0' }] }
  assert.equal((await upload(origin, metadata, bytes)).status, 201)
  const seeds = [origin.p2p_addrs[0]!]
  const copies = await Promise.all(
    ['one', 'other'].map((name) => nodeProcess(t, { dataDir: join(folder, name), seeds, env })),
  )
  for (const copy of copies) {
    const { download_url } = await untilAnswered(copy, 'weigh')
    assert.equal((await (await fetch(download_url)).arrayBuffer()).byteLength, SIZE)
  }

  const holders = [origin, ...copies].map(({ p2p_addrs }) => p2p_addrs[0]!)
  const asker = await nodeProcess(t, { dataDir: join(folder, 'asker'), seeds: holders })
  const { download_url, digest } = await untilAnswered(asker, 'weigh')
  const response = await fetch(download_url)
  const hash = createHash('sha256')
  let received = 0
  let killing: Promise<unknown> | undefined
  for await (const part of response.body!) {
    hash.update(part)
    received += part.length
    if (received > 6 * MIB) killing ??= origin.stop('SIGKILL')
  }
  await killing
  assert.equal(received, SIZE)
  assert.equal(`sha256:${hash.digest('hex')}`, digest)
  assert.equal((await requestCell(asker, 'weigh')).body.status, 'success')
})
