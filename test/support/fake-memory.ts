import type {
  AgentState,
  ContextMatch,
  ContextSearch,
  Conversation,
  ConversationCompleted,
  ConversationStart,
  ConversationStarted,
  SessionCreated,
  SessionCreation,
  SessionDetails,
  Turn,
  TurnAdded,
  TurnAddition,
} from '../../protocol/memory.ts'
import { DEFAULT_PREFERENCES } from '../../protocol/memory.ts'
import { type Memory, memoryError, type SessionAccess } from '../../src/node/memory-api.ts'

const AT = '2026-01-01T00:00:00.000Z'
const id = (prefix: string, number: number): string => `${prefix}_${String(number).padStart(32, '0')}`
const turnId = (number: number): string => `turn_${String(number).padStart(3, '0')}`

/** A token that {@link FakeMemory} takes for one of its session; others are refused. */
export const SESSION_TOKEN = 'eyJhbGciOiJFZERTQSJ9.e30.c2Vzc2lvbg'
export const READ_TOKEN = 'eyJhbGciOiJFZERTQSJ9.e30.cmVhZA'
export const EXPIRED_TOKEN = 'eyJhbGciOiJFZERTQSJ9.e30.ZXhwaXJlZA'

const unused = (name: string) => (): never => {
  throw new Error(`a test does not expect ${name}`)
}

interface Kept {
  readonly directive: string
  status: Conversation['status']
  readonly turns: Turn[]
}

/** One session in memory. What a search finds is what the test says. */
export class FakeMemory implements Memory {
  readonly sessionId = id('sess', 1)
  readonly access: SessionAccess = {
    sessionId: this.sessionId,
    permissions: new Set(['read', 'write', 'memory']),
    expiresAt: Number.MAX_SAFE_INTEGER,
  }
  readonly conversationsById = new Map<string, Kept>()
  readonly states = new Map<string, AgentState>()
  readonly searches: ContextSearch[] = []
  found: ContextMatch[] = []
  status: SessionDetails['status'] = 'active'
  /** Thrown by whatever stores turns. */
  refusal: Error | undefined
  /** How often turns were stored. */
  writes = 0

  /** A conversation with turns, in turns of user and assistant unless they say who speaks. */
  add(directive: string, ...texts: readonly (string | { agent: string; text: string })[]): string {
    const conversationId = id('conv', this.conversationsById.size + 1)
    const kept: Kept = { directive, status: 'active', turns: [] }
    this.conversationsById.set(conversationId, kept)
    this.#append(kept, { agent: 'user', content: directive })
    for (const [at, text] of texts.entries()) {
      const turn = typeof text === 'string' ? { agent: at % 2 === 0 ? 'assistant' : 'user', text } : text
      this.#append(kept, { agent: turn.agent, content: turn.text })
    }
    return conversationId
  }

  match(conversationId: string, number: number, relevance = 0.9): ContextMatch {
    const kept = this.conversationsById.get(conversationId)!
    const turn = kept.turns[number - 1]!
    return {
      conversation_id: conversationId,
      turn_id: turn.turn_id,
      agent: turn.agent,
      relevance_score: relevance,
      snippet: turn.content.slice(0, 40),
      context: kept.directive,
      timestamp: turn.timestamp,
    }
  }

  /** Agent and text of each turn. */
  said(conversationId: string): string[] {
    return this.conversationsById.get(conversationId)!.turns.map(({ agent, content }) => `${agent}: ${content}`)
  }

  countCompletion(): void {}

  async authorize(token: string): Promise<SessionAccess> {
    if (token === SESSION_TOKEN) return this.access
    if (token === READ_TOKEN) return { ...this.access, permissions: new Set(['read']) }
    if (token === EXPIRED_TOKEN) throw memoryError('SESSION_EXPIRED', 'the token has expired')
    throw memoryError('INVALID_SESSION_TOKEN', 'the token is not valid')
  }

