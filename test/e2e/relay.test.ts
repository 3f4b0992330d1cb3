import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { warmCytoplex as cytoplex } from '../cli/warm.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, untilAnswered, upload } from '../support/processes.ts'

const small = await readFile(SMALL_MODULE)

test('a cell of a node that nobody can connect to is found and fetched through a relay', async (t) => {
  const folder = await temporaryFolder(t)
  const relay = await nodeProcess(t, { dataDir: join(folder, 'relay'), env: { CYTOPLEX_P2P_RELAY: 'server' } })
  const hidden = await nodeProcess(t, {
    dataDir: join(folder, 'hidden'),
    seeds: relay.p2p_addrs,
    env: { CYTOPLEX_P2P_RELAY: 'client', CYTOPLEX_P2P_LISTEN: '/p2p-circuit' },
  })
  const metadata = { cell_type: 'cell', version: '1.0.0', capabilities: [{ name: 'use-cell', version: '1.0.0' }] }
  assert.equal((await upload(hidden, metadata, small)).status, 201)
  const asking = await nodeProcess(t, {
    dataDir: join(folder, 'asking'),
    seeds: relay.p2p_addrs,
    env: { CYTOPLEX_P2P_RELAY: 'client' },
  })
  const cell = await untilAnswered(asking, 'use-cell')
  assert.equal(cell.metadata.provider, hidden.provider_id)
  const response = await fetch(cell.download_url)
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), small)

  const { stdout } = await cytoplex(['peers', '--data-dir', asking.dataDir])
  assert.match(
    stdout,
    new RegExp(`^${hidden.provider_id} .*/p2p/${relay.provider_id}/p2p-circuit/p2p/${hidden.provider_id}`, 'm'),
  )
  const doctor = await cytoplex(['doctor', '--data-dir', hidden.dataDir])
  assert.equal(doctor.code, 0, doctor.stdout + doctor.stderr)
  assert.match(doctor.stdout, /^skipped {2}dial back {6}this node is reached through relays only$/m)
  assert.match(doctor.stdout, /^ok {7}fetch {10}peer \S+ could fetch a cell of this node, /m)
})
