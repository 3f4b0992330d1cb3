import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createClient } from '../../src/client/index.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'
import { accept, startReceiver } from '../support/receiver.ts'

test('an event that was on its way when the node was killed arrives after the next start, under the same id', async (t) => {
  const receiver = await startReceiver(t)
  const dataDir = join(await temporaryFolder(t), 'node')
  const env = { CYTOPLEX_ASSURANCE_WEBHOOKS_ALLOW_PRIVATE: 'true' }
  let node = await nodeProcess(t, { dataDir, env })
  const clientOf = () => createClient({ nodes: node.http_url, apiKey: node.adminKey })
  const made = await clientOf().webhooks.create({ url: receiver.url, events: ['cell.registered'] })
  assert.equal(made.status, 'active')

  receiver.answer = () => undefined
  const cell = { cell_type: 'told', version: '1.0.0', capabilities: [{ name: 'tell', version: '1.0.0' }] }
  const registered = (await (await upload(node, cell, await readFile(SMALL_MODULE))).json()) as { cell_id: string }
  const [first] = await receiver.has(1)
  await node.stop('SIGKILL')

  receiver.answer = accept
  node = await nodeProcess(t, { dataDir, env })
  const [, again] = await receiver.has(2)
  assert.equal(again?.id, first?.id)
  assert.deepEqual(again?.event, first?.event)
  assert.equal(again?.event.data['cell_id' as never], registered.cell_id)
  again?.verify(made.secret)
  const listed = await clientOf().webhooks.list()
  assert.deepEqual([listed.length, listed[0]?.webhook_id], [1, made.webhook_id])
  await node.stop()
})
