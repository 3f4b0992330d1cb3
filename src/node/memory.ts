import {
  type AgentStateAnswer,
  type AgentStateUpdate,
  type AgentStateUpdated,
  type ContextSearch,
  type ContextSearchResult,
  type Conversation,
  type ConversationCompleted,
  type ConversationList,
  type ConversationListQuery,
  type ConversationQuery,
  type ConversationStart,
  type ConversationStarted,
  MEMORY_LIMITS,
  type MemoryPermission,
  type PreferencesUpdate,
  type PreferencesUpdated,
  type SessionArchived,
  type SessionContext,
  type SessionCreated,
  type SessionCreation,
  type SessionDetails,
  type SessionToken,
  type SummaryUpdate,
  type SummaryUpdated,
  type TokenRefresh,
  type Turn,
  type TurnAdded,
  type TurnAddition,
} from '../../protocol/memory.ts'
import { etagOf } from '../domain/memory/agent-states.ts'
import type { KnownConversation, NewTurn, NumberedTurn } from '../domain/memory/conversation-book.ts'
import { memoryError } from '../domain/memory/errors.ts'
import { textOfOutcome, textOfTurn } from '../domain/memory/kept-texts.ts'
import type { MemoryBooks } from '../domain/memory/memory-books.ts'
import type { OpenSession } from '../domain/memory/open-session.ts'
import type { MemoryText, Recall, Summarize } from '../domain/memory/recall.ts'
import { type Outcome, type SessionRecord, turnId } from '../domain/memory/session-records.ts'
import type { Clock } from '../kernel/base/clock.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import { conversationStatus } from './flows/conversation-status.ts'
import { matchesTag } from './flows/if-match.ts'
import { RelevantContext } from './flows/session-context.ts'
import type { Memory, SessionAccess, TaggedState } from './memory-api.ts'

const ALL: MemoryPermission[] = ['read', 'write', 'memory']
/** Conversations of a list, and turns of a page, unless asked for otherwise. */
const DEFAULT_LIMIT = 50
const DEFAULT_TURNS = 100
/** UTF-16 code units of turns from which on a page takes no further one: the largest turn still fits behind. */
const PAGE_CHARACTERS = 2 * 1024 * 1024
/** UTF-16 code units that are summarised: the directive, and the newest turns. */
const SUMMARISED_CHARACTERS = 1024 * 1024
/** How often a conversation is summarised anew because turns were added meanwhile. */
const SUMMARIES_TRIED = 3

/** What is done with sessions beside keeping them. */
export type MemoryChores = Pick<
  Memory,
  'analytics' | 'export' | 'exportStatus' | 'download' | 'import' | 'countCompletion'
> & {
  /** A conversation was completed, and has a summary. Never rejects. */
  completed(sessionId: string, signal: AbortSignal): Promise<void>
  /** Something was searched for. */
  searched(sessionId: string, isFound: boolean): void
  /** The session is gone. */
  forget(sessionId: string): Promise<void>
}

export interface NodeMemoryParts {
  readonly clock: Clock
  readonly books: MemoryBooks
  readonly recall: Recall
  readonly summarize: Summarize
  readonly chores: MemoryChores
}

/** The memory of a node: sessions, conversations, what agents know, and what is found again. */
export class NodeMemory implements Memory {
  readonly #clock: Clock
  readonly #books: MemoryBooks
  readonly #recall: Recall
  readonly #found: RelevantContext
  readonly #summarize: Summarize
  readonly #chores: MemoryChores

  constructor({ clock, books, recall, summarize, chores }: NodeMemoryParts) {
    this.#clock = clock
    this.#books = books
    this.#recall = recall
    this.#found = new RelevantContext(books, recall)
    this.#summarize = summarize
    this.#chores = chores
  }

  /** How many sessions there are, and what they take on disk. */
  get usage(): { readonly sessions: number; readonly bytes: number } {
    const { count: sessions, bytes } = this.#books.sessions
    return { sessions, bytes }
  }

  /** What the administrator sees of sessions: how many, and how large. */
  measure(metrics: Metrics): void {
    const sessions = metrics.gauge({
      name: 'cytoplex_sessions',
      help: 'Sessions that remember.',
      collect: (): void => sessions.set(this.usage.sessions),
    })
    const bytes = metrics.gauge({
      name: 'cytoplex_sessions_bytes',
      help: 'What sessions take on disk, in bytes.',
      collect: (): void => bytes.set(this.usage.bytes),
    })
  }

