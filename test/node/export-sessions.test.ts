import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { SessionFile } from '../../protocol/memory-export.ts'
import { jsonKeyspace, KEYSPACES, textKeyspace } from '../../src/kernel/storage/keyspaces.ts'
import { collected, TestClock } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { converse, downloaded, exported, newSession, remembering } from '../support/remembering.ts'

const DAY = 24 * 60 * 60 * 1000
const signal = new AbortController().signal
const pieces = textKeyspace(KEYSPACES.exportPieces)
const exports = jsonKeyspace(KEYSPACES.exports)
const memoryCode = (code: string) => (error: { details?: { memory?: { code?: string } } }) => {
  assert.equal(error.details?.memory?.code, code)
  return true
}

/** Without what differs between a session and its copy. */
function comparable(text: string): unknown {
  const file = JSON.parse(text) as SessionFile
  return {
    ...file,
    exported_at: null,
    session: { ...file.session, session_id: null },
    conversations: file.conversations.map((conversation) => ({ ...conversation, conversation_id: null })),
  }
}

describe('an export', () => {
  test('is the session as it is, with the digest and size of its file', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, { initial_context: 'About tea.' })
    const { conversation_id } = await converse(at, access, ['Which tea is best?', 'Green tea is best.', 'Thanks!'])
    await at.memory.complete(access, conversation_id, signal)
    await at.memory.updateAgentState(access, 'beatrice', { state_updates: { likes: ['tea'] } }, undefined)
    const status = await exported(at, access)
    assert.equal(status.status, 'completed')
    assert.equal(status.progress, 1)
    const text = await downloaded(at, status.download_url)
    assert.equal(status.sha256, createHash('sha256').update(text).digest('hex'))
    assert.equal(status.size, Buffer.byteLength(text))
    const file = JSON.parse(text) as SessionFile
    assert.deepEqual(
      file.conversations[0]?.turns.map(({ turn_number, agent, content, metadata }) => [
        turn_number,
        agent,
        content,
        metadata,
      ]),
      [
        [1, 'user', 'Which tea is best?', { user_input: true }],
        [2, 'beatrice', 'Green tea is best.', { at: 0 }],
        [3, 'user', 'Thanks!', { at: 1 }],
      ],
    )
    assert.equal(file.summaries[0]?.summary, 'About tea.')
    assert.match(file.summaries[1]?.summary ?? '', /tea is best/)
    assert.deepEqual(
      file.agent_states.map(({ agent, state }) => [agent, state]),
      [['beatrice', { likes: ['tea'] }]],
    )
  })

  test('leaves out what was not ordered', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    await converse(at, access, ['Yesterday.', 'Old.'])
    at.clock.advance(DAY)
    const { conversation_id } = await converse(at, access, ['Today.', 'New.'])
    await at.memory.updateAgentState(access, 'codey', { state_updates: { x: 1 } }, undefined)
    const start = new Date(at.clock.now()).toISOString()
    const status = await exported(at, access, {
      include_metadata: false,
      include_agent_states: false,
      time_range: { start },
    })
    const file = JSON.parse(await downloaded(at, status.download_url)) as SessionFile
    assert.deepEqual(file.agent_states, [])
    assert.deepEqual(
      file.conversations.map((conversation) => conversation.conversation_id),
      [conversation_id],
    )
    assert.ok(file.conversations[0]!.turns.every((turn) => !('metadata' in turn)))
  })

  test('is kept sealed, in pieces, and reads as it was written', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    const long = `${'plantedword \u{1f375} '.repeat(10_000)}end`
    await converse(at, access, ['Long', ...Array.from({ length: 6 }, () => long)] as [string, ...string[]])
    const status = await exported(at, access, { format: 'jsonl' })
    const kept = await collected(at.store.scan(pieces))
    assert.ok(kept.length > 3, String(kept.length))
    for (const [key, text] of kept) {
      assert.ok(!Buffer.from(text.slice(text.indexOf('.') + 1), 'base64').includes('plantedword'), key)
    }
    const lines = (await downloaded(at, status.download_url)).trimEnd().split('\n')
    assert.equal(lines.filter((line) => (JSON.parse(line) as { content?: string }).content === long).length, 6)
  })

  test('is found by nobody without its link, after its time, or without its session', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    const other = await newSession(at)
    await converse(at, access, ['A secret.'])
    const { download_url: url, export_id: id } = await exported(at, access)
    await assert.rejects(at.memory.exportStatus(other, id), memoryCode('EXPORT_NOT_FOUND'))
    await assert.rejects(at.memory.exportStatus(access, `export_${'0'.repeat(32)}`), memoryCode('EXPORT_NOT_FOUND'))
    const query = Object.fromEntries(new URL(url, 'http://x').searchParams)
    const later = String(Number(query.expires) + 1)
    for (const wrong of [
      {},
      { expires: query.expires! },
      { ...query, expires: later },
      { ...query, expires: `0${query.expires}` },
      { ...query, signature: `${query.signature!.slice(0, -2)}AA` },
      { ...query, signature: query.signature!.slice(0, 20) },
      { ...query, signature: '!' },
    ]) {
      await assert.rejects(at.memory.download(id, wrong), memoryCode('EXPORT_NOT_FOUND'), JSON.stringify(wrong))
    }
    await assert.rejects(at.memory.download(`export_${'0'.repeat(32)}`, query), memoryCode('EXPORT_NOT_FOUND'))
    at.clock.advance(DAY)
    await assert.rejects(at.memory.download(id, query), memoryCode('EXPORT_NOT_FOUND'))

    const again = await exported(at, access)
    await at.memory.deleteSession(access)
    await assert.rejects(downloaded(at, again.download_url), memoryCode('EXPORT_NOT_FOUND'))
    assert.deepEqual(await collected(at.store.keys(pieces, { prefix: again.export_id })), [])
    assert.deepEqual(await collected(at.store.keys(exports, { prefix: again.export_id })), [])
  })

  test('that a restart interrupts is written anew, and links stay in force', async (t) => {
    const directory = await temporaryFolder(t)
    const clock = new TestClock()
    const first = await remembering(t, { directory, clock })
    const access = await newSession(first)
    await converse(first, access, ['Before the restart.', 'Noted.'])
    const done = await exported(first, access)
    const ordered = await first.memory.export(access, { format: 'markdown' })
    await first.close()
    const second = await remembering(t, { directory, clock })
    assert.match(await downloaded(second, done.download_url), /Before the restart/)
    let status = await second.memory.exportStatus(access, ordered.export_id)
    while (status.status === 'processing') {
      await new Promise((resolve) => setImmediate(resolve))
      status = await second.memory.exportStatus(access, ordered.export_id)
    }
    assert.equal(status.status, 'completed')
    assert.match(await downloaded(second, ordered.download_url), /^# Session sess_/)
  })

  test('fails honestly where there is no room for it, and leaves nothing behind', async (t) => {
    const at = await remembering(t, { limits: { exportBytes: 100_000 } })
    const access = await newSession(at)
    await converse(at, access, ['Long', 'x'.repeat(200_000)])
    const status = await exported(at, access)
    assert.equal(status.status, 'failed')
    assert.equal(status.size, null)
    assert.deepEqual(await collected(at.store.keys(pieces)), [])
    await assert.rejects(downloaded(at, status.download_url), memoryCode('EXPORT_NOT_FOUND'))
  })

  test('is refused when the session has as many as it may, and for times that are none', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    for (const time_range of [{ start: 'soon' }, { start: '2026-02-01T00:00:00Z', end: '2026-01-01T00:00:00Z' }]) {
      await assert.rejects(at.memory.export(access, { time_range }), memoryCode('INVALID_REQUEST'))
    }
    for (let count = 0; count < 8; count++) await exported(at, access)
    await assert.rejects(at.memory.export(access, {}), memoryCode('STORAGE_QUOTA_EXCEEDED'))
  })
})

