import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pino } from 'pino'
import {
  agentStates,
  conversations,
  sessionKeys,
  sessions,
  summaries,
  turns,
  vectors,
} from '../../src/domain/memory/session-records.ts'
import { summarizeByExtraction } from '../../src/domain/memory/summarize.ts'
import { Retention } from '../../src/node/flows/keep-retention.ts'
import { collected, TestClock } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { converse, downloaded, exported, newSession, remembering } from '../support/remembering.ts'

const DAY = 24 * 60 * 60 * 1000
const signal = new AbortController().signal

describe('what is older than a session keeps', () => {
  test('is deleted: turns, vectors, summaries and exports; what is younger stays', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, { user_preferences: { memory_retention_days: 10 } })
    const { sessionId } = access
    const old = await converse(at, access, ['Old talk about tea.', 'Tea it is.'])
    await at.memory.complete(access, old.conversation_id, signal)
    await at.books.texts.keepVectors(
      sessionId,
      'model',
      new Map([[`${old.conversation_id}!1`, new Float32Array([1, 2])]]),
    )
    at.clock.advance(9 * DAY)
    const young = await converse(at, access, ['Young talk about coffee.', 'Coffee it is.'])
    await at.memory.complete(access, young.conversation_id, signal)
    await at.books.texts.keepVectors(
      sessionId,
      'model',
      new Map([[`${young.conversation_id}!1`, new Float32Array([3])]]),
    )
    const holdsBoth = await exported(at, access)
    const start = new Date(at.clock.now()).toISOString()
    const holdsYoung = await exported(at, access, { time_range: { start } })
    await at.chores.deleteOld()
    assert.equal(at.memory.session(access).total_turns, 4, 'nothing is old yet')

    at.clock.advance(DAY)
    // Exports live a day; these were ordered at the end of it.
    await assert.rejects(downloaded(at, holdsYoung.download_url))
    const before = await exported(at, access)
    at.clock.advance(1000)
    await at.chores.deleteOld()
    await assert.rejects(at.memory.conversation(access, old.conversation_id, {}), /no such conversation/)
    assert.deepEqual([...at.removed], [old.conversation_id])
    const details = at.memory.session(access)
    assert.deepEqual([details.conversation_count, details.total_turns], [1, 2])
    for (const space of [turns, vectors, conversations]) {
      for (const key of await collected(at.store.keys(space))) assert.ok(key.includes(young.conversation_id), key)
    }
    assert.equal((await collected(at.store.keys(vectors))).length, 1)
    const { context_summary } = await at.memory.context(access, signal)
    assert.match(context_summary, /coffee/i)
    const kept = await collected(at.books.summaries.list(at.books.sessions.open(sessionId)))
    assert.ok(
      kept.every(({ summary }) => !/tea/i.test(summary)),
      'no summary says what the old one said',
    )
    await assert.rejects(downloaded(at, before.download_url), /no such export/)
    await assert.rejects(at.memory.exportStatus(access, holdsBoth.export_id), /no such export/)
  })

  test('goes turn by turn from a conversation that goes on, with the summary that told of it', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, { user_preferences: { memory_retention_days: 2 } })
    const { conversation_id: id } = await converse(at, access, ['Monday.', 'Monday again.'])
    at.clock.advance(2 * DAY + 1)
    await at.memory.addTurns(access, id, [{ agent: 'user', content: 'Wednesday.' }])
    await at.memory.complete(access, id, signal)
    const bytes = at.books.sessions.bytes
    await at.chores.deleteOld()
    const conversation = await at.memory.conversation(access, id, {})
    assert.deepEqual(
      conversation.turns.map(({ turn_number, content }) => [turn_number, content]),
      [[3, 'Wednesday.']],
    )
    assert.equal(conversation.summary, null)
    assert.equal(conversation.total_turns, 1)
    assert.equal(at.memory.session(access).total_turns, 1)
    assert.deepEqual([...at.removed].sort(), [`${id}!1`, `${id}!2`, `${id}!summary`])
    assert.ok(at.books.sessions.bytes < bytes)
    assert.deepEqual(await collected(at.store.keys(summaries)), [])
  })

  test('follows a preference that changes, at the next pass', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, { user_preferences: { memory_retention_days: 100 } })
    await converse(at, access, ['One.', 'Two.'])
    at.clock.advance(5 * DAY)
    await at.chores.deleteOld()
    assert.equal(at.memory.session(access).total_turns, 2)
    await at.memory.updatePreferences(access, { memory_retention_days: 4 })
    await at.chores.deleteOld()
    const { conversation_count, total_turns } = at.memory.session(access)
    assert.deepEqual([conversation_count, total_turns], [0, 0])
  })

  test('is deleted at the start, too, and the counts are the same as if it had never been', async (t) => {
    const directory = await temporaryFolder(t)
    const clock = new TestClock()
    const first = await remembering(t, { directory, clock })
    const access = await newSession(first, { user_preferences: { memory_retention_days: 1 } })
    const empty = first.books.sessions.bytes
    await converse(first, access, ['One.', 'Two.'])
    clock.advance(DAY + 1)
    // Whoever renews a token keeps the session.
    await first.memory.refreshToken(access, {})
    await first.close()
    const second = await remembering(t, { directory, clock })
    await second.chores.deleteOld()
    assert.equal(second.memory.session(access).total_turns, 0)
    assert.equal(second.books.sessions.bytes, empty)
  })

  test('is more than one transaction can hold', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, { user_preferences: { memory_retention_days: 1 } })
    const { conversation_id: id } = await converse(at, access, ['First.'])
    const many = Array.from({ length: 450 }, (_, n) => ({ agent: 'user', content: `Turn ${n}.` }))
    await at.memory.addTurns(access, id, many)
    at.clock.advance(DAY + 1)
    await at.memory.addTurns(access, id, [{ agent: 'user', content: 'Last.' }])
    await at.chores.deleteOld()
    assert.deepEqual(
      (await at.memory.conversation(access, id, {})).turns.map(({ turn_number }) => turn_number),
      [452],
    )
  })

  test('takes a session whose tokens have run out with it, and its key', async (t) => {
    const at = await remembering(t, { tokenMinutes: 3 * 24 * 60 })
    const access = await newSession(at, { user_preferences: { memory_retention_days: 1 } })
    await converse(at, access, ['One.'])
    await at.memory.updateAgentState(access, 'beatrice', { state_updates: { a: 1 } }, undefined)
    await exported(at, access)
    at.clock.advance(2 * DAY)
    await at.chores.deleteOld()
    assert.equal(at.memory.session(access).total_turns, 0, 'its token is in force, so the session stays')
    at.clock.advance(DAY + 1)
    await at.chores.deleteOld()
    assert.equal(at.memory.usage.sessions, 0)
    for (const space of [sessions, sessionKeys, conversations, turns, agentStates, summaries, vectors]) {
      assert.deepEqual(await collected(at.store.keys(space)), [], space.prefix)
    }
  })

  test('is deleted in passes, each of which goes on where the one before it ended', async (t) => {
    const at = await remembering(t)
    const ids: string[] = []
    for (let count = 0; count < 3; count++) {
      const access = await newSession(at, { user_preferences: { memory_retention_days: 1 } })
      await converse(at, access, ['One.', 'Two.'])
      await converse(at, access, ['Three.'])
      ids.push(access.sessionId)
    }
    at.clock.advance(DAY + 1)
    const exports = {
      sessions: () => new Set<string>(),
      removeOlder: async () => undefined,
      forget: async () => undefined,
    }
    const recall = { removed: () => undefined, forget: () => undefined }
    const logger = pino({ level: 'silent' })
    const parts = { ...at, exports, recall, logger, summarize: summarizeByExtraction, tokenMs: 2 * DAY }
    const retention = new Retention(parts, 1)
    const left = (): number => ids.reduce((sum, id) => sum + (at.books.sessions.find(id)?.turns ?? 0), 0)
    const seen: number[] = []
    while (await retention.pass(signal)) seen.push(left())
    assert.equal(left(), 0)
    assert.ok(seen.length >= 3, seen.join())
    assert.deepEqual(
      [...seen].sort((a, b) => b - a),
      seen,
      'each pass deletes some',
    )
    assert.equal(new Set(seen).size, seen.length)
  })

  test('leaves what a client said of a session until that is old itself', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, { user_preferences: { memory_retention_days: 10 } })
    await converse(at, access, ['One.'])
    at.clock.advance(8 * DAY)
    await at.memory.updateSummary(access, { summary: 'All about one.', key_topics: ['one'] })
    at.clock.advance(3 * DAY)
    await at.chores.deleteOld()
    assert.equal((await at.memory.context(access, signal)).context_summary, 'All about one.')
    at.clock.advance(8 * DAY)
    await at.memory.refreshToken(access, {})
    await at.chores.deleteOld()
    assert.equal((await at.memory.context(access, signal)).context_summary, '')
  })
})
