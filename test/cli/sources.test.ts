import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { operatorPublicKey } from '../../src/client/index.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { newSeed } from '../../src/kernel/identity/keys.ts'
import { contractServer } from '../contract/server.ts'
import { ADMIN_KEY } from '../http/harness.ts'
import { NETWORK } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { warmCytoplex } from './warm.ts'

const PUBLISHER = 'd'.repeat(64)

test('a publisher is approved, listed and approved no more', async (t) => {
  const server = await contractServer(t)
  const run = (...args: string[]) => warmCytoplex(['approval', ...args, '--node', server.url, '--api-key', ADMIN_KEY])
  assert.match((await run('list')).stdout, /^Nobody is approved/)
  const added = await run('add', 'legal', PUBLISHER, '--jurisdiction', 'EU,US-CA')
  assert.equal(added.code, 0, added.stderr)
  assert.match(
    added.stdout,
    /^Questions about legal are answered from documents of d{64}, where they are labelled EU or US-CA\.\n$/,
  )
  assert.match((await run('list')).stdout, new RegExp(`^legal +${PUBLISHER} +EU, US-CA +2`, 'm'))
  assert.equal((await run('rm', 'legal', PUBLISHER)).code, 0)
  const again = await run('rm', 'legal', PUBLISHER)
  assert.equal(again.code, 3)
  assert.match(again.stderr, /is not approved for legal/)
})

test('a constraint is signed and registered, listed and removed', async (t) => {
  const server = await contractServer(t)
  const folder = await temporaryFolder(t)
  const file = join(folder, 'short.json')
  const key = join(folder, 'key.json')
  const said = { constraint_id: 'short', version: 1, kind: 'maximum_length', parameters: { characters: 200 } }
  await writeFile(file, JSON.stringify(said))
  const run = (...args: string[]) => warmCytoplex(['constraint', ...args, '--node', server.url, '--api-key', ADMIN_KEY])
  const add = (...more: string[]) => run('add', file, '--key', key, '--network', NETWORK, ...more)
  const added = await add()
  assert.equal(added.code, 0, added.stderr)
  assert.equal(added.stdout, 'short has version 1, for everybody.\n')
  assert.match((await add()).stderr, /a newer one is needed/)
  assert.equal((await add('--operator', 'team@example.org')).stdout, 'short has version 1, for team@example.org.\n')
  const listed = await run('list')
  assert.match(listed.stdout, /^short +1 +maximum_length +everybody /m)
  assert.match(
    (await run('list', '--operator', 'team@example.org')).stdout,
    /^short +1 +maximum_length +team@example\.org /m,
  )
  await writeFile(file, JSON.stringify({ ...said, version: 2, kind: 'magic' }))
  assert.match((await add()).stderr, /constraint\.kind: found "magic", allowed are json_schema/)
  assert.equal((await run('rm', 'short')).code, 0)
  assert.equal((await run('rm', 'short')).code, 3)
})

test('an operator registers, lists and removes its own constraints, and shows no key', async (t) => {
  const server = await contractServer(t)
  const folder = await temporaryFolder(t)
  const seed = newSeed()
  await server.node.assurance.createOperator(
    {
      operator_id: 'team@example.org',
      algorithm: 'ed25519',
      public_key: toBase64Url(operatorPublicKey(seed)),
      permissions: [{ domain: 'legal', jurisdictions: null }],
    },
    'admin',
  )
  const [file, operator] = [join(folder, 'short.json'), join(folder, 'operator.json')]
  const said = { constraint_id: 'short', version: 1, kind: 'maximum_length', parameters: { characters: 200 } }
  await writeFile(file, JSON.stringify(said))
  await writeFile(operator, JSON.stringify({ format: 1, seed: toBase64Url(seed) }), { mode: 0o600 })
  const as = (who: string, ...args: string[]) => {
    const signing = ['--network', NETWORK, '--as', who, '--operator-key', operator]
    return warmCytoplex(['constraint', ...args, ...signing, '--node', server.url, '--api-key', ADMIN_KEY])
  }
  const added = await as('team@example.org', 'add', file, '--key', join(folder, 'key.json'))
  assert.equal(added.code, 0, added.stderr)
  assert.equal(added.stdout, 'short has version 1, for team@example.org.\n')
  assert.match((await as('team@example.org', 'list')).stdout, /^short +1 .*operator:team@example\.org$/m)
  assert.equal((await as('somebody@example.org', 'list')).code, 4)
  assert.equal((await as('team@example.org', 'rm', 'short')).stdout, 'short is gone, for team@example.org.\n')
  assert.equal((await as('team@example.org', 'rm', 'short')).code, 3)
})

test('mistakes are told before a node is asked: exit 2', async () => {
  const target = ['--node', 'http://127.0.0.1:1']
  for (const [args, reason] of [
    [['approval', 'add', 'weather', PUBLISHER], /found "weather", allowed are legal/],
    [['approval', 'add', 'legal', 'me'], /found "me", allowed is an id/],
    [['approval', 'add', 'legal', PUBLISHER, '--jurisdiction', 'Europe'], /found "Europe", allowed are codes/],
  ] as const) {
    const { code, stderr } = await warmCytoplex([...args, ...target])
    assert.equal(code, 2, stderr)
    assert.match(stderr, reason)
  }
})
