import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createClient, newRequestKeys } from '../../src/client/index.ts'
import { utf8 } from '../../src/kernel/base/bytes.ts'
import { cleanEnvironment, temporary } from '../cli/launch.ts'
import { warmCytoplex } from '../cli/warm.ts'
import { ADMIN_KEY } from '../http/harness.ts'
import { NETWORK } from '../support/cells.ts'
import { EVALUATOR_MODULE } from '../support/evaluator-module.ts'
import { contractServer } from './server.ts'

/** A whole node with two goals, and three contributions to each. */
async function withGoals(t: TestContext) {
  const at = await contractServer(t)
  const metadata = { cell_type: 'evaluator', version: '1.0.0', capabilities: [{ name: 'evaluate', version: '1.0.0' }] }
  const cell = await at.admin({
    method: 'POST',
    path: '/api/v1/repository/cells',
    ...at.upload(metadata, EVALUATOR_MODULE),
  })
  const { goals } = createClient({ nodes: at.url, apiKey: ADMIN_KEY, network: NETWORK })
  const evaluator = { digest: String(cell.json().digest) }
  for (const goal_id of ['mine', 'other']) {
    await goals.create({ goal_id, evaluator, admission: { kind: 'open', difficulty: 2 } })
    for (const text of ['a', 'b', 'c']) {
      const key = newRequestKeys().ed25519
      await goals.contribute({ goalId: goal_id, version: '1.0', parameters: utf8(text), key })
    }
  }
  return { at, goals }
}

const run = (...args: string[]) => warmCytoplex([...args, '--network', NETWORK], cleanEnvironment())

/** Stands before a node, and may ask it for something else or change what it says. */
async function between(
  t: TestContext,
  node: string,
  lie: { asks?: (path: string) => string; says?: (text: string) => string },
): Promise<string> {
  const { asks = (path) => path, says = (text) => text } = lie
  const server = createServer(async (request, response) => {
    const answer = await fetch(node + asks(request.url!))
    response.statusCode = answer.status
    response.setHeader('Content-Type', 'application/json').end(says(await answer.text()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('the proof of a contribution is fetched from a node, verified, and verified again offline', async (t) => {
  const { at, goals } = await withGoals(t)
  const { providerId } = at.node
  const { digest } = await goals.get('mine')
  const out = join(temporary(), 'proof.json')
  const fetch = ['goal', 'proof', 'mine', '1', '--since', '2', '--out', out, '--node', at.url]
  const fetched = await run(...fetch)
  assert.equal(fetched.code, 0, fetched.stderr)
  assert.match(fetched.stdout, new RegExp(`^verified: leaf 1 of 3 in ${providerId}/log/${digest}$`, 'm'))
  const verified = await run('verify', 'proof', out, '--provider', providerId, '--json')
  assert.equal(verified.code, 0, verified.stderr)
  const { goal_id, log_index, tree_size, older, log_root } = JSON.parse(verified.stdout)
  assert.deepEqual([goal_id, log_index, tree_size, older.tree_size], [digest, 1, 3, 2])
  assert.equal(log_root, (await goals.status('mine')).log_root)
  assert.match((await run(...fetch)).stderr, /exists; --force replaces it/)
  assert.equal((await run(...fetch, '--force')).code, 0)
})

test('a proof of something else, or one that does not hold, is not written', async (t) => {
  const { at } = await withGoals(t)
  const out = join(temporary(), 'proof.json')
  const fetchFrom = (node: string, index = '1') =>
    run('goal', 'proof', 'mine', index, '--since', '2', '--out', out, '--node', node)
  for (const asks of [
    (path: string) => path.replace('log_index=1', 'log_index=0'),
    (path: string) => path.replace('/log/mine/', '/log/other/'),
    (path: string) => path.replace('since=2', 'since=1'),
  ]) {
    const { code, stderr } = await fetchFrom(await between(t, at.url, { asks }))
    assert.equal(code, 1)
    assert.match(stderr, /the node sent a proof of leaf [01] of /)
  }
  const says = (text: string): string => text.replace(/"leaf":"../, '"leaf":"AA')
  const bent = await fetchFrom(await between(t, at.url, { says }))
  assert.equal(bent.code, 1)
  assert.match(bent.stderr, /the proof does not hold/)
  assert.equal((await fetchFrom(at.url, '3')).code, 3)
  assert.equal((await fetchFrom(at.url, '-1')).code, 2)
  assert.equal(existsSync(out), false)
})
