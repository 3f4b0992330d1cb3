import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contractServer } from '../contract/server.ts'
import { ADMIN_KEY } from '../http/harness.ts'
import { accept, echo, startReceiver } from '../support/receiver.ts'
import { warmCytoplex } from './warm.ts'

const PRIVATE = { settings: { 'assurance.webhooks_allow_private': 'true' } }

test('a webhook is added, told of what happens, tried out and removed', async (t) => {
  const [server, receiver] = [await contractServer(t, PRIVATE), await startReceiver(t)]
  const run = (...args: string[]) => warmCytoplex(['webhook', ...args, '--node', server.url, '--api-key', ADMIN_KEY])
  assert.match((await run('list')).stdout, /^There are no webhooks\.\n$/)

  receiver.onChallenge = accept
  const added = await run('add', receiver.url, '--events', 'cell.registered, cell.yanked')
  assert.equal(added.code, 0, added.stderr)
  const [secret = ''] = added.stdout.split('\n')
  const [id = ''] = /wh_[0-9a-f]{24}/.exec(added.stdout) ?? []
  assert.match(added.stdout, /before the receiver answers its challenge \(challenge\)/)
  assert.ok(added.stdout.endsWith(`\nnext: cytoplex webhook test ${id} --node ${server.url} --api-key KEY\n`))
  const early = await run('test', id)
  assert.equal(early.code, 1)
  assert.match(early.stderr, /webhook\.challenge did not arrive: challenge/)
  receiver.onChallenge = echo
  assert.match((await run('test', id)).stdout, new RegExp(`^webhook\\.challenge arrived; ${id} is active\\.\n$`))

  await server.register({ cell_type: 'told', version: '1.0.0' })
  const [told] = await receiver.has(1)
  assert.equal(told?.event.event_type, 'cell.registered')
  assert.equal(told?.event.data['cell_type' as never], 'told')
  told?.verify(secret)

  receiver.answer = (_received, response) => void response.writeHead(410).end()
  await server.register({ cell_type: 'gone', version: '1.0.0' })
  await receiver.has(2)
  while (!(await run('list')).stdout.includes('disabled')) {
    // The node writes that down first.
  }
  const letters = await run('dead-letters', id)
  assert.match(letters.stdout, /^msg_[0-9a-f]{32} +cell\.registered .* gone$/m)
  assert.equal((await run('replay', id)).code, 1)
  receiver.answer = accept
  await run('test', id)
  assert.match((await run('replay', id)).stdout, /^1 events are on their way again\.\n$/)
  await receiver.has(3)

  const listed = await run('list')
  assert.match(listed.stdout, new RegExp(`^${id} +${receiver.url} +cell\\.registered, cell\\.yanked +active`, 'm'))
  assert.ok(!listed.stdout.includes(secret))
  assert.match((await run('rm', id)).stdout, /is forgotten\.\n$/)
  assert.equal((await run('rm', id)).code, 3)
})

test('a URL that may not be called is refused, and mistakes are told before a node is asked', async (t) => {
  const [server, receiver] = [await contractServer(t), await startReceiver(t)]
  const target = ['--node', server.url, '--api-key', ADMIN_KEY]
  for (const url of [receiver.url, `http://[::ffff:127.0.0.1]:${receiver.port}/`, 'http://169.254.169.254/']) {
    const refused = await warmCytoplex(['webhook', 'add', url, '--events', 'peer.banned', ...target])
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /allowed are https URLs/)
  }
  assert.equal(receiver.connections(), 0)
  const mistaken = await warmCytoplex([
    'webhook',
    'add',
    'https://x.example',
    '--events',
    'all',
    '--node',
    'http://127.0.0.1:1',
  ])
  assert.equal(mistaken.code, 2)
  assert.match(mistaken.stderr, /--events: found "all", allowed are cell\.registered/)
})
