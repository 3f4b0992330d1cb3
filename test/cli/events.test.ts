import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ADMIN_KEY, start } from '../http/harness.ts'
import { nextLine, outcome, spawnCytoplex } from './launch.ts'
import { warmCytoplex } from './warm.ts'

const EVIL = '/dns4/\u001b[2Jevil/tcp/1'
const PEER = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'

test('events are followed: as lines for people and as JSON, what is hostile in them escaped', async (t) => {
  const { node, server } = await start(t, {}, 'silent')
  const emitting = setInterval(() => {
    node.events.emit('peer_connected', { providerId: PEER, address: EVIL, direction: 'inbound' })
    node.events.emit('tau_commit', { goalId: 'g', logSize: 3, root: 'ab'.repeat(32), anchor: 'file' })
  }, 20)
  t.after(() => clearInterval(emitting))
  const target = ['--node', server.url]

  const child = spawnCytoplex(['events', ...target])
  assert.match(await nextLine(child), /^\d{4}-\d\d-\d\dT[\d:.]+Z tau_commit g \{"log_size":3,.*"anchor":"file"\}$/)
  child.kill()
  await outcome(child)

  const private_ = ['events', 'peers', 'tau', ...target, '--api-key', ADMIN_KEY, '--json', '--limit', '2']
  const { code, stdout } = await warmCytoplex(private_)
  assert.equal(code, 0)
  const lines = stdout.trim().split('\n')
  assert.equal(lines.length, 2)
  assert.ok(!stdout.includes('\u001b'))
  const types = lines.map((line) => JSON.parse(line).type).sort()
  assert.deepEqual(types, ['peer_connected', 'tau_commit'])

  const since = `${'0'.repeat(16)}-0`
  const resumed = await warmCytoplex(['events', 'tau', ...target, '--since', since, '--limit', '1'])
  assert.match(resumed.stdout, /^Events may be missing here \(other_run\)\.\n.* tau_commit g /)
})

test('what cannot be followed: exit codes and reasons', async (t) => {
  const { server } = await start(t, {}, 'silent')
  const target = ['--node', server.url]
  const refused = await warmCytoplex(['events', 'peers', ...target])
  assert.equal(refused.code, 4)
  assert.match(refused.stderr, /peers is for the operator/)
  assert.equal((await warmCytoplex(['events', 'everything', ...target])).code, 2)
  assert.equal((await warmCytoplex(['events', '--limit', '0', ...target])).code, 2)
  const since = await warmCytoplex(['events', '--since', 'zz', ...target])
  assert.deepEqual(
    [since.code, since.stderr],
    [2, 'cytoplex: --since: found "zz", allowed is a cursor as cytoplex events --json shows it\n'],
  )
  assert.equal((await warmCytoplex(['events', '--node', 'http://127.0.0.1:1'])).code, 5)
})
