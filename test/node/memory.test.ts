import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemoryPermission } from '../../protocol/memory.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import { accessTo, PERMISSIONS, signal, type TestMemory, testMemory, withCode } from '../support/memory.ts'

async function session({ memory }: Pick<TestMemory, 'memory'>) {
  const { session_id, token } = await memory.createSession({})
  return { session_id, token, access: accessTo(session_id) }
}

async function conversation(at: Pick<TestMemory, 'memory'>, directive = 'the directive') {
  const { session_id, access } = await session(at)
  const { conversation_id } = await at.memory.startConversation(access, { session_id, directive }, signal)
  return { session_id, access, conversation_id }
}

const says = (content: string) => ({ agent: 'beatrice', content })

test('a session begins with the usual preferences, and changes those that are named', async (t) => {
  const { memory, clock } = await testMemory(t)
  const created = await memory.createSession({ user_preferences: { context_depth: 3 } })
  const access = accessTo(created.session_id)
  assert.deepEqual(memory.session(access).user_preferences, {
    memory_retention_days: 30,
    context_depth: 3,
    auto_summarize: true,
  })
  clock.advance(1000)
  const { updated_preferences } = await memory.updatePreferences(access, { auto_summarize: false })
  assert.deepEqual(updated_preferences, { memory_retention_days: 30, context_depth: 3, auto_summarize: false })
  const { user_preferences, created_at, last_active } = memory.session(access)
  assert.deepEqual(user_preferences, updated_preferences)
  assert.equal(Date.parse(last_active) - Date.parse(created_at), 1000)
})

test('concurrent writers get every number once, without gaps, and several turns of one stay together', async (t) => {
  const at = await testMemory(t)
  const { access, conversation_id } = await conversation(at)
  const single = Array.from({ length: 60 }, (_, i) => [says(`single ${i}`)])
  const triple = Array.from({ length: 20 }, (_, i) => [says(`a ${i}`), says(`b ${i}`), says(`c ${i}`)])
  const batches = await Promise.all(
    [...single, ...triple].map((turns) => at.memory.addTurns(access, conversation_id, turns)),
  )
  const numbers = batches.flat().map(({ turn_number }) => turn_number)
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: 120 }, (_, i) => i + 2),
  )
  for (const batch of batches) assert.equal(batch.at(-1)!.turn_number - batch[0]!.turn_number, batch.length - 1)

  const told = [...at.recall.texts.values()].flat()
  assert.equal(told.length, 121)
  const pages: number[] = []
  for (let after: number | null = 0; after !== null; ) {
    const { turns, next, total_turns } = await at.memory.conversation(access, conversation_id, { after, limit: 50 })
    assert.equal(total_turns, 121)
    pages.push(...turns.map(({ turn_number }) => turn_number))
    for (const { turn_id, turn_number } of turns) assert.equal(turn_id, `turn_${String(turn_number).padStart(3, '0')}`)
    after = next
  }
  assert.deepEqual(
    pages,
    Array.from({ length: 121 }, (_, i) => i + 1),
  )
  const { total_turns, conversation_count } = at.memory.session(access)
  assert.deepEqual([total_turns, conversation_count], [121, 1])
})

test('turns are stored all or not at all', async (t) => {
  const at = await testMemory(t, { limits: { sessionBytes: 6000 } })
  const { access, conversation_id } = await conversation(at)
  const turns = [says('small'), says('x'.repeat(6000))]
  await assert.rejects(at.memory.addTurns(access, conversation_id, turns), withCode('STORAGE_QUOTA_EXCEEDED'))
  const metadata = { large: 'x'.repeat(20_000) }
  const heavy = [says('small'), { ...says('heavy'), metadata }]
  await assert.rejects(at.memory.addTurns(access, conversation_id, heavy), withCode('INVALID_REQUEST'))
  assert.equal((await at.memory.conversation(access, conversation_id, {})).turns.length, 1)
  const [added] = await at.memory.addTurns(access, conversation_id, [says('small')])
  assert.equal(added?.turn_number, 2)
})