  async createSession({
    user_preferences,
    initial_context,
    permissions = ALL,
  }: SessionCreation): Promise<SessionCreated> {
    const { id, record } = await this.#books.sessions.create(user_preferences, (session) => {
      if (initial_context === undefined) return
      const { created_at: at } = session.record
      this.#books.summaries.put(session, { summary: initial_context, topics: [], at, trigger: 'initial_context' })
    })
    const { token, expiresAt } = await this.#books.tokens.issue(id, permissions)
    return {
      session_id: id,
      created_at: iso(record.created_at),
      token,
      expires_at: iso(expiresAt),
      permissions: [...permissions],
      status: 'active',
    }
  }

  async authorize(token: string): Promise<SessionAccess> {
    const access = await this.#books.tokens.verify(token)
    this.#record(access)
    return access
  }

  async refreshToken(access: SessionAccess, refresh: TokenRefresh): Promise<SessionToken> {
    const permissions = refresh.permissions ?? [...access.permissions]
    const missing = permissions.find((permission) => !access.permissions.has(permission))
    if (missing !== undefined) {
      throw memoryError('PERMISSION_DENIED', `a token without the permission ${missing} cannot give it on`)
    }
    // Whoever renews a token uses the session, which is kept as long as somebody does.
    await this.#books.sessions.change(access.sessionId, () => undefined, { archived: true })
    const { token, expiresAt } = await this.#books.tokens.issue(access.sessionId, permissions)
    return { session_token: token, expires_at: iso(expiresAt), permissions }
  }

  session(access: SessionAccess): SessionDetails {
    const { record, preferences } = this.#open(access)
    return {
      session_id: access.sessionId,
      created_at: iso(record.created_at),
      last_active: iso(record.last_active),
      conversation_count: record.conversations,
      total_turns: record.turns,
      user_preferences: preferences,
      status: statusOf(record),
    }
  }

  async updatePreferences(access: SessionAccess, update: PreferencesUpdate): Promise<PreferencesUpdated> {
    return this.#books.sessions.change(access.sessionId, (session) => {
      const changed = { ...session.preferences, ...update }
      session.setPreferences(changed)
      const updated_at = iso(session.record.last_active)
      return { session_id: access.sessionId, updated_preferences: changed, updated_at }
    })
  }

  async archive(access: SessionAccess): Promise<SessionArchived> {
    const { sessionId } = access
    const record = await this.#books.sessions.change(
      sessionId,
      (session) => {
        const { archived_at: before } = session.record
        session.update({ status: 'archived', archived_at: before ?? this.#clock.now() })
        return session.record
      },
      { archived: true, touches: false },
    )
    return {
      session_id: sessionId,
      status: 'archived',
      archived_at: iso(record.archived_at ?? record.last_active),
      conversations_archived: record.conversations,
    }
  }

  async deleteSession({ sessionId }: SessionAccess): Promise<void> {
    try {
      await this.#books.sessions.remove(sessionId)
    } finally {
      // Its key is gone, whatever became of the rest.
      this.#recall.forget(sessionId)
    }
    await this.#chores.forget(sessionId)
  }

  async startConversation(
    access: SessionAccess,
    { session_id, directive, use_context = true, context_depth }: ConversationStart,
    signal: AbortSignal,
  ): Promise<ConversationStarted> {
    assertSame(access, session_id)
    const session = this.#open(access)
    if (session.record.status === 'archived') throw archived()
    const depth = use_context ? (context_depth ?? session.preferences.context_depth) : 0
    const relevant = await this.#found.relevant(session, directive, depth, signal)
    const { id, record, turns } = await this.#books.conversations.start(
      session_id,
      [directiveTurn(directive)],
      (change) => {
        const { lookups, hits } = change.record
        if (depth > 0) change.update({ lookups: lookups + 1, hits: hits + (relevant.length > 0 ? 1 : 0) })
      },
    )
    this.#added(session_id, id, turns)
    return {
      conversation_id: id,
      session_id,
      directive,
      created_at: iso(record.created_at),
      status: 'active',
      relevant_context: relevant,
    }
  }

  async startAnswered(
    { sessionId }: SessionAccess,
    directive: string,
    added: readonly TurnAddition[],
  ): Promise<{ readonly conversation_id: string; readonly turns: readonly TurnAdded[] }> {
    const said = [directiveTurn(directive), ...added.map(newTurn)]
    const { id, turns } = await this.#books.conversations.start(sessionId, said)
    this.#added(sessionId, id, turns)
    return { conversation_id: id, turns: turns.map((turn) => addedTurn(id, turn)) }
  }

  async conversations(
    access: SessionAccess,
    { limit = DEFAULT_LIMIT, offset = 0 }: ConversationListQuery,
  ): Promise<ConversationList> {
    const session = this.#open(access)
    const listed: ConversationList['conversations'] = []
    let passed = 0
    for await (const { id, record } of this.#books.conversations.list(session, { limit: offset + limit })) {
      if (passed++ < offset) continue
      listed.push({
        conversation_id: id,
        directive: this.#books.conversations.directive(session, id),
        created_at: iso(record.created_at),
        status: conversationStatus(session.record, record),
        total_turns: record.turns,
      })
    }
    return { total: session.record.conversations, limit, offset, conversations: listed }
  }

  async conversation(
    access: SessionAccess,
    id: string,
    { limit = DEFAULT_TURNS, after = 0 }: ConversationQuery,
  ): Promise<Conversation> {
    const session = this.#open(access)
    const { conversations } = this.#books
    const record = conversations.find(session, id)
    const turns: Turn[] = []
    let characters = 0
    let last = after
    for await (const turn of conversations.turns(session, id, { after, limit })) {
      turns.push(turnOf(turn))
      last = turn.number
      characters += turn.content.length
      if (characters >= PAGE_CHARACTERS) break
    }
    return {
      conversation_id: id,
      session_id: access.sessionId,
      directive: conversations.directive(session, id),
      created_at: iso(record.created_at),
      status: conversationStatus(session.record, record),
      total_turns: record.turns,
      summary: conversations.outcome(session, { id, record })?.summary ?? null,
      turns,
      next: turns.length > 0 && last < record.last ? last : null,
    }
  }

  async addTurns(
    access: SessionAccess,
    conversationId: string,
    added: readonly TurnAddition[],
  ): Promise<readonly TurnAdded[]> {
    const { sessionId } = access
    const { turns } = await this.#books.conversations.addTurns(sessionId, conversationId, added.map(newTurn))
    this.#added(sessionId, conversationId, turns)
    return turns.map((turn) => addedTurn(conversationId, turn))
  }

  async complete(access: SessionAccess, id: string, signal: AbortSignal): Promise<ConversationCompleted> {
    const { sessionId } = access
    const { conversations } = this.#books
    for (let tried = 0; tried < SUMMARIES_TRIED; tried++) {
      const session = this.#open(access)
      const record = conversations.find(session, id)
      if (record.completed_at !== null) return this.#completed(session, { id, record })
      if (session.record.status === 'archived') throw archived()
      const outcome = session.preferences.auto_summarize ? await this.#outcomeOf(session, id, signal) : null
      if (!(await conversations.complete(sessionId, id, record.last, outcome))) continue
      const changed = this.#open(access)
      const completed = { id, record: conversations.find(changed, id) }
      const kept = conversations.outcome(changed, completed)
      if (kept !== null) {
        this.#recall.added(sessionId, [textOfOutcome(completed, kept)])
        await this.#chores.completed(sessionId, signal)
      }
      return this.#completed(changed, completed)
    }
    throw memoryError('CONFLICT', 'turns are being added faster than the conversation can be summarised')
  }

  context(access: SessionAccess, signal: AbortSignal): Promise<SessionContext> {
    return this.#found.context(this.#open(access), signal)
  }

  async search(access: SessionAccess, search: ContextSearch, signal: AbortSignal): Promise<ContextSearchResult> {
    const { conversation_id: id, query } = search
    const session = this.#open(access)
    if (id !== undefined) this.#books.conversations.find(session, id)
    const startedAt = performance.now()
    const { matches, total } = await this.#recall.search(access.sessionId, search, signal)
    this.#chores.searched(access.sessionId, total > 0)
    const search_time_ms = Math.round((performance.now() - startedAt) * 1000) / 1000
    return { query, results: [...matches], total_matches: total, search_time_ms }
  }

  async updateSummary({ sessionId }: SessionAccess, update: SummaryUpdate): Promise<SummaryUpdated> {
    const { summary, key_topics: topics = [], trigger = null } = update
    const { at, replaced } = await this.#books.summaries.add(sessionId, { summary, topics, trigger })
    return {
      session_id: sessionId,
      summary_updated: true,
      updated_at: iso(at),
      previous_summary_archived: replaced,
    }
  }

  agentState(access: SessionAccess, agent: string): TaggedState<AgentStateAnswer> {
    const found = this.#books.agents.find(this.#open(access), agent)
    const answer = {
      session_id: access.sessionId,
      agent,
      state: found?.value.state ?? {},
      last_updated: found === undefined ? null : iso(found.value.at),
    }
    return { answer, etag: etagOf(found?.version ?? 0) }
  }

  async updateAgentState(
    { sessionId }: SessionAccess,
    agent: string,
    { state_updates: updates, update_reason }: AgentStateUpdate,
    ifMatch: string | undefined,
  ): Promise<TaggedState<AgentStateUpdated>> {
    const update = { updates, reason: update_reason ?? null }
    const mayWrite = (version: number): boolean => ifMatch === undefined || matchesTag(ifMatch, version)
    const { changed, at, version } = await this.#books.agents.update(sessionId, agent, update, mayWrite)
    const answer: AgentStateUpdated = {
      session_id: sessionId,
      agent,
      state_updated: true,
      updated_fields: [...changed],
      updated_at: iso(at),
    }
    return { answer, etag: etagOf(version) }
  }

  analytics: Memory['analytics'] = (access) => this.#chores.analytics(access)
  export: Memory['export'] = (access, order) => this.#chores.export(access, order)
  exportStatus: Memory['exportStatus'] = (access, exportId) => this.#chores.exportStatus(access, exportId)
  download: Memory['download'] = (exportId, query) => this.#chores.download(exportId, query)
  import: Memory['import'] = (file) => this.#chores.import(file)
  countCompletion: Memory['countCompletion'] = (access, usedContext) =>
    this.#chores.countCompletion(access, usedContext)

  #open({ sessionId }: SessionAccess): OpenSession {
    return this.#books.sessions.open(sessionId)
  }

  #added(sessionId: string, conversationId: string, turns: readonly NumberedTurn[]): void {
    this.#recall.added(
      sessionId,
      turns.map((turn) => textOfTurn(conversationId, turn)),
    )
  }

  #record({ sessionId }: SessionAccess): SessionRecord {
    const record = this.#books.sessions.find(sessionId)
    if (record === undefined) throw memoryError('INVALID_SESSION_TOKEN', 'the session of this token is gone')
    return record
  }

  /** The directive and the newest turns, summarised. */
  async #outcomeOf(session: OpenSession, id: string, signal: AbortSignal): Promise<Outcome> {
    const texts: MemoryText[] = []
    let characters = 0
    for await (const turn of this.#books.conversations.turns(session, id)) {
      texts.push(textOfTurn(id, turn))
      characters += turn.content.length
      while (characters > SUMMARISED_CHARACTERS && texts.length > 2) characters -= texts.splice(1, 1)[0]!.text.length
    }
    const { summary, topics } = await this.#summarize(texts, signal)
    return {
      summary: summary.slice(0, MEMORY_LIMITS.summary).toWellFormed(),
      topics: topics.slice(0, MEMORY_LIMITS.topics),
    }
  }

  #completed(session: OpenSession, { id, record }: KnownConversation): ConversationCompleted {
    return {
      conversation_id: id,
      status: 'completed',
      completed_at: iso(record.completed_at ?? record.last_at),
      total_turns: record.turns,
      summary: this.#books.conversations.outcome(session, { id, record })?.summary ?? null,
    }
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()

