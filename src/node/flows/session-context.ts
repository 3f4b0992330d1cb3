import {
  type AgentState,
  MEMORY_LIMITS,
  type RelevantConversation,
  type SessionContext,
} from '../../../protocol/memory.ts'
import type { MemoryBooks } from '../../domain/memory/memory-books.ts'
import type { OpenSession } from '../../domain/memory/open-session.ts'
import type { Recall } from '../../domain/memory/recall.ts'

/** UTF-16 code units of a directive that stands for a conversation without a summary. */
const SHOWN = 512

/** What of a session bears on something that is said in it. */
export class RelevantContext {
  readonly #books: Pick<MemoryBooks, 'conversations' | 'agents' | 'summaries'>
  readonly #recall: Pick<Recall, 'search'>

  constructor(books: Pick<MemoryBooks, 'conversations' | 'agents' | 'summaries'>, recall: Pick<Recall, 'search'>) {
    this.#books = books
    this.#recall = recall
  }

  /** Conversations that bear on a text, at most `depth`, best first; each with its summary, or what it began with. */
  async relevant(
    session: OpenSession,
    text: string,
    depth: number,
    signal: AbortSignal,
  ): Promise<RelevantConversation[]> {
    const { conversations } = this.#books
    const found: RelevantConversation[] = []
    for (const [id, relevance_score] of await this.#scores(session, text, depth, signal)) {
      if (found.length === depth) break
      const record = session.conversation(id)
      if (record === undefined) continue
      const summary =
        conversations.outcome(session, { id, record })?.summary ?? shortened(conversations.directive(session, id))
      found.push({ conversation_id: id, relevance_score, summary })
    }
    return found
  }

  /** What a session is about. Its newest conversations come with how much they bear on the newest of them. */
  async context(session: OpenSession, signal: AbortSignal): Promise<SessionContext> {
    const { conversations, agents, summaries } = this.#books
    const depth = session.preferences.context_depth
    const recent: SessionContext['recent_conversations'] = []
    const outcomes: string[] = []
    const topics = new Set<string>()
    for await (const { id, record } of conversations.list(session, { limit: depth })) {
      const outcome = conversations.outcome(session, { id, record })
      if (outcome !== null) outcomes.push(outcome.summary)
      for (const topic of outcome?.topics ?? []) topics.add(topic)
      recent.push({
        conversation_id: id,
        directive: conversations.directive(session, id),
        relevance_score: 0,
        created_at: new Date(record.created_at).toISOString(),
      })
    }
    const scores = await this.#scores(session, recent[0]?.directive ?? '', depth, signal)
    for (const conversation of recent) conversation.relevance_score = scores.get(conversation.conversation_id) ?? 0
    const states = new Map<string, AgentState>()
    for await (const [agent, { state }] of agents.list(session)) states.set(agent, state)
    const said = summaries.newest(session)
    return {
      session_id: session.id,
      context_summary: said?.summary ?? outcomes.join('\n').slice(0, MEMORY_LIMITS.summary).toWellFormed(),
      key_topics: (said?.topics.length ? [...said.topics] : [...topics]).slice(0, MEMORY_LIMITS.topics),
      agent_states: Object.fromEntries(states),
      recent_conversations: recent,
    }
  }

  /** How much conversations bear on a text: the best of each, best first. */
  async #scores(
    session: OpenSession,
    text: string,
    depth: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, number>> {
    const best = new Map<string, number>()
    const query = text.slice(0, MEMORY_LIMITS.query).toWellFormed()
    if (depth === 0 || query.trim() === '' || session.record.turns === 0) return best
    const { matches } = await this.#recall.search(session.id, { query, max_results: MEMORY_LIMITS.results }, signal)
    for (const { conversation_id, relevance_score } of matches) {
      if (!best.has(conversation_id)) best.set(conversation_id, relevance_score)
    }
    return best
  }
}

const shortened = (text: string): string => (text.length <= SHOWN ? text : `${text.slice(0, SHOWN).toWellFormed()}…`)