test('an archived session is read only, whoever came in between; archiving twice is archiving once', async (t) => {
  const at = await testMemory(t)
  const { access, session_id, conversation_id } = await conversation(at)
  const writes = Array.from({ length: 20 }, (_, i) => at.memory.addTurns(access, conversation_id, [says(`${i}`)]))
  const archiving = at.memory.archive(access)
  const late = Array.from({ length: 20 }, (_, i) => at.memory.addTurns(access, conversation_id, [says(`late ${i}`)]))
  const results = await Promise.allSettled([...writes, ...late])
  const stored = results.filter(({ status }) => status === 'fulfilled').length
  const archived = await archiving
  assert.equal(archived.conversations_archived, 1)
  for (const result of results) {
    if (result.status === 'rejected') withCode('SESSION_ARCHIVED')(result.reason)
  }
  const { turns, status } = await at.memory.conversation(access, conversation_id, {})
  assert.equal(turns.length, stored + 1)
  assert.equal(status, 'archived')
  at.clock.advance(1000)
  assert.deepEqual(await at.memory.archive(access), archived)
  const refused = [
    at.memory.addTurns(access, conversation_id, [says('more')]),
    at.memory.startConversation(access, { session_id, directive: 'more' }, signal),
    at.memory.complete(access, conversation_id, signal),
    at.memory.updatePreferences(access, { context_depth: 1 }),
    at.memory.updateSummary(access, { summary: 'more' }),
    at.memory.updateAgentState(access, 'beatrice', { state_updates: { a: 1 } }, undefined),
  ]
  for (const promise of refused) await assert.rejects(promise, withCode('SESSION_ARCHIVED'))
})

test('what bears on a directive comes with the new conversation, by its summary once it has one', async (t) => {
  const at = await testMemory(t)
  const { access, session_id, conversation_id } = await conversation(at, 'write a recursive function')
  const start = (directive: string, more: object = {}) =>
    at.memory.startConversation(access, { session_id, directive, ...more }, signal)
  const [found] = (await start('another recursive function')).relevant_context
  assert.deepEqual(found, {
    conversation_id,
    relevance_score: 2 / 3,
    summary: 'write a recursive function',
  })
  await at.memory.complete(access, conversation_id, signal)
  const again = await start('one more recursive function')
  const summaries = again.relevant_context.map(({ summary }) => summary)
  assert.ok(summaries.includes('About write a recursive function'))
  assert.deepEqual((await start('recursive', { context_depth: 1 })).relevant_context.length, 1)
  assert.deepEqual((await start('recursive', { use_context: false })).relevant_context, [])
  const { lookups, hits } = at.books.sessions.find(session_id)!
  assert.deepEqual([lookups, hits], [4, 3])
})

test('a conversation that cannot be given its context is not started', async (t) => {
  const failing = { search: () => Promise.reject(new Error('no index')), added() {}, removed() {}, forget() {} }
  const at = await testMemory(t, { recall: failing })
  const { access, session_id } = await conversation(at)
  await assert.rejects(at.memory.startConversation(access, { session_id, directive: 'second' }, signal), /no index/)
  assert.equal(at.memory.session(access).conversation_count, 1)
})

test('a conversation is completed once, with a summary of all its turns', async (t) => {
  let summarised = 0
  let release = (): void => undefined
  const at = await testMemory(t, {
    summarize: async (texts) => {
      if (++summarised === 1) await new Promise<void>((resolve) => (release = resolve))
      return { summary: `${texts.length} texts`, topics: ['a'] }
    },
  })
  const { access, conversation_id } = await conversation(at)
  const completing = at.memory.complete(access, conversation_id, signal)
  await at.memory.addTurns(access, conversation_id, [says('meanwhile')])
  release()
  const completed = await completing
  assert.equal(completed.summary, '2 texts')
  assert.equal(completed.total_turns, 2)
  at.clock.advance(1000)
  assert.deepEqual(await at.memory.complete(access, conversation_id, signal), completed)
  assert.equal(summarised, 2)
  await assert.rejects(at.memory.addTurns(access, conversation_id, [says('late')]), withCode('CONFLICT'))
  const { status, summary } = await at.memory.conversation(access, conversation_id, {})
  assert.deepEqual([status, summary], ['completed', '2 texts'])
})

test('a session that wants no summaries gets none, and a failing summary leaves the conversation open', async (t) => {
  const at = await testMemory(t, { summarize: () => Promise.reject(new Error('no words')) })
  const { access, conversation_id } = await conversation(at)
  await assert.rejects(at.memory.complete(access, conversation_id, signal), /no words/)
  assert.equal((await at.memory.conversation(access, conversation_id, {})).status, 'active')
  await at.memory.updatePreferences(access, { auto_summarize: false })
  assert.equal((await at.memory.complete(access, conversation_id, signal)).summary, null)
})

test("another session's ids are unknown, in the words for ids that nobody has", async (t) => {
  const at = await testMemory(t)
  const other = await conversation(at)
  const { access, session_id } = await conversation(at)
  const words = new Set<string>()
  for (const id of [other.conversation_id, `conv_${'0'.repeat(32)}`]) {
    for (const call of [
      () => at.memory.conversation(access, id, {}),
      () => at.memory.addTurns(access, id, [says('x')]),
      () => at.memory.complete(access, id, signal),
      () => at.memory.search(access, { query: 'x', conversation_id: id }, signal),
    ]) {
      await assert.rejects(call, (error: Error) => {
        words.add(error.message)
        return withCode('CONVERSATION_NOT_FOUND')(error)
      })
    }
  }
  assert.equal(words.size, 1)
  const start = { session_id: other.session_id, directive: 'x' }
  await assert.rejects(at.memory.startConversation(access, start, signal), withCode('SESSION_NOT_FOUND'))
  assert.equal(at.memory.session(access).session_id, session_id)
})

