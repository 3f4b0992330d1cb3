import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ScriptedAnswerer, scriptedProver } from '../support/assurance.ts'
import { NETWORK } from '../support/cells.ts'
import { nodeWithServer } from '../support/node-servers.ts'
import { cleanEnvironment, temporary } from './launch.ts'
import { warmCytoplex } from './warm.ts'

const ADMIN_KEY = 'the-administrator-key'

async function withNode(t: Parameters<typeof nodeWithServer>[0]) {
  const { url } = await nodeWithServer(t, { answerer: new ScriptedAnswerer(), prover: scriptedProver })
  const env = cleanEnvironment()
  const folder = temporary()
  return {
    operator: (...args: string[]) => warmCytoplex(['operator', ...args, '--node', url, '--api-key', ADMIN_KEY], env),
    query: (...args: string[]) => warmCytoplex(['query', ...args, '--node', url, '--network', NETWORK], env),
    at: (name: string) => join(folder, name),
  }
}

test('an operator is registered with a key that is made, asks, is suspended, and asks again with a new key', async (t) => {
  const { operator, query, at } = await withNode(t)
  const key = at('team.json')
  const added = await operator(
    'add',
    'team@example.org',
    '--key',
    key,
    '--domain',
    'legal=EU,US',
    '--domain',
    'general',
  )
  assert.equal(added.code, 0, added.stderr)
  assert.match(added.stdout, /^team@example\.org is registered, tier free\.\n$/)
  assert.equal(statSync(key).mode & 0o777, 0o600)
  const listed = await operator('list')
  assert.match(listed.stdout, /^team@example\.org +free +active +ed25519 +legal=EU,US general +\S+ +never$/m)

  const asked = ['hello there', '--operator', 'team@example.org', '--domain', 'general']
  const answer = await query(...asked, '--key', key)
  assert.equal(answer.code, 0, answer.stderr)
  assert.match(answer.stdout, /^hello there\n\nverified, confidence 1\n$/)
  const json = await query(...asked, '--key', key, '--proof', '--json')
  const { request, response } = JSON.parse(json.stdout) as Record<string, Record<string, unknown>>
  assert.equal(response?.request_id, request?.request_id)
  assert.ok(response?.proof)
  const rejected = await query('600', ...asked.slice(1), '--key', key)
  assert.equal(rejected.code, 1)
  assert.match(rejected.stderr, /^cytoplex: 600: broken\n$/)
  assert.equal((await query('q', '--operator', 'team@example.org', '--domain', 'medical', '--key', key)).code, 4)

  assert.match((await operator('suspend', 'team@example.org')).stdout, /is suspended/)
  assert.equal((await query(...asked, '--key', key)).code, 4)
  const second = at('second.json')
  assert.equal((await operator('rotate', 'team@example.org', '--key', second)).code, 0)
  assert.equal((await query(...asked, '--key', key)).code, 4)
  assert.equal((await query(...asked, '--key', second)).code, 0)
  assert.equal((await operator('suspend', 'nobody')).code, 3)
})

test('a secret is printed once, or kept in a file that is not overwritten', async (t) => {
  const { operator, query, at } = await withNode(t)
  const shown = await operator('add', 'shown', '--hmac', '--domain', 'general')
  assert.match(shown.stdout, /^shown is registered, tier free\.\n\n[\w-]{43}\n\nThis is the only time/)
  const file = at('secret.json')
  const kept = await operator('add', 'kept', '--hmac', '--key', file, '--domain', 'general', '--json')
  assert.equal(kept.code, 0, kept.stderr)
  const { secret } = JSON.parse(readFileSync(file, 'utf8')) as { secret: string }
  assert.ok(!kept.stdout.includes(secret))
  assert.equal((await query('q', '--operator', 'kept', '--domain', 'general', '--key', file)).code, 0)
  const again = await operator('rotate', 'kept', '--hmac', '--key', file)
  assert.equal(again.code, 1)
  assert.match(again.stderr, /exists already/)
  assert.equal((await query('q', '--operator', 'kept', '--domain', 'general', '--key', file)).code, 0)
})

test('flags that say nothing sensible are refused before a node is asked', async (t) => {
  const { operator, query, at } = await withNode(t)
  const add = (...args: string[]) => operator('add', 'team', ...args)
  const key = at('never.json')
  for (const wrong of [
    add('--domain', 'general'),
    add('--domain', 'general', '--hmac', '--public-key', 'A'.repeat(43)),
    add('--domain', 'sports', '--key', key),
    add('--domain', 'legal=europe', '--key', key),
    add('--domain', 'legal', '--tier', 'gold', '--key', key),
    add('--key', key),
    query('q', '--operator', 'o', '--domain', 'sports'),
    query('q', '--operator', 'o', '--domain', 'legal', '--mode', 'quick'),
  ]) {
    const { code, stderr } = await wrong
    assert.equal(code, 2, stderr)
  }
  assert.ok(!existsSync(key))
})
