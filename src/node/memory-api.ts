import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatRequest,
  EnhancedChatRequest,
  ModelList,
} from '../../protocol/chat.ts'
import type {
  AgentStateAnswer,
  AgentStateUpdate,
  AgentStateUpdated,
  ContextSearch,
  ContextSearchResult,
  Conversation,
  ConversationCompleted,
  ConversationList,
  ConversationListQuery,
  ConversationQuery,
  ConversationStart,
  ConversationStarted,
  ExportStatus,
  MemoryAnalytics,
  MemoryPermission,
  PreferencesUpdate,
  PreferencesUpdated,
  SessionArchived,
  SessionContext,
  SessionCreated,
  SessionCreation,
  SessionDetails,
  SessionExport,
  SessionImported,
  SessionToken,
  SummaryUpdate,
  SummaryUpdated,
  TokenRefresh,
  TurnAdded,
  TurnAddition,
} from '../../protocol/memory.ts'

export { memoryError } from '../domain/memory/errors.ts'
export { chatError } from './flows/chat-errors.ts'

/** What a session token that was verified allows. */
export interface SessionAccess {
  readonly sessionId: string
  readonly permissions: ReadonlySet<MemoryPermission>
  /** Unix milliseconds. */
  readonly expiresAt: number
}

/** A state, with the tag that an update can be made conditional on. */
export interface TaggedState<Answer> {
  readonly answer: Answer
  /** Entity tag (RFC 9110 §8.8.3), with its quotes. */
  readonly etag: string
}

/**
 * Sessions and conversations that remember, as the doors call them. Whoever is given an access has checked its permission. Ids of other sessions are
 * unknown here: 404 with the same words as for ids that nobody has. Writes are durable when they resolve.
 */
export interface Memory {
  createSession(creation: SessionCreation): Promise<SessionCreated>
  /** Verifies a session token. Rejects with `INVALID_SESSION_TOKEN` or `SESSION_EXPIRED`, also where its session is gone. */
  authorize(token: string): Promise<SessionAccess>
  refreshToken(access: SessionAccess, refresh: TokenRefresh): Promise<SessionToken>
  session(access: SessionAccess): SessionDetails
  updatePreferences(access: SessionAccess, update: PreferencesUpdate): Promise<PreferencesUpdated>
  archive(access: SessionAccess): Promise<SessionArchived>
  /** With everything that was said in it, and its key. */
  deleteSession(access: SessionAccess): Promise<void>

  startConversation(access: SessionAccess, start: ConversationStart, signal: AbortSignal): Promise<ConversationStarted>
  conversations(access: SessionAccess, query: ConversationListQuery): Promise<ConversationList>
  conversation(access: SessionAccess, conversationId: string, query: ConversationQuery): Promise<Conversation>
  /** Several are added together or not at all, with numbers one after the other. */
  addTurns(access: SessionAccess, conversationId: string, turns: readonly TurnAddition[]): Promise<readonly TurnAdded[]>
  /** Starts a conversation that has an answer already: its directive and these turns are stored together or not at all. */
  startAnswered(
    access: SessionAccess,
    directive: string,
    turns: readonly TurnAddition[],
  ): Promise<{ readonly conversation_id: string; readonly turns: readonly TurnAdded[] }>
  complete(access: SessionAccess, conversationId: string, signal: AbortSignal): Promise<ConversationCompleted>

  context(access: SessionAccess, signal: AbortSignal): Promise<SessionContext>
  search(access: SessionAccess, search: ContextSearch, signal: AbortSignal): Promise<ContextSearchResult>
  updateSummary(access: SessionAccess, update: SummaryUpdate): Promise<SummaryUpdated>

  agentState(access: SessionAccess, agent: string): TaggedState<AgentStateAnswer>
  /** `ifMatch`: the tag that the state must have, else `PRECONDITION_FAILED`. */
  updateAgentState(
    access: SessionAccess,
    agent: string,
    update: AgentStateUpdate,
    ifMatch: string | undefined,
  ): Promise<TaggedState<AgentStateUpdated>>

  /** Counts a chat completion that was to be given context, for the analytics of its session. */
  countCompletion(access: SessionAccess, usedContext: boolean): void
  analytics(access: SessionAccess): Promise<MemoryAnalytics>
  export(access: SessionAccess, order: SessionExport): Promise<ExportStatus>
  exportStatus(access: SessionAccess, exportId: string): Promise<ExportStatus>
  /** The file behind a signed download URL, piece by piece. Rejects with `EXPORT_NOT_FOUND` for every URL that is not in force. */
  download(exportId: string, query: Readonly<Record<string, string>>): Promise<ExportFile>
  import(file: unknown): Promise<SessionImported>
}

/** A finished export. */
export interface ExportFile {
  readonly mediaType: string
  readonly name: string
  readonly size: number
  bytes(): AsyncIterable<Uint8Array>
}

/** Chat completions, in the shape of OpenAI's. */
export interface Chat {
  /** Whether an answer costs the operator something: then callers need a key. */
  readonly spends: boolean
  models(): ModelList
  /** Without memory. */
  complete(request: ChatRequest, signal: AbortSignal): Promise<ChatCompletion>
  stream(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatCompletionChunk>
  /** With the memory of a session. The turns are stored when the answer is whole, or not at all. */
  completeWithMemory(access: SessionAccess, request: EnhancedChatRequest, signal: AbortSignal): Promise<ChatCompletion>
  streamWithMemory(
    access: SessionAccess,
    request: EnhancedChatRequest,
    signal: AbortSignal,
  ): AsyncIterable<ChatCompletionChunk>
}