  session(): SessionDetails {
    const all = [...this.conversationsById.values()]
    return {
      session_id: this.sessionId,
      created_at: AT,
      last_active: AT,
      conversation_count: all.length,
      total_turns: all.reduce((sum, { turns }) => sum + turns.length, 0),
      user_preferences: DEFAULT_PREFERENCES,
      status: this.status,
    }
  }

  async conversation(
    _access: SessionAccess,
    conversationId: string,
    { limit = 500, after = 0 }: { limit?: number; after?: number },
  ): Promise<Conversation> {
    const kept = this.conversationsById.get(conversationId)
    if (kept === undefined) throw memoryError('CONVERSATION_NOT_FOUND', 'there is no such conversation')
    const { directive, status, turns } = kept
    return {
      conversation_id: conversationId,
      session_id: this.sessionId,
      directive,
      created_at: AT,
      status,
      total_turns: turns.length,
      summary: null,
      turns: turns.slice(after, after + limit),
      next: null,
    }
  }

  async search(_access: SessionAccess, search: ContextSearch) {
    this.searches.push(search)
    return { query: search.query, results: this.found, total_matches: this.found.length, search_time_ms: 0 }
  }

  agentState(_access: SessionAccess, agent: string) {
    const state = this.states.get(agent)
    const last_updated = state === undefined ? null : AT
    return { answer: { session_id: this.sessionId, agent, state: state ?? {}, last_updated }, etag: '"1"' }
  }

  async addTurns(_access: SessionAccess, conversationId: string, turns: readonly TurnAddition[]): Promise<TurnAdded[]> {
    if (this.refusal !== undefined) throw this.refusal
    this.writes++
    const kept = this.conversationsById.get(conversationId)!
    return turns.map((turn) => {
      const { metadata: _metadata, ...added } = this.#append(kept, turn)
      return { ...added, conversation_id: conversationId, stored: true }
    })
  }

  async startAnswered(access: SessionAccess, directive: string, turns: readonly TurnAddition[]) {
    if (this.refusal !== undefined) throw this.refusal
    const conversation_id = this.add(directive)
    return { conversation_id, turns: await this.addTurns(access, conversation_id, turns) }
  }

  #append({ turns }: Kept, { agent, content, metadata = {} }: TurnAddition): Turn {
    const turn_number = turns.length + 1
    const turn: Turn = { turn_id: turnId(turn_number), turn_number, agent, content, timestamp: AT, metadata }
    turns.push(turn)
    return turn
  }

  async createSession({ permissions = ['read', 'write', 'memory'] }: SessionCreation): Promise<SessionCreated> {
    const token = permissions.includes('memory') ? SESSION_TOKEN : READ_TOKEN
    return { session_id: this.sessionId, created_at: AT, token, expires_at: AT, permissions, status: 'active' }
  }

  async startConversation(_access: SessionAccess, { directive }: ConversationStart): Promise<ConversationStarted> {
    const conversation_id = this.add(directive)
    const session_id = this.sessionId
    return { conversation_id, session_id, directive, created_at: AT, status: 'active', relevant_context: [] }
  }

  async complete(_access: SessionAccess, conversation_id: string): Promise<ConversationCompleted> {
    const kept = this.conversationsById.get(conversation_id)!
    kept.status = 'completed'
    return { conversation_id, status: 'completed', completed_at: AT, total_turns: kept.turns.length, summary: null }
  }

  refreshToken = unused('refreshToken')
  updatePreferences = unused('updatePreferences')
  archive = unused('archive')
  deleteSession = unused('deleteSession')
  conversations = unused('conversations')
  context = unused('context')
  updateSummary = unused('updateSummary')
  updateAgentState = unused('updateAgentState')
  analytics = unused('analytics')
  export = unused('export')
  exportStatus = unused('exportStatus')
  download = unused('download')
  import = unused('import')
}