const statusOf = ({ status }: SessionRecord): SessionDetails['status'] =>
  status === 'archived' ? 'archived' : 'active'

const turnOf = ({ number, agent, content, at, metadata }: NumberedTurn): Turn => ({
  turn_id: turnId(number),
  turn_number: number,
  agent,
  content,
  timestamp: iso(at),
  metadata: { ...metadata },
})

const archived = (): Error =>
  memoryError('SESSION_ARCHIVED', 'the session is archived: it can be read and deleted, but not changed')

function assertSame({ sessionId }: SessionAccess, named: string): void {
  if (named !== sessionId) throw memoryError('SESSION_NOT_FOUND', 'there is no such session')
}

const directiveTurn = (directive: string): NewTurn => ({
  agent: 'user',
  content: directive,
  metadata: { user_input: true },
})

/** Throws `INVALID_REQUEST` for metadata that are too large. */
function newTurn({ agent, content, metadata = {} }: TurnAddition): NewTurn {
  const bytes = Buffer.byteLength(JSON.stringify(metadata))
  if (bytes > MEMORY_LIMITS.metadataBytes) {
    const message = `metadata: found ${bytes} bytes of JSON, allowed are ${MEMORY_LIMITS.metadataBytes}`
    throw memoryError('INVALID_REQUEST', message)
  }
  return { agent, content, metadata }
}

const addedTurn = (conversationId: string, { number, agent, content, at }: NumberedTurn): TurnAdded => ({
  turn_id: turnId(number),
  conversation_id: conversationId,
  turn_number: number,
  agent,
  content,
  timestamp: iso(at),
  stored: true,
})
