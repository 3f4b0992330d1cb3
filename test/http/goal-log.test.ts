import assert from 'node:assert/strict'
import { test } from 'node:test'
import { start } from './harness.ts'

test("a goal's log is served where the node's own is, under the goal's id", async (t) => {
  const { send } = await start(t)
  const checkpoint = await send({ path: '/api/v1/log/goal/checkpoint' })
  assert.deepEqual([checkpoint.status, checkpoint.text], [200, 'origin\n1\nroot\n'])
  assert.match(String(checkpoint.headers['content-type']), /^text\/plain/)
  const inclusion = await send({ path: '/api/v1/log/goal/inclusion?log_index=3&tree_size=7' })
  assert.deepEqual([inclusion.json().log_index, inclusion.json().tree_size], [3, 7])
  assert.deepEqual((await send({ path: '/api/v1/log/goal/consistency?from=2&to=5' })).json(), {
    from: 2,
    to: 5,
    hashes: [],
  })
  const proof = await send({ path: '/api/v1/log/goal/proof?log_index=3&since=2' })
  assert.deepEqual([proof.status, proof.json()], [200, { log_index: 3, since: 2 }])
  const tile = await send({ path: '/api/v1/log/goal/tile/0/000.p/1' })
  assert.deepEqual(
    [tile.status, tile.bytes.length, tile.headers['content-type']],
    [200, 32, 'application/octet-stream'],
  )
})

test('a goal that has no log here, and an id that is none', async (t) => {
  const { send } = await start(t)
  for (const path of ['checkpoint', 'inclusion?log_index=0', 'consistency?from=0', 'proof?log_index=0', 'tile/0/000']) {
    const unknown = await send({ path: `/api/v1/log/none/${path}` })
    assert.equal(unknown.status, 404, path)
    assert.match(unknown.text, /there is no goal none/)
    assert.equal((await send({ path: `/api/v1/log/a.b/${path}` })).status, 400, path)
  }
  for (const query of ['', '?log_index=-1', '?log_index=1.5', '?log_index=x', '?log_index=0&since=-1']) {
    assert.equal((await send({ path: `/api/v1/log/goal/proof${query}` })).status, 400, query)
  }
})

test("the node's own log keeps its names", async (t) => {
  const { send } = await start(t)
  assert.equal((await send({ path: '/api/v1/log/checkpoint' })).status, 200)
  assert.equal((await send({ path: '/api/v1/log/tile/0/000.p/1' })).status, 200)
  assert.equal((await send({ path: '/api/v1/log/tile/checkpoint' })).status, 404)
})
