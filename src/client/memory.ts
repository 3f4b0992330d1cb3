import { ChatCompletion, type ChatCompletionChunk, type EnhancedChatRequest } from '../../protocol/chat.ts'
import {
  AgentStateAnswer,
  type AgentStateUpdate,
  AgentStateUpdated,
  type ContextSearch,
  ContextSearchResult,
  Conversation,
  ConversationCompleted,
  ConversationList,
  type ConversationListQuery,
  type ConversationQuery,
  type ConversationStart,
  ConversationStarted,
  ExportStatus,
  MemoryAnalytics,
  type PreferencesUpdate,
  PreferencesUpdated,
  SessionArchived,
  SessionContext,
  SessionCreated,
  type SessionCreation,
  SessionDetails,
  type SessionExport,
  SessionImported,
  SessionToken,
  type SummaryUpdate,
  SummaryUpdated,
  type TokenRefresh,
  TurnAdded,
  type TurnAddition,
  type UserPreferences,
} from '../../protocol/memory.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { chatChunks } from './chat-chunks.ts'
import { ClientError } from './errors.ts'
import {
  type Answer,
  answerOf,
  type Call,
  type CallOptions,
  call,
  checked,
  errorOf,
  home,
  jsonBody,
  nodeUrls,
  send,
  type Transport,
  withQuery,
} from './transport.ts'

/** Milliseconds for an answer. */
const DEFAULT_TIMEOUT_MS = 15_000
/** Milliseconds for a chat completion: a language model takes its time. */
const DEFAULT_CHAT_TIMEOUT_MS = 300_000

/** How to reach the node that remembers. */
export interface MemoryClientOptions {
  readonly baseUrl: string
  /** There is only this one. */
  readonly apiVersion?: 'v2' | undefined
  /** Sent as `X-API-Key` where sessions are created: needed by nodes whose language model costs something. */
  readonly apiKey?: string | undefined
  /** A session that exists already, with its token. */
  readonly session?: { readonly session_id: string; readonly token: string } | undefined
  /** Milliseconds for an answer, 15,000 unless given; and for a chat completion, 300,000. */
  readonly timeoutMs?: number | undefined
  readonly chatTimeoutMs?: number | undefined
  /** `globalThis.fetch` unless given. */
  readonly fetch?: typeof fetch | undefined
}

/** Which session a call is for: the one that was created or given last unless it says another. */
export interface InSession extends CallOptions {
  readonly session_id?: string | undefined
}

/** What a session starts with. */
export type NewSession = Partial<UserPreferences> & Pick<SessionCreation, 'initial_context' | 'permissions'>

/** A state with the tag that makes an update conditional on it. */
export type TaggedAgentState = AgentStateAnswer & { readonly etag: string | undefined }

/** Sessions and conversations that remember, of one node. Keeps the tokens of the sessions that it made. Every failure is a `ClientError`. */
export class CCCMemoryClient {
  readonly #transport: Transport
  readonly #apiKey: string | undefined
  readonly #chatTimeoutMs: number
  readonly #tokens = new Map<string, string>()
  #last: string | undefined

