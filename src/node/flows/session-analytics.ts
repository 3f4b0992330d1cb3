import type { MemoryAnalytics } from '../../../protocol/memory.ts'
import type { MemoryBooks } from '../../domain/memory/memory-books.ts'
import type { OpenSession } from '../../domain/memory/open-session.ts'

/** Turns, the newest of a session, that say which agent is most active, and UTF-16 code units of them: bounds the time, to some 50 ms. */
const COUNTED_TURNS = 2000
const COUNTED_CHARACTERS = 8 * 1024 * 1024
const BYTES_PER_MB = 1_000_000

/** What is measured of a session: protocol/README.md, "Analytics of a session". What nothing measures is null. */
export async function analyticsOf(books: MemoryBooks, sessionId: string): Promise<MemoryAnalytics> {
  const session = books.sessions.open(sessionId)
  const { conversations, turns, bytes, lookups, hits, completions, completions_with_context } = session.record
  let oldest: number | null = null
  for await (const { record } of books.conversations.list(session, { newestFirst: false })) {
    oldest = Math.min(oldest ?? record.created_at, record.created_at)
  }
  return {
    session_id: sessionId,
    analytics: {
      memory_usage: {
        total_conversations: conversations,
        total_turns: turns,
        storage_size_mb: bytes / BYTES_PER_MB,
        oldest_conversation: oldest === null ? null : new Date(oldest).toISOString(),
      },
      interaction_patterns: {
        average_conversation_length: ratio(turns, conversations),
        most_active_agent: await mostActive(books, session),
        preferred_topics: [...(books.summaries.newest(session)?.topics ?? [])],
        response_satisfaction: null,
      },
      context_effectiveness: {
        context_utilization_rate: ratio(completions_with_context, completions),
        relevance_accuracy: null,
        context_hit_rate: ratio(hits, lookups),
      },
    },
  }
}

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)

/** Who said most of the newest turns; the first by name among equals. */
async function mostActive({ conversations }: MemoryBooks, session: OpenSession): Promise<string | null> {
  const counts = new Map<string, number>()
  let left = COUNTED_TURNS
  let characters = COUNTED_CHARACTERS
  for await (const { id, record } of conversations.list(session)) {
    const after = Math.max(0, record.last - left)
    for await (const { agent, content } of conversations.turns(session, id, { after, limit: left })) {
      counts.set(agent, (counts.get(agent) ?? 0) + 1)
      left--
      characters -= content.length
      if (characters <= 0) break
    }
    if (left <= 0 || characters <= 0) break
  }
  let best: string | null = null
  for (const [agent, count] of counts) {
    const most = best === null ? 0 : counts.get(best)!
    if (count > most || (count === most && best !== null && agent < best)) best = agent
  }
  return best
}