test('conversations are listed newest first, page by page', async (t) => {
  const at = await testMemory(t)
  const { access, session_id } = await session(at)
  const directives = Array.from({ length: 30 }, (_, i) => `directive ${i}`)
  for (const directive of directives) await at.memory.startConversation(access, { session_id, directive }, signal)
  const listed: string[] = []
  for (let offset = 0; offset < 40; offset += 10) {
    const { total, conversations } = await at.memory.conversations(access, { limit: 10, offset })
    assert.equal(total, 30)
    listed.push(...conversations.map(({ directive }) => directive))
  }
  assert.deepEqual(listed, directives.toReversed())
})

test('the context of a session has its newest summary, its agents and its newest conversations', async (t) => {
  const at = await testMemory(t)
  const { session_id } = await at.memory.createSession({ initial_context: 'the beginning' })
  const access = accessTo(session_id)
  assert.equal((await at.memory.context(access, signal)).context_summary, 'the beginning')
  const before = await at.memory.startConversation(access, { session_id, directive: 'sort numbers' }, signal)
  await at.memory.startConversation(access, { session_id, directive: 'sort words' }, signal)
  await at.memory.updateAgentState(access, '__proto__', { state_updates: { style: 'clean' } }, undefined)
  const summary = { summary: 'all about sorting', key_topics: ['sorting'] }
  assert.equal((await at.memory.updateSummary(access, summary)).previous_summary_archived, true)
  const context = await at.memory.context(access, signal)
  assert.equal(context.context_summary, 'all about sorting')
  assert.deepEqual(context.key_topics, ['sorting'])
  assert.deepEqual(Object.entries(context.agent_states), [['__proto__', { style: 'clean' }]])
  const recent = context.recent_conversations.map(({ directive, relevance_score }) => [directive, relevance_score])
  assert.deepEqual(recent, [
    ['sort words', 1],
    ['sort numbers', 0.5],
  ])
  assert.equal(context.recent_conversations[1]?.conversation_id, before.conversation_id)
  const kept: string[] = []
  for await (const { summary: text } of at.books.summaries.list(at.books.sessions.open(session_id))) kept.push(text)
  assert.deepEqual(kept, ['the beginning', 'all about sorting'])
})

test('updates of a state with the tag that it had are made once; without one, all of them', async (t) => {
  const at = await testMemory(t)
  const { access } = await session(at)
  const update = (name: string, ifMatch?: string) =>
    at.memory.updateAgentState(access, 'codey', { state_updates: { [name]: 1 } }, ifMatch)
  const { etag, answer } = at.memory.agentState(access, 'codey')
  assert.deepEqual([answer.state, answer.last_updated], [{}, null])
  await assert.rejects(update('a', '*'), withCode('PRECONDITION_FAILED'))
  const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => update(name, etag)))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  )
  await assert.rejects(update('b', etag), withCode('PRECONDITION_FAILED'))
  await Promise.all(['d', 'e', 'f'].map((name) => update(name)))
  const now = at.memory.agentState(access, 'codey')
  assert.deepEqual(Object.keys(now.answer.state), ['a', 'd', 'e', 'f'])
  await update('g', `"0", ${now.etag}`)
  await assert.rejects(update('h', `W/${now.etag}`), withCode('PRECONDITION_FAILED'))
})

test('a state has a size, and a session a number of agents', async (t) => {
  const at = await testMemory(t)
  const { access } = await session(at)
  const large = { state_updates: { text: 'x'.repeat(70_000) } }
  await assert.rejects(at.memory.updateAgentState(access, 'a', large, undefined), withCode('STORAGE_QUOTA_EXCEEDED'))
  const small = { state_updates: { a: 1 } }
  for (let i = 0; i < 64; i++) await at.memory.updateAgentState(access, `agent-${i}`, small, undefined)
  await at.memory.updateAgentState(access, 'agent-0', { state_updates: { b: 1 } }, undefined)
  await assert.rejects(at.memory.updateAgentState(access, 'a', small, undefined), withCode('STORAGE_QUOTA_EXCEEDED'))
})