  /** Opens no connection. Throws `ClientError` `INVALID_ARGUMENT` for options that cannot work. */
  constructor(options: MemoryClientOptions) {
    const { baseUrl, apiVersion = 'v2', session } = options
    if (apiVersion !== 'v2') {
      throw new ClientError('INVALID_ARGUMENT', `apiVersion: found ${JSON.stringify(apiVersion)}, allowed is "v2"`)
    }
    this.#transport = {
      nodes: nodeUrls(baseUrl),
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      // A session's token is the only credential of its calls.
      apiKey: undefined,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      // What is said belongs to one session of one node, and is said once.
      retries: 0,
    }
    this.#apiKey = options.apiKey
    this.#chatTimeoutMs = options.chatTimeoutMs ?? DEFAULT_CHAT_TIMEOUT_MS
    if (session !== undefined) this.#keep(session.session_id, session.token)
  }

  /** Starts a session. Its token is the only way in, and is kept by this client. */
  async createSession(session: NewSession = {}, options: CallOptions = {}): Promise<SessionCreated> {
    const { initial_context, permissions, ...preferences } = session
    const body = { user_preferences: preferences, initial_context, permissions }
    const created = checked(schemas.created, await this.#asCaller('/api/v2/sessions', body, options)) as SessionCreated
    this.#keep(created.session_id, created.token)
    return created
  }

  /** A new session with everything of an export in JSON. */
  async importSession(file: object, options: CallOptions = {}): Promise<SessionImported> {
    const imported = checked(
      schemas.imported,
      await this.#asCaller('/api/v2/sessions/import', file, options),
    ) as SessionImported
    this.#keep(imported.session_id, imported.token)
    return imported
  }

  /** A fresh token, which this client uses from now on. */
  async refreshToken(refresh: TokenRefresh = {}, at: InSession = {}): Promise<SessionToken> {
    const id = this.#sessionId(at)
    const fresh = await this.#ask<SessionToken>(schemas.token, 'POST', this.#path(at, '/token'), at, refresh)
    this.#tokens.set(id, fresh.session_token)
    return fresh
  }

  /** When it began, how it is set up, how much is in it. */
  async session(at: InSession = {}): Promise<SessionDetails> {
    return this.#ask(schemas.session, 'GET', this.#path(at), at)
  }

  /** Changes what is named and leaves the rest as it is. */
  async updatePreferences(update: PreferencesUpdate, at: InSession = {}): Promise<PreferencesUpdated> {
    return this.#ask(schemas.preferences, 'PUT', this.#path(at, '/preferences'), at, update)
  }

  /** From then on the session is read only. */
  async archiveSession(at: InSession = {}): Promise<SessionArchived> {
    return this.#ask(schemas.archived, 'POST', this.#path(at, '/archive'), at)
  }

  /** With everything that was said in it. */
  async deleteSession(at: InSession = {}): Promise<void> {
    const id = this.#sessionId(at)
    await this.#call('DELETE', this.#path(at), at)
    this.#tokens.delete(id)
    if (this.#last === id) this.#last = undefined
  }

  /** Begins a conversation, to which turns are added. */
  async startConversation(
    start: Omit<ConversationStart, 'session_id'> & { readonly session_id?: string },
    { signal }: CallOptions = {},
  ): Promise<ConversationStarted> {
    const at = { session_id: start.session_id, signal }
    const body = { ...start, session_id: this.#sessionId(at) }
    return this.#ask(schemas.started, 'POST', '/api/v2/conversations', at, body)
  }

  /** Newest first. */
  async conversations(query: ConversationListQuery = {}, at: InSession = {}): Promise<ConversationList> {
    return this.#ask(schemas.conversations, 'GET', withQuery(this.#path(at, '/conversations'), query), at)
  }

  /** One page of it: `next` is `after` of the next one. */
  async conversation(conversationId: string, query: ConversationQuery = {}, at: InSession = {}): Promise<Conversation> {
    return this.#ask(schemas.conversation, 'GET', withQuery(conversationPath(conversationId), query), at)
  }

  /** Remembers what a user or an agent said. Durable when it resolves. */
  async addTurn(conversationId: string, turn: TurnAddition, at: InSession = {}): Promise<TurnAdded> {
    return this.#ask(schemas.turn, 'POST', conversationPath(conversationId, '/turns'), at, turn)
  }

  /** Ends a conversation; a summary is made of it where the session says `auto_summarize`. */
  async completeConversation(conversationId: string, at: InSession = {}): Promise<ConversationCompleted> {
    return this.#ask(schemas.completed, 'POST', conversationPath(conversationId, '/complete'), at)
  }

  /** What an agent should know before it goes on. */
  async context(at: InSession = {}): Promise<SessionContext> {
    return this.#ask(schemas.context, 'GET', this.#path(at, '/context'), at)
  }

  /** Finds what was said, by words and by meaning. */
  async searchContext(search: ContextSearch, at: InSession = {}): Promise<ContextSearchResult> {
    return this.#ask(schemas.found, 'POST', this.#path(at, '/context/search'), at, search)
  }

  /** Sums up the session in the caller's words, which hold until a conversation completes. */
  async updateSummary(update: SummaryUpdate, at: InSession = {}): Promise<SummaryUpdated> {
    return this.#ask(schemas.summary, 'PUT', this.#path(at, '/context/summary'), at, update)
  }

  /** What an agent left for itself. */
  async agentState(agent: string, at: InSession = {}): Promise<TaggedAgentState> {
    const answer = await this.#call('GET', this.#agentPath(agent, at), at)
    const state = checked(schemas.state, answer) as AgentStateAnswer
    return { ...state, etag: answer.headers.get('etag') ?? undefined }
  }

  /** `ifMatch`: the tag that the state must have, else the update fails with `PRECONDITION_FAILED`. */
  async updateAgentState(
    agent: string,
    update: AgentStateUpdate,
    at: InSession & { readonly ifMatch?: string | undefined } = {},
  ): Promise<AgentStateUpdated> {
    const headers: Record<string, string> = at.ifMatch === undefined ? {} : { 'If-Match': at.ifMatch }
    return this.#ask(schemas.stateUpdated, 'PUT', this.#agentPath(agent, at), at, update, headers)
  }

  /** How the session is used, in numbers. */
  async analytics(at: InSession = {}): Promise<MemoryAnalytics> {
    return this.#ask(schemas.analytics, 'GET', this.#path(at, '/analytics'), at)
  }

  /** Starts an export; `exportStatus` says when it is complete. */
  async exportSession(order: SessionExport = {}, at: InSession = {}): Promise<ExportStatus> {
    return this.#ask(schemas.export, 'POST', this.#path(at, '/export'), at, order)
  }

  /** How far an export is, and where it is downloaded. */
  async exportStatus(exportId: string, at: InSession = {}): Promise<ExportStatus> {
    return this.#ask(schemas.export, 'GET', `/api/v2/exports/${encodeURIComponent(exportId)}`, at)
  }

  /** An answer with what the session remembers; both turns are stored when it is whole. */
  async enhancedChatCompletion(request: EnhancedChatRequest, { signal }: CallOptions = {}): Promise<ChatCompletion> {
    const at = { session_id: request.session_id, signal }
    const call = this.#callTo('POST', CHAT, at, { ...request, stream: false })
    return checked(schemas.chat, await this.#made({ ...call, timeoutMs: this.#chatTimeoutMs })) as ChatCompletion
  }

  /** The same piece by piece; the last one says what was stored. Whoever stops iterating stops the answer, and nothing is stored. */
  async *streamChatCompletion(
    request: EnhancedChatRequest,
    { signal }: CallOptions = {},
  ): AsyncGenerator<ChatCompletionChunk, void, undefined> {
    const at = { session_id: request.session_id, signal }
    const asked = this.#callTo('POST', CHAT, at, { ...request, stream: true })
    const over = new AbortController()
    const deadline = AbortSignal.timeout(this.#chatTimeoutMs)
    const all = AbortSignal.any([over.signal, deadline, ...(signal === undefined ? [] : [signal])])
    const node = home(this.#transport)
    try {
      const response = await send(this.#transport, node, asked, all)
      if (response.status !== 200) throw errorOf(await answerOf(response, node, signal))
      yield* chatChunks(response, node, signal)
    } finally {
      over.abort()
    }
  }

  #keep(sessionId: string, token: string): void {
    this.#tokens.set(sessionId, token)
    this.#last = sessionId
  }

  #sessionId({ session_id: given }: InSession): string {
    const id = given ?? this.#last
    if (id !== undefined && this.#tokens.has(id)) return id
    const found = id === undefined ? 'no session was created or given' : `nothing is known of ${JSON.stringify(id)}`
    throw new ClientError('INVALID_ARGUMENT', `a session with its token is needed: ${found}`)
  }

  #path(at: InSession, rest = ''): string {
    return `/api/v2/sessions/${encodeURIComponent(this.#sessionId(at))}${rest}`
  }

  #agentPath(agent: string, at: InSession): string {
    return this.#path(at, `/agents/${encodeURIComponent(agent)}/state`)
  }

  /** A call with the token of its session. */
  #callTo(method: string, path: string, at: InSession, body?: object, headers: Record<string, string> = {}): Call {
    const token = this.#tokens.get(this.#sessionId(at))!
    const json = body === undefined ? { headers: {} } : jsonBody(body)
    return {
      method,
      path,
      signal: at.signal,
      ...json,
      headers: { ...json.headers, ...headers, Authorization: `Bearer ${token}` },
    }
  }

  async #made(request: Call): Promise<Answer> {
    return call(this.#transport, home(this.#transport), request)
  }

  async #call(method: string, path: string, at: InSession): Promise<Answer> {
    return this.#made(this.#callTo(method, path, at))
  }

  async #ask<T>(
    schema: { Check(value: unknown): value is unknown },
    method: string,
    path: string,
    at: InSession,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<T> {
    return checked(schema, await this.#made(this.#callTo(method, path, at, body, headers))) as T
  }

  /** Before there is a session. */
  #asCaller(path: string, body: object, { signal }: CallOptions): Promise<Answer> {
    const json = jsonBody(body)
    const key: Record<string, string> = this.#apiKey === undefined ? {} : { 'X-API-Key': this.#apiKey }
    return this.#made({ method: 'POST', path, signal, ...json, headers: { ...json.headers, ...key } })
  }
}

const CHAT = '/v2/chat/completions'

const conversationPath = (id: string, rest = ''): string => `/api/v2/conversations/${encodeURIComponent(id)}${rest}`

const schemas = {
  created: checkerOf(SessionCreated),
  imported: checkerOf(SessionImported),
  token: checkerOf(SessionToken),
  session: checkerOf(SessionDetails),
  preferences: checkerOf(PreferencesUpdated),
  archived: checkerOf(SessionArchived),
  started: checkerOf(ConversationStarted),
  conversations: checkerOf(ConversationList),
  conversation: checkerOf(Conversation),
  turn: checkerOf(TurnAdded),
  completed: checkerOf(ConversationCompleted),
  context: checkerOf(SessionContext),
  found: checkerOf(ContextSearchResult),
  summary: checkerOf(SummaryUpdated),
  state: checkerOf(AgentStateAnswer),
  stateUpdated: checkerOf(AgentStateUpdated),
  analytics: checkerOf(MemoryAnalytics),
  export: checkerOf(ExportStatus),
  chat: checkerOf(ChatCompletion),
}
