import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contractServer } from '../contract/server.ts'
import { ADMIN_KEY } from '../http/harness.ts'
import { NETWORK } from '../support/cells.ts'
import { warmCytoplex } from './warm.ts'

test('a policy is added, shown and removed; a package pinned and unpinned', async (t) => {
  const server = await contractServer(t)
  const target = ['--node', server.url, '--api-key', ADMIN_KEY]
  const run = (...args: string[]) => warmCytoplex([...args, ...target])

  const added = await run('follow', 'add', '--capability', 'sql.*', '--versions', '^1.0.0', '--max-bytes', '2MiB')
  const [, id = ''] = /^([0-9a-f]{12}) follows capability sql\.\* \^1\.0\.0\.\n/.exec(added.stdout) ?? []
  const next = `\nnext: cytoplex follow list --node ${server.url} --api-key KEY shows how far it is\n`
  assert.ok(added.stdout.endsWith(next), added.stdout)
  assert.equal(added.code, 0, added.stderr)
  const again = await run('follow', 'add', '--capability', 'sql.*', '--versions', '^1.0.0', '--max-bytes', '1')
  assert.equal(again.code, 1)
  assert.match(again.stderr, /follows the same already/)

  const registered = await server.register({ cell_type: 'pinned', version: '1.0.0' })
  const { digest } = registered.json()
  assert.match(
    (await run('pin', 'pinned@1.0.0', '--network', NETWORK)).stdout,
    /^pinned@1\.0\.0 is pinned, and here\.\n$/,
  )
  const listed = await run('follow', 'list')
  assert.match(
    listed.stdout,
    new RegExp(`^${id} +capability sql\\.\\* \\^1\\.0\\.0 +0 +0 +0 +0 .* 2\\.\\S+ MB? +-$`, 'm'),
  )
  assert.match(listed.stdout, new RegExp(`^${digest} +pinned@1\\.0\\.0 +registered `, 'm'))

  assert.match((await run('unpin', String(digest))).stdout, /^pinned@1\.0\.0 is not pinned any more\.\n$/)
  const absent = await run('unpin', String(digest), '--drop')
  assert.deepEqual([absent.code, absent.stdout], [3, ''])
  assert.match(absent.stderr, /there is no copy of/)
  await run('pin', String(digest))
  const unpinned = await run('unpin', String(digest), '--drop')
  assert.deepEqual(
    [unpinned.code, unpinned.stdout],
    [0, 'pinned@1.0.0 is not pinned any more; it is registered here, so there was no copy to drop.\n'],
  )
  assert.equal((await run('follow', 'remove', id)).code, 0)
  assert.equal((await run('follow', 'remove', id)).code, 3)
  assert.match((await run('follow', 'list')).stdout, /^Nothing is followed\.\n$/)
})

test('what was yanked is unpinned by its name', async (t) => {
  const server = await contractServer(t)
  const run = (...args: string[]) => warmCytoplex([...args, '--node', server.url, '--api-key', ADMIN_KEY])
  for (const [i, version] of ['1.0.0', '1.1.0', '2.0.0-rc.1'].entries()) {
    // A section without meaning makes each module another one.
    const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, 2, 1, 0x61 + i)
    const metadata = { cell_type: 'pinned', version, capabilities: [{ name: 'use-pinned', version }] }
    const call = { method: 'POST', path: '/api/v1/repository/cells', ...server.upload(metadata, module) }
    const { digest } = (await server.admin(call)).json()
    assert.equal((await run('pin', String(digest))).code, 0)
    const yanked = await run('cell', 'yank', 'pinned', version, '--reason', 'broken')
    assert.equal(yanked.code, 0, yanked.stderr)
  }
  for (const [name, unpinned] of [
    ['pinned@^1.0.0', 'pinned@1.1.0'],
    ['pinned', 'pinned@2.0.0-rc.1'],
    ['pinned@1.0.0', 'pinned@1.0.0'],
  ] as const) {
    const { stdout, stderr } = await run('unpin', name)
    assert.equal(stdout, `${unpinned} is not pinned any more.\n`, stderr)
  }
  assert.equal((await run('unpin', 'pinned')).code, 3)
})

test('mistakes are told before a node is asked: exit 2', async () => {
  const target = ['--node', 'http://127.0.0.1:1']
  for (const [args, reason] of [
    [['follow', 'add', '--max-bytes', '1'], /exactly one of/],
    [['follow', 'add', '--capability', 'a', '--partner', 'b', '--max-bytes', '1'], /exactly one of/],
    [['follow', 'add', '--capability', 'a', '--max-bytes', '1GB'], /--max-bytes: found "1GB", allowed is/],
    [['pin', 'a@1@2'], /found "a@1@2", allowed is the digest/],
  ] as const) {
    const { code, stderr } = await warmCytoplex([...args, ...target])
    assert.equal(code, 2, stderr)
    assert.match(stderr, reason)
  }
})
