import type { ExportRecord } from '../../domain/memory/export-formats.ts'
import type { ExportOrder } from '../../domain/memory/export-store.ts'
import type { MemoryBooks } from '../../domain/memory/memory-books.ts'
import type { OpenSession } from '../../domain/memory/open-session.ts'
import { conversationStatus } from './conversation-status.ts'

/** Records that are opened before others get a turn. */
const PER_TURN = 64

/**
 * What is exported of a session, as it is when this is called: turns that come later are left out. Conversations without a turn in the range are left
 * out, too. Throws when the session is deleted meanwhile.
 */
export async function* exportRecords(
  books: MemoryBooks,
  sessionId: string,
  { include_metadata, include_agent_states, start, end }: ExportOrder,
): AsyncGenerator<ExportRecord> {
  const session = books.sessions.open(sessionId)
  const { record } = session
  const isIn = (at: number): boolean => at >= (start ?? at) && at <= (end ?? at)
  yield {
    record: 'session',
    value: {
      session_id: sessionId,
      created_at: iso(record.created_at),
      status: record.status === 'archived' ? 'archived' : 'active',
      user_preferences: session.preferences,
    },
  }
  for await (const { summary, topics, trigger, at } of books.summaries.list(session)) {
    if (!isIn(at)) continue
    yield { record: 'summary', value: { summary, key_topics: [...topics], trigger, created_at: iso(at) } }
  }
  if (include_agent_states) {
    for await (const [agent, { state, at }] of books.agents.list(session)) {
      yield { record: 'agent_state', value: { agent, state: { ...state }, last_updated: iso(at) } }
    }
  }
  for await (const record of conversationRecords(books, session, include_metadata, isIn)) yield record
}

async function* conversationRecords(
  { conversations }: MemoryBooks,
  session: OpenSession,
  withMetadata: boolean,
  isIn: (at: number) => boolean,
): AsyncGenerator<ExportRecord> {
  let opened = 0
  for await (const { id, record } of conversations.list(session, { newestFirst: false })) {
    let isBegun = false
    for await (const { number, agent, content, at, metadata } of conversations.turns(session, id)) {
      if (number > record.last) break
      if (++opened % PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
      if (!isIn(at)) continue
      if (!isBegun) {
        const outcome = conversations.outcome(session, { id, record })
        const { created_at, completed_at } = record
        isBegun = true
        yield {
          record: 'conversation',
          value: {
            conversation_id: id,
            created_at: iso(created_at),
            status: conversationStatus(session.record, record),
            completed_at: completed_at === null ? null : iso(completed_at),
            summary: outcome?.summary ?? null,
            key_topics: [...(outcome?.topics ?? [])],
          },
        }
      }
      const more = withMetadata ? { metadata: { ...metadata } } : {}
      yield { record: 'turn', value: { turn_number: number, agent, content, timestamp: iso(at), ...more } }
    }
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()
