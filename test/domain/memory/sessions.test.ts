import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  conversationKey,
  conversations,
  sessionKeys,
  turnKey,
  turns,
} from '../../../src/domain/memory/session-records.ts'
import { SessionSeal } from '../../../src/domain/memory/session-seal.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { accessTo, signal, testMemory, withCode } from '../../support/memory.ts'

/** Everything in the files under a folder, one after the other. */
async function contentOf(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return Buffer.concat(await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name)))))
}

test('a record opens under its own key and version only, and not when a byte of it was changed', () => {
  const seal = new SessionSeal(randomBytes(32))
  const sealed = seal.seal('a', 3, Buffer.from('said'))
  assert.equal(String(seal.open('a', sealed).bytes), 'said')
  assert.equal(seal.open('a', sealed).version, 3)
  assert.throws(() => seal.open('b', sealed))
  assert.throws(() => seal.open('a', sealed.replace('3.', '4.')))
  assert.throws(() => new SessionSeal(randomBytes(32)).open('a', sealed))
  const bytes = Buffer.from(sealed.slice(2), 'base64')
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 1
    assert.throws(() => seal.open('a', `3.${changed.toString('base64')}`), `byte ${at}`)
  }
})

test('nothing that was said, and nothing that names it, is on the disk in clear; a deleted session leaves no key', async (t) => {
  const { memory, books, store, folder } = await testMemory(t)
  const planted = [
    'plantedDirective',
    'plantedTurn',
    'plantedMetadata',
    'plantedState',
    'planted_agent',
    'plantedTopic',
  ]
  const { session_id } = await memory.createSession({ initial_context: 'plantedSummary' })
  const access = accessTo(session_id)
  const { conversation_id } = await memory.startConversation(access, { session_id, directive: planted[0]! }, signal)
  const turn = { agent: 'planted_agent', content: 'plantedTurn', metadata: { plantedMetadata: 1 } }
  await memory.addTurns(access, conversation_id, [turn])
  await memory.updateAgentState(access, 'planted_name', { state_updates: { plantedState: 1 } }, undefined)
  await memory.updateSummary(access, { summary: 'plantedNewer', key_topics: ['plantedTopic'] })
  await books.texts.keepVectors(session_id, 'plantedModel', new Map([[`${conversation_id}!1`, new Float32Array(8)]]))
  await memory.complete(access, conversation_id, signal)
  const wrapped = store.get(sessionKeys, session_id)!

  await store.purge(sessionKeys, '')
  const before = await contentOf(join(folder, 'store'))
  // Values are compressed; what is random shows in pieces at least.
  const piece = Buffer.from(wrapped.slice(10, 40))
  assert.ok(before.includes(piece), 'what is searched for could be found')
  for (const word of [...planted, 'plantedSummary', 'plantedNewer', 'plantedModel', 'planted']) {
    assert.ok(!before.includes(word), word)
  }

  await memory.deleteSession(access)
  assert.ok(!(await contentOf(join(folder, 'store'))).includes(piece))
  for await (const key of store.keys({ prefix: '', encode: String, decode: String })) {
    assert.ok(!key.includes(session_id), key)
  }
  assert.throws(() => memory.session(access), withCode('INVALID_SESSION_TOKEN'))
  await assert.rejects(memory.deleteSession(access), withCode('INVALID_SESSION_TOKEN'))
  assert.deepEqual(memory.usage, { sessions: 0, bytes: 0 })
})

test('a turn cannot take the place of another, nor come from another session', async (t) => {
  const { memory, store } = await testMemory(t)
  const [one, other] = [await memory.createSession({}), await memory.createSession({})]
  const started = await Promise.all(
    [one, other].map(({ session_id }) =>
      memory.startConversation(accessTo(session_id), { session_id, directive: 'first' }, signal),
    ),
  )
  const [{ session_id, conversation_id }] = started as [(typeof started)[0]]
  await memory.addTurns(accessTo(session_id), conversation_id, [{ agent: 'a', content: 'second' }])
  const key = (at: (typeof started)[0], number: number): string => turnKey(at.session_id, at.conversation_id, number)
  for (const from of [key(started[0]!, 2), key(started[1]!, 1)]) {
    await store.transact((tx) => tx.put(turns, key(started[0]!, 1), tx.get(turns, from)!))
    await assert.rejects(memory.conversation(accessTo(session_id), conversation_id, {}))
  }
})