test('a token opens its session until it ends; another has the permissions of the first at most', async (t) => {
  const { memory, clock } = await testMemory(t)
  const { session_id, token } = await memory.createSession({ permissions: ['read', 'write'] })
  const access = await memory.authorize(token)
  assert.equal(access.sessionId, session_id)
  assert.deepEqual([...access.permissions], ['read', 'write'])
  clock.advance(100 * 60_000)
  const refreshed = await memory.refreshToken(access, { permissions: ['read'] })
  await assert.rejects(memory.refreshToken(access, { permissions: ['memory'] }), withCode('PERMISSION_DENIED'))
  clock.advance(20 * 60_000)
  await assert.rejects(memory.authorize(token), withCode('SESSION_EXPIRED'))
  const later = await memory.authorize(refreshed.session_token)
  assert.deepEqual([...later.permissions], ['read'])
  assert.equal(new Date(later.expiresAt).toISOString(), refreshed.expires_at)
  await memory.deleteSession(later)
  await assert.rejects(memory.authorize(refreshed.session_token), withCode('INVALID_SESSION_TOKEN'))
})

test('a forged token, one of another node or of another kind, and one without a signature open nothing', async (t) => {
  const [at, other] = [await testMemory(t), await testMemory(t)]
  const { token } = await at.memory.createSession({})
  const parts = token.split('.') as [string, string, string]
  const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const [header, claims] = [decode(parts[0]), decode(parts[1])]
  const permissions: readonly MemoryPermission[] = PERMISSIONS
  const tokens = [
    `${encode({ ...header, alg: 'none' })}.${parts[1]}.`,
    `${encode({ ...header, alg: 'none' })}.${parts[1]}.${parts[2]}`,
    `${encode({ ...header, alg: 'HS256' })}.${parts[1]}.${parts[2]}`,
    `${parts[0]}.${encode({ ...claims, exp: claims.exp + 1 })}.${parts[2]}`,
    `${parts[0]}.${parts[1]}.${'A'.repeat(86)}`,
    (await other.memory.createSession({})).token,
    (await other.books.tokens.issue(claims.sub, permissions)).token,
    'eyJhbGciOiJub25lIn0.e30.',
    '',
  ]
  for (const forged of tokens)
    await assert.rejects(at.memory.authorize(forged), withCode('INVALID_SESSION_TOKEN'), forged)
  assert.equal((await at.memory.authorize(token)).sessionId, claims.sub)
})

test('metrics tell how many sessions there are and what they take', async (t) => {
  const at = await testMemory(t)
  const metrics = createMetrics()
  at.memory.measure(metrics)
  await conversation(at)
  const { bytes } = at.memory.usage
  const body = await metrics.text()
  assert.match(body, /^cytoplex_sessions 1$/m)
  assert.ok(bytes > 0 && body.includes(`cytoplex_sessions_bytes ${bytes}\n`))
})

test('the texts of a session come in order, and vectors of texts that are gone are dropped', async (t) => {
  const at = await testMemory(t)
  const { access, session_id, conversation_id } = await conversation(at, 'one')
  await at.memory.addTurns(access, conversation_id, [says('two')])
  await at.memory.complete(access, conversation_id, signal)
  const second = await at.memory.startConversation(access, { session_id, directive: 'three' }, signal)
  const texts: string[] = []
  const keys: string[] = []
  for await (const { key, text } of at.books.texts.texts(session_id)) {
    texts.push(text)
    keys.push(key)
    assert.equal(at.books.texts.text(session_id, key)?.text, text)
  }
  assert.deepEqual(texts, ['one', 'two', 'About one', 'three'])
  assert.deepEqual(keys.slice(1, 3), [`${conversation_id}!2`, `${conversation_id}!summary`])

  const vector = new Float32Array([0.5, -1, 2])
  const made = new Map(
    [...keys, `${conversation_id}!9`, `conv_${'0'.repeat(32)}!1`].map((key) => [key, vector] as const),
  )
  await at.books.texts.keepVectors(session_id, 'a', made)
  const vectorsOf = async (model: string) => {
    const found = new Map<string, Float32Array>()
    for await (const [key, value] of at.books.texts.vectors(session_id, model)) found.set(key, value)
    return found
  }
  const kept = await vectorsOf('a')
  assert.deepEqual([...kept.keys()].toSorted(), keys.toSorted())
  assert.deepEqual(kept.get(keys[0]!), vector)
  assert.equal((await vectorsOf('b')).size, 0)
  await at.books.conversations.remove(session_id, conversation_id)
  assert.deepEqual([...(await vectorsOf('a')).keys()], [`${second.conversation_id}!1`])
  assert.equal(at.books.texts.text(session_id, keys[0]!), undefined)
  await at.memory.deleteSession(access)
  await at.books.texts.keepVectors(session_id, 'a', made)
})
