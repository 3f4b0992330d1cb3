import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { cleanEnvironment, spawnCytoplex } from '../cli/launch.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

test('the command line follows a node across its restart, and a node that stops tells its clients', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  let node = await nodeProcess(t, { dataDir })
  const port = new URL(node.http_url).port

  const first = new WebSocket(`${node.http_url.replace('http', 'ws')}/subscribe`)
  await once(first, 'message')
  first.send(JSON.stringify({ type: 'subscribe', channels: ['contributions'] }))
  await once(first, 'message')

  const since = `${'0'.repeat(16)}-0`
  const target = ['--node', node.http_url, '--api-key', node.adminKey]
  const tail = spawnCytoplex(['events', 'peers', '--since', since, '--json', ...target], cleanEnvironment())
  t.after(() => tail.kill('SIGKILL'))
  const lines = createInterface({ input: tail.stdout! })[Symbol.asyncIterator]()
  const next = async () => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>
  // The first line says that it is subscribed: no node knows that cursor.
  const gap = await next()
  assert.deepEqual([gap.type, gap.reason], ['gap', 'other_run'])

  const other = await nodeProcess(t, { dataDir: join(folder, 'other'), seeds: [...node.p2p_addrs] })
  const connected = await next()
  assert.equal(connected.type, 'peer_connected')
  assert.equal((connected.data as { provider_id: unknown }).provider_id, other.provider_id)

  const closing = once(first, 'close')
  await node.stop()
  const [{ code, reason }] = await closing
  assert.deepEqual([code, reason], [1001, 'the node is stopping'])

  node = await nodeProcess(t, { dataDir, args: ['--http-port', port] })
  let again = await next()
  // What happened while it stopped may still have arrived.
  while (again.type !== 'gap') again = await next()
  assert.equal(again.reason, 'other_run')
  await other.stop()
})