test('a deletion that was interrupted is finished at the next start', async (t) => {
  const wrappingKey = randomBytes(32)
  const { memory, store, folder } = await testMemory(t, { wrappingKey })
  const { session_id } = await memory.createSession({})
  const access = accessTo(session_id)
  const { conversation_id } = await memory.startConversation(access, { session_id, directive: 'first' }, signal)
  const many = Array.from({ length: 2500 }, (_, i) => ({ agent: 'a', content: `turn ${i}` }))
  await memory.addTurns(access, conversation_id, many)
  const kept = await memory.createSession({})

  // The disk fails after the transaction that destroys the key.
  const { transact } = Store.prototype
  let calls = 0
  t.mock.method(Store.prototype, 'transact', function (this: Store, work: Parameters<typeof transact>[0]) {
    return ++calls > 2 ? Promise.reject(new Error('the disk is gone')) : transact.call(this, work)
  })
  await assert.rejects(memory.deleteSession(access), /the disk is gone/)
  assert.throws(() => memory.session(access), withCode('INVALID_SESSION_TOKEN'))
  t.mock.restoreAll()
  assert.ok(store.get(conversations, conversationKey(session_id, conversation_id)) === undefined)
  await store.close()

  const again = await testMemory(t, { wrappingKey, folder })
  let left = 0
  for await (const key of again.store.keys({ prefix: '', encode: String, decode: String })) {
    if (key.includes(session_id)) left++
  }
  assert.equal(left, 0)
  assert.equal(again.memory.usage.sessions, 1)
  assert.equal(again.memory.session(accessTo(kept.session_id)).status, 'active')
})

test('the quota of a session, of all sessions, and their number are kept', async (t) => {
  const { memory } = await testMemory(t, { limits: { sessionBytes: 5000, maxBytes: 7500, maxSessions: 2 } })
  const { session_id } = await memory.createSession({})
  const access = accessTo(session_id)
  const { conversation_id } = await memory.startConversation(access, { session_id, directive: 'first' }, signal)
  const large = { agent: 'a', content: 'x'.repeat(4000) }
  await assert.rejects(memory.addTurns(access, conversation_id, [large]), withCode('STORAGE_QUOTA_EXCEEDED'))
  const { bytes } = memory.usage
  const fits = { agent: 'a', content: 'x'.repeat(2000) }
  const [added] = await memory.addTurns(access, conversation_id, [fits])
  assert.equal(added?.turn_number, 2, 'what was refused took no number')
  assert.ok(memory.usage.bytes > bytes + 2000)

  const other = await memory.createSession({})
  const elsewhere = accessTo(other.session_id)
  const started = { session_id: other.session_id, directive: 'y'.repeat(3200) }
  await assert.rejects(memory.startConversation(elsewhere, started, signal), withCode('MEMORY_SERVICE_ERROR'))
  await assert.rejects(memory.createSession({}), withCode('MEMORY_SERVICE_ERROR'))
  await memory.deleteSession(access)
  await memory.startConversation(elsewhere, started, signal)
  await memory.createSession({})
})

test('counts and bytes of sessions are the same after a restart', async (t) => {
  const wrappingKey = randomBytes(32)
  const { memory, books, store, folder } = await testMemory(t, { wrappingKey })
  const { session_id } = await memory.createSession({ initial_context: 'before' })
  const access = accessTo(session_id)
  const ids: string[] = []
  for (const directive of ['one', 'two', 'three']) {
    ids.push((await memory.startConversation(access, { session_id, directive }, signal)).conversation_id)
  }
  await books.conversations.remove(session_id, ids[1]!)
  const { usage } = memory
  const details = memory.session(access)
  assert.deepEqual([details.conversation_count, details.total_turns], [2, 2])
  let bytes = 0
  for await (const [key, text] of store.scan({ prefix: '', encode: String, decode: (text: string) => text })) {
    if (key.includes(session_id) && /^(2t|2u|2v|2w|2x)!/.test(key)) bytes += key.length + text.length
  }
  assert.equal(usage.bytes, bytes)
  await store.close()
  const again = await testMemory(t, { wrappingKey, folder })
  assert.deepEqual(again.memory.usage, usage)
  assert.deepEqual(again.memory.session(access), details)
})
