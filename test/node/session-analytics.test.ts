import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converse, newSession, remembering } from '../support/remembering.ts'

const signal = new AbortController().signal

describe('analytics of a session', () => {
  test('measure what there is, and say null of what nobody measured', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    assert.deepEqual((await at.memory.analytics(access)).analytics, {
      memory_usage: {
        total_conversations: 0,
        total_turns: 0,
        storage_size_mb: at.books.sessions.bytes / 1_000_000,
        oldest_conversation: null,
      },
      interaction_patterns: {
        average_conversation_length: null,
        most_active_agent: null,
        preferred_topics: [],
        response_satisfaction: null,
      },
      context_effectiveness: { context_utilization_rate: null, relevance_accuracy: null, context_hit_rate: null },
    })
  })

  test('count turns, agents, searches and chats', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    const began = at.clock.now()
    // A search for context that finds nothing, as there is nothing yet.
    await converse(at, access, ['One.', 'Answer.', 'Two.', 'Answer.', 'Three.', 'Answer.'])
    at.clock.advance(1000)
    const started = await at.memory.startConversation(
      access,
      { session_id: access.sessionId, directive: 'More?', use_context: false },
      signal,
    )
    await at.memory.updateSummary(access, { summary: 'Numbers.', key_topics: ['numbers'] })
    await at.memory.addTurns(access, started.conversation_id, [{ agent: 'codey', content: 'Yes.' }])
    await at.memory.search(access, { query: 'anything' }, signal)
    at.memory.countCompletion(access, true)
    at.memory.countCompletion(access, true)
    at.memory.countCompletion(access, false)
    at.memory.countCompletion(access, true)
    const { memory_usage, interaction_patterns, context_effectiveness } = (await at.memory.analytics(access)).analytics
    assert.deepEqual(memory_usage, {
      total_conversations: 2,
      total_turns: 8,
      storage_size_mb: at.books.sessions.bytes / 1_000_000,
      oldest_conversation: new Date(began).toISOString(),
    })
    assert.deepEqual(interaction_patterns, {
      average_conversation_length: 4,
      most_active_agent: 'user',
      preferred_topics: ['numbers'],
      response_satisfaction: null,
    })
    assert.equal(context_effectiveness.context_utilization_rate, 0.75)
    assert.equal(context_effectiveness.context_hit_rate, 0)
  })

  test('outlive a restart', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    at.memory.countCompletion(access, true)
    await at.chores.stop()
    assert.equal(at.books.sessions.open(access.sessionId).record.completions_with_context, 1)
  })
})

describe('what a session is about', () => {
  test('is summed up when a conversation completes, and a summary of a client holds until then', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    const context = async (): Promise<string> => (await at.memory.context(access, signal)).context_summary
    const first = await converse(at, access, ['Plan a garden with roses.', 'Roses need sun.'])
    await at.memory.complete(access, first.conversation_id, signal)
    assert.match(await context(), /roses/i)
    await at.memory.updateSummary(access, { summary: 'Gardens.' })
    assert.equal(await context(), 'Gardens.')
    const second = await converse(at, access, ['Plan a pond with fish.', 'Fish need shade.'])
    assert.equal(await context(), 'Gardens.')
    await at.memory.complete(access, second.conversation_id, signal)
    assert.match(await context(), /fish/i)
    const kept = await collectSummaries(at, access.sessionId)
    assert.equal(kept.length, 3)
    assert.equal(kept[1], 'Gardens.')
  })

  test('is kept as it was, fifty times', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at)
    for (let count = 1; count <= 60; count++) await at.memory.updateSummary(access, { summary: `Number ${count}.` })
    const kept = await collectSummaries(at, access.sessionId)
    assert.deepEqual([kept.length, kept[0], kept.at(-1)], [50, 'Number 11.', 'Number 60.'])
  })

  test('is not summed up for who does not want it', async (t) => {
    const at = await remembering(t)
    const access = await newSession(at, { user_preferences: { auto_summarize: false } })
    const { conversation_id } = await converse(at, access, ['Plan a garden.', 'Yes.'])
    assert.equal((await at.memory.complete(access, conversation_id, signal)).summary, null)
    assert.deepEqual(await collectSummaries(at, access.sessionId), [])
  })
})

async function collectSummaries({ books }: Awaited<ReturnType<typeof remembering>>, id: string): Promise<string[]> {
  const found: string[] = []
  for await (const { summary } of books.summaries.list(books.sessions.open(id))) found.push(summary)
  return found
}
