import { MEMORY_LIMITS } from '../../../protocol/memory.ts'
import { textOfOutcome } from '../../domain/memory/kept-texts.ts'
import type { MemoryBooks } from '../../domain/memory/memory-books.ts'
import type { MemoryText, Summarize } from '../../domain/memory/recall.ts'
import { SUMMED_UP } from '../../domain/memory/session-summaries.ts'
import type { Clock } from '../../kernel/base/clock.ts'

/** Conversations, the newest of them, that a session is summed up from: what was said long ago is no longer what it is about. */
const SUMMED_CONVERSATIONS = 32

export interface SumUpParts {
  readonly books: MemoryBooks
  readonly summarize: Summarize
  readonly clock: Clock
}

/**
 * Says anew what a session is about, from the summaries of its newest conversations. Where none of them has one, nothing changes. Summaries before it
 * are kept.
 */
export async function sumUpSession(
  { books, summarize, clock }: SumUpParts,
  sessionId: string,
  signal: AbortSignal,
): Promise<void> {
  const session = books.sessions.open(sessionId)
  const texts: MemoryText[] = []
  for await (const conversation of books.conversations.list(session, { limit: SUMMED_CONVERSATIONS })) {
    const outcome = books.conversations.outcome(session, conversation)
    if (outcome !== null && outcome.summary !== '') texts.push(textOfOutcome(conversation, outcome))
  }
  if (texts.length === 0) return
  const { summary, topics } = await summarize(texts.reverse(), signal)
  if (summary === '') return
  await books.sessions.change(
    sessionId,
    (change) =>
      books.summaries.put(change, {
        summary: summary.slice(0, MEMORY_LIMITS.summary).toWellFormed(),
        topics: topics.slice(0, MEMORY_LIMITS.topics),
        at: clock.now(),
        trigger: SUMMED_UP,
      }),
    { archived: true, touches: false },
  )
}