describe('an import', () => {
  test('of an export gives the same session: exported again, it is equal but for its ids', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, {
      user_preferences: { memory_retention_days: 90, auto_summarize: true },
      initial_context: 'A plan.',
    })
    const { conversation_id } = await converse(at, access, ['Which tea?', 'Green tea is best in the morning.', 'Why?'])
    at.clock.advance(1000)
    await at.memory.complete(access, conversation_id, signal)
    at.clock.advance(1000)
    await converse(at, access, ['Another one.'])
    await at.memory.updateAgentState(access, 'beatrice', { state_updates: { a: { b: 1 } } }, undefined)
    const text = await downloaded(at, (await exported(at, access)).download_url)
    at.clock.advance(DAY)

    const imported = await at.memory.import(JSON.parse(text))
    assert.notEqual(imported.session_id, access.sessionId)
    assert.deepEqual([imported.conversations, imported.turns, imported.status], [2, 4, 'active'])
    const copy = await at.memory.authorize(imported.token)
    const again = await downloaded(at, (await exported(at, copy)).download_url)
    assert.deepEqual(comparable(again), comparable(text))
    const { total_turns, conversation_count, created_at } = at.memory.session(copy)
    assert.deepEqual([total_turns, conversation_count], [4, 2])
    assert.equal(created_at, at.memory.session(access).created_at)
    // It goes on where it ended.
    const [open] = (await at.memory.conversations(copy, {})).conversations
    const [turn] = await at.memory.addTurns(copy, open!.conversation_id, [{ agent: 'user', content: 'More.' }])
    assert.equal(turn?.turn_number, 2)
  })

  test('keeps numbers where turns before them are gone, and an archived session archived', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    await converse(at, access, ['One.', 'Two.'])
    at.clock.advance(DAY)
    const { conversations } = await at.memory.conversations(access, {})
    await at.memory.addTurns(access, conversations[0]!.conversation_id, [{ agent: 'user', content: 'Three.' }])
    await at.memory.archive(access)
    const start = new Date(at.clock.now()).toISOString()
    const text = await downloaded(at, (await exported(at, access, { time_range: { start } })).download_url)
    const imported = await at.memory.import(JSON.parse(text))
    assert.equal(imported.status, 'archived')
    const copy = await at.memory.authorize(imported.token)
    assert.deepEqual(comparable(await downloaded(at, (await exported(at, copy)).download_url)), comparable(text))
  })

  test('is kept no longer than its preferences say, whatever the file says of its age', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, { user_preferences: { memory_retention_days: 10 } })
    await converse(at, access, ['Old.'])
    const file = JSON.parse(await downloaded(at, (await exported(at, access)).download_url)) as SessionFile
    at.clock.advance(20 * DAY)
    const now = new Date(at.clock.now()).toISOString()
    file.session.created_at = now
    file.conversations[0]!.created_at = now
    const imported = await at.memory.import(file)
    const copy = await at.memory.authorize(imported.token)
    assert.equal(at.memory.session(copy).total_turns, 1)
    await at.chores.deleteOld()
    assert.equal(at.memory.session(copy).total_turns, 0)
  })

  test('is refused whole for whatever is wrong in a file', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    await converse(at, access, ['One.', 'Two.'])
    await at.memory.updateAgentState(access, 'beatrice', { state_updates: { a: 1 } }, undefined)
    const text = await downloaded(at, (await exported(at, access)).download_url)
    const wrong: Readonly<Record<string, (file: SessionFile) => unknown>> = {
      'another format': (file) => Object.assign(file, { format: 'cytoplex-session/2' }),
      'no session': (file) => Reflect.deleteProperty(file, 'session'),
      'a time that is none': (file) => Object.assign(file.session, { created_at: 'yesterday' }),
      'a time to come': (file) => Object.assign(file.session, { created_at: '2999-01-01T00:00:00Z' }),
      'a number twice': (file) => Object.assign(file.conversations[0]!.turns[1]!, { turn_number: 1 }),
      'a number of another kind': (file) => Object.assign(file.conversations[0]!.turns[1]!, { turn_number: 1.5 }),
      'turns against the clock': (file) =>
        Object.assign(file.conversations[0]!.turns[1]!, { timestamp: '1999-01-01T00:00:00Z' }),
      'a turn that is too long': (file) =>
        Object.assign(file.conversations[0]!.turns[1]!, { content: 'x'.repeat(262_145) }),
      'an agent of another form': (file) => Object.assign(file.conversations[0]!.turns[1]!, { agent: 'Über' }),
      'metadata that is too large': (file) =>
        Object.assign(file.conversations[0]!.turns[1]!, { metadata: { x: 'x'.repeat(16_385) } }),
      'an agent twice': (file) => file.agent_states.push(file.agent_states[0]!),
      'a conversation without turns': (file) => Object.assign(file.conversations[0]!, { turns: [] }),
      'preferences out of bounds': (file) => Object.assign(file.session.user_preferences, { memory_retention_days: 0 }),
    }
    for (const [name, change] of Object.entries(wrong)) {
      const file = JSON.parse(text) as SessionFile
      change(file)
      await assert.rejects(at.memory.import(file), memoryCode('INVALID_REQUEST'), name)
    }
    for (const value of [null, [], 'text', {}])
      await assert.rejects(at.memory.import(value), memoryCode('INVALID_REQUEST'))
    assert.equal(at.memory.usage.sessions, 1)
  })

  test('leaves nothing behind when the session would be larger than it may', async (t) => {
    const at = await remembering(t, { limits: { sessionBytes: 500_000 } })
    const access = await newSession(at)
    await converse(at, access, ['Long', 'x'.repeat(200_000)])
    const file = JSON.parse(await downloaded(at, (await exported(at, access)).download_url)) as SessionFile
    const [one] = file.conversations
    const before = at.memory.usage
    await assert.rejects(
      at.memory.import({ ...file, conversations: [one, one, one] }),
      memoryCode('STORAGE_QUOTA_EXCEEDED'),
    )
    assert.deepEqual(at.memory.usage, before)
    assert.equal((await collected(at.store.keys(textKeyspace(KEYSPACES.turns)))).length, 2)
    assert.equal((await collected(at.store.keys(textKeyspace(KEYSPACES.sessionKeys)))).length, 1)
  })
})
