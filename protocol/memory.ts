import { type Static, Type } from 'typebox'
import { Timestamp } from './fields.ts'

/** Sessions and conversations that remember ("CCC - Stage 2 API Specification"). Times in answers are ISO 8601. */

const closed = { additionalProperties: false } as const
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

/** Limits of memory, each with its unit and its reason. */
export const MEMORY_LIMITS = {
  /** UTF-16 code units of one turn: a chapter of a book. */
  content: 256 * 1024,
  /** Of a directive, a summary, or what a session starts with. */
  directive: 32 * 1024,
  summary: 32 * 1024,
  /** Bytes of the JSON of one turn's metadata. */
  metadataBytes: 16 * 1024,
  /** Bytes of the JSON of one agent's state, and agents of a session that have one. */
  agentStateBytes: 64 * 1024,
  agents: 64,
  /** Topics of a summary, and characters of one. */
  topics: 32,
  topic: 128,
  /** Characters of a search, and results of one. */
  query: 4096,
  results: 100,
  /** Conversations that one answer may be given as context. */
  contextDepth: 50,
  /** Messages of one chat completion. */
  messages: 1024,
  /** Bytes of a file that is imported: it is read as a whole, so as much as one address may have in memory. */
  importBytes: 8 * 1024 * 1024,
  /** Days that a session may keep what was said. */
  retentionDays: 3650,
} as const

/** The error table of the document ("Common Error Codes"), with codes that it lacks. */
export const MEMORY_ERRORS = {
  SESSION_NOT_FOUND: { status: 404 },
  CONVERSATION_NOT_FOUND: { status: 404 },
  EXPORT_NOT_FOUND: { status: 404 },
  SESSION_EXPIRED: { status: 401 },
  INVALID_SESSION_TOKEN: { status: 401 },
  PERMISSION_DENIED: { status: 403 },
  INVALID_REQUEST: { status: 400 },
  SESSION_ARCHIVED: { status: 409 },
  CONFLICT: { status: 409 },
  PRECONDITION_FAILED: { status: 412 },
  STORAGE_QUOTA_EXCEEDED: { status: 413 },
  RATE_LIMIT_EXCEEDED: { status: 429 },
  CONTEXT_RETRIEVAL_FAILED: { status: 500 },
  MEMORY_SERVICE_ERROR: { status: 503 },
} as const satisfies Record<string, { status: number }>
export type MemoryErrorCode = keyof typeof MEMORY_ERRORS

export const SessionId = Type.String({
  pattern: '^sess_[0-9a-f]{32}$',
  examples: ['sess_1234567890abcdef1234567890abcdef'],
})
export const ConversationId = Type.String({ pattern: '^conv_[0-9a-f]{32}$' })
export const ExportId = Type.String({ pattern: '^export_[0-9a-f]{32}$' })
/** `turn_` and its number in the conversation, with three digits at least. */
export const TurnId = Type.String({ pattern: '^turn_[0-9]{3,10}$' })
export const AgentName = Type.String({ pattern: '^[a-z0-9_-]{1,64}$', examples: ['beatrice'] })

/** What a session token allows: `read` GET and search; `write` turns and preferences; `memory` summaries, agent state, export and chat. */
export const MemoryPermission = Type.Union([Type.Literal('read'), Type.Literal('write'), Type.Literal('memory')])
export type MemoryPermission = Static<typeof MemoryPermission>

/** What limits count together ("Limits by Endpoint Type"), and how many a minute unless the configuration says something else. */
export const MEMORY_CLASSES = { session: 10, conversation: 30, context: 50, chat: 20, analytics: 5 } as const
export type MemoryClass = keyof typeof MEMORY_CLASSES

export const UserPreferences = Type.Object(
  {
    /** Days after which what was said is deleted. */
    memory_retention_days: Type.Integer({ minimum: 1, maximum: MEMORY_LIMITS.retentionDays }),
    /** Earlier conversations that an answer is given as context. */
    context_depth: Type.Integer({ minimum: 0, maximum: MEMORY_LIMITS.contextDepth }),
    /** Whether a conversation that is completed is summarised. */
    auto_summarize: Type.Boolean(),
  },
  closed,
)
export type UserPreferences = Static<typeof UserPreferences>
/** What holds where a session says nothing. */
export const DEFAULT_PREFERENCES: UserPreferences = {
  memory_retention_days: 30,
  context_depth: 10,
  auto_summarize: true,
}

/** Body of `POST /api/v2/sessions`. */
export const SessionCreation = Type.Object(
  {
    user_preferences: Type.Optional(Type.Partial(UserPreferences, closed)),
    initial_context: Type.Optional(Type.String({ minLength: 1, maxLength: MEMORY_LIMITS.directive })),
    /** All three unless given. */
    permissions: Type.Optional(Type.Array(MemoryPermission, { minItems: 1, maxItems: 3, uniqueItems: true })),
  },
  { ...closed, title: 'SessionCreation' },
)
export type SessionCreation = Static<typeof SessionCreation>

export const SessionStatus = Type.Union([Type.Literal('active'), Type.Literal('archived')])
export type SessionStatus = Static<typeof SessionStatus>

export const SessionCreated = Type.Object(
  {
    session_id: SessionId,
    created_at: Timestamp,
    token: Type.String(),
    expires_at: Timestamp,
    permissions: Type.Array(MemoryPermission),
    status: SessionStatus,
  },
  { title: 'SessionCreated' },
)
export type SessionCreated = Static<typeof SessionCreated>

/** Body of `POST /api/v2/sessions/{session_id}/token`: fewer permissions than the token that asks has, if wanted. */
export const TokenRefresh = Type.Object(
  { permissions: Type.Optional(Type.Array(MemoryPermission, { minItems: 1, maxItems: 3, uniqueItems: true })) },
  { ...closed, title: 'TokenRefresh' },
)
export type TokenRefresh = Static<typeof TokenRefresh>
export const SessionToken = Type.Object(
  { session_token: Type.String(), expires_at: Timestamp, permissions: Type.Array(MemoryPermission) },
  { title: 'SessionToken' },
)
export type SessionToken = Static<typeof SessionToken>

export const SessionDetails = Type.Object(
  {
    session_id: SessionId,
    created_at: Timestamp,
    last_active: Timestamp,
    conversation_count: Type.Integer(),
    total_turns: Type.Integer(),
    user_preferences: UserPreferences,
    status: SessionStatus,
  },
  { title: 'SessionDetails' },
)
export type SessionDetails = Static<typeof SessionDetails>

export const PreferencesUpdate = Type.Partial(UserPreferences, {
  ...closed,
  minProperties: 1,
  title: 'PreferencesUpdate',
})
export type PreferencesUpdate = Static<typeof PreferencesUpdate>
export const PreferencesUpdated = Type.Object(
  { session_id: SessionId, updated_preferences: UserPreferences, updated_at: Timestamp },
  { title: 'PreferencesUpdated' },
)
export type PreferencesUpdated = Static<typeof PreferencesUpdated>

export const SessionArchived = Type.Object(
  {
    session_id: SessionId,
    status: Type.Literal('archived'),
    archived_at: Timestamp,
    conversations_archived: Type.Integer(),
  },
  { title: 'SessionArchived' },
)
export type SessionArchived = Static<typeof SessionArchived>

/** Body of `POST /api/v2/conversations`. The directive becomes turn 1, of agent `user`. */
export const ConversationStart = Type.Object(
  {
    session_id: SessionId,
    directive: Type.String({ minLength: 1, maxLength: MEMORY_LIMITS.directive }),
    use_context: Type.Optional(
      Type.Boolean({ description: 'Whether earlier conversations are looked up; true unless given.' }),
    ),
    context_depth: Type.Optional(Type.Integer({ minimum: 0, maximum: MEMORY_LIMITS.contextDepth })),
  },
  { ...closed, title: 'ConversationStart' },
)
export type ConversationStart = Static<typeof ConversationStart>

/** 0 to 1; `protocol/README.md` says what it means. */
const Relevance = Type.Number({ minimum: 0, maximum: 1 })

export const RelevantConversation = Type.Object({
  conversation_id: ConversationId,
  relevance_score: Relevance,
  summary: Type.String(),
})
export type RelevantConversation = Static<typeof RelevantConversation>

export const ConversationStatus = Type.Union([
  Type.Literal('active'),
  Type.Literal('completed'),
  Type.Literal('archived'),
])
export type ConversationStatus = Static<typeof ConversationStatus>

export const ConversationStarted = Type.Object(
  {
    conversation_id: ConversationId,
    session_id: SessionId,
    directive: Type.String(),
    created_at: Timestamp,
    status: ConversationStatus,
    relevant_context: Type.Array(RelevantConversation),
  },
  { title: 'ConversationStarted' },
)
export type ConversationStarted = Static<typeof ConversationStarted>

export const TurnMetadata = Type.Record(Type.String(), Type.Unknown())
export const Turn = Type.Object({
  turn_id: TurnId,
  turn_number: Type.Integer({ minimum: 1 }),
  agent: AgentName,
  content: Type.String(),
  timestamp: Timestamp,
  metadata: TurnMetadata,
})
export type Turn = Static<typeof Turn>

export const ConversationQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
    /** Turns after this number. */
    after: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
)
export type ConversationQuery = Static<typeof ConversationQuery>
export const Conversation = Type.Object(
  {
    conversation_id: ConversationId,
    session_id: SessionId,
    directive: Type.String(),
    created_at: Timestamp,
    status: ConversationStatus,
    total_turns: Type.Integer(),
    /** Of the completed ones, where there is one. */
    summary: nullable(Type.String()),
    turns: Type.Array(Turn),
    /** What to pass as `after` for the next page; null at the end. */
    next: nullable(Type.Integer()),
  },
  { title: 'Conversation' },
)
export type Conversation = Static<typeof Conversation>

/** `GET /api/v2/sessions/{session_id}/conversations`: newest first. */
export const ConversationListQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
    offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000 })),
  },
  closed,
)
export type ConversationListQuery = Static<typeof ConversationListQuery>
export const ConversationListed = Type.Object({
  conversation_id: ConversationId,
  directive: Type.String(),
  created_at: Timestamp,
  status: ConversationStatus,
  total_turns: Type.Integer(),
})
export type ConversationListed = Static<typeof ConversationListed>
export const ConversationList = Type.Object(
  {
    total: Type.Integer(),
    limit: Type.Integer(),
    offset: Type.Integer(),
    conversations: Type.Array(ConversationListed),
  },
  { title: 'ConversationList' },
)
export type ConversationList = Static<typeof ConversationList>

/** Body of `POST /api/v2/conversations/{conversation_id}/turns`. */
export const TurnAddition = Type.Object(
  {
    agent: AgentName,
    content: Type.String({ minLength: 1, maxLength: MEMORY_LIMITS.content }),
    metadata: Type.Optional(TurnMetadata),
  },
  { ...closed, title: 'TurnAddition' },
)
export type TurnAddition = Static<typeof TurnAddition>
export const TurnAdded = Type.Object(
  {
    turn_id: TurnId,
    conversation_id: ConversationId,
    turn_number: Type.Integer(),
    agent: AgentName,
    content: Type.String(),
    timestamp: Timestamp,
    stored: Type.Literal(true),
  },
  { title: 'TurnAdded' },
)
export type TurnAdded = Static<typeof TurnAdded>

/** Answer of `POST /api/v2/conversations/{conversation_id}/complete`. */
export const ConversationCompleted = Type.Object(
  {
    conversation_id: ConversationId,
    status: Type.Literal('completed'),
    completed_at: Timestamp,
    total_turns: Type.Integer(),
    summary: nullable(Type.String()),
  },
  { title: 'ConversationCompleted' },
)
export type ConversationCompleted = Static<typeof ConversationCompleted>

export const AgentState = Type.Record(Type.String({ maxLength: 128 }), Type.Unknown())
export type AgentState = Static<typeof AgentState>

export const SessionContext = Type.Object(
  {
    session_id: SessionId,
    context_summary: Type.String(),
    key_topics: Type.Array(Type.String()),
    agent_states: Type.Record(AgentName, AgentState),
    recent_conversations: Type.Array(
      Type.Object({
        conversation_id: ConversationId,
        directive: Type.String(),
        relevance_score: Relevance,
        created_at: Timestamp,
      }),
    ),
  },
  { title: 'SessionContext' },
)
export type SessionContext = Static<typeof SessionContext>

const TimeRange = Type.Object({ start: Type.Optional(Timestamp), end: Type.Optional(Timestamp) }, closed)

/** Body of `POST /api/v2/sessions/{session_id}/context/search`. */
export const ContextSearch = Type.Object(
  {
    query: Type.String({ minLength: 1, maxLength: MEMORY_LIMITS.query }),
    max_results: Type.Optional(Type.Integer({ minimum: 1, maximum: MEMORY_LIMITS.results })),
    relevance_threshold: Type.Optional(Relevance),
    time_range: Type.Optional(TimeRange),
    agent: Type.Optional(AgentName),
    conversation_id: Type.Optional(ConversationId),
  },
  { ...closed, title: 'ContextSearch' },
)
export type ContextSearch = Static<typeof ContextSearch>
export const ContextMatch = Type.Object({
  conversation_id: ConversationId,
  /** Null where a summary matches. */
  turn_id: nullable(TurnId),
  agent: nullable(AgentName),
  relevance_score: Relevance,
  snippet: Type.String(),
  /** The directive of the conversation. */
  context: Type.String(),
  timestamp: Timestamp,
})
export type ContextMatch = Static<typeof ContextMatch>
export const ContextSearchResult = Type.Object(
  {
    query: Type.String(),
    results: Type.Array(ContextMatch),
    total_matches: Type.Integer(),
    search_time_ms: Type.Number(),
  },
  { title: 'ContextSearchResult' },
)
export type ContextSearchResult = Static<typeof ContextSearchResult>

/** Body of `PUT /api/v2/sessions/{session_id}/context/summary`. */
export const SummaryUpdate = Type.Object(
  {
    summary: Type.String({ minLength: 1, maxLength: MEMORY_LIMITS.summary }),
    key_topics: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: MEMORY_LIMITS.topic }), { maxItems: MEMORY_LIMITS.topics }),
    ),
    trigger: Type.Optional(Type.String({ maxLength: 64 })),
  },
  { ...closed, title: 'SummaryUpdate' },
)
export type SummaryUpdate = Static<typeof SummaryUpdate>
export const SummaryUpdated = Type.Object(
  {
    session_id: SessionId,
    summary_updated: Type.Literal(true),
    updated_at: Timestamp,
    previous_summary_archived: Type.Boolean(),
  },
  { title: 'SummaryUpdated' },
)
export type SummaryUpdated = Static<typeof SummaryUpdated>

/** Answer of `GET .../agents/{agent_name}/state`; its `ETag` goes into `If-Match` of an update. An agent without a state has `{}`. */
export const AgentStateAnswer = Type.Object(
  { session_id: SessionId, agent: AgentName, state: AgentState, last_updated: nullable(Timestamp) },
  { title: 'AgentStateAnswer' },
)
export type AgentStateAnswer = Static<typeof AgentStateAnswer>
export const AgentStateUpdate = Type.Object(
  { state_updates: AgentState, update_reason: Type.Optional(Type.String({ maxLength: 256 })) },
  { ...closed, title: 'AgentStateUpdate' },
)
export type AgentStateUpdate = Static<typeof AgentStateUpdate>
export const AgentStateUpdated = Type.Object(
  {
    session_id: SessionId,
    agent: AgentName,
    state_updated: Type.Literal(true),
    /** Fields at the top of the state that changed. */
    updated_fields: Type.Array(Type.String()),
    updated_at: Timestamp,
  },
  { title: 'AgentStateUpdated' },
)
export type AgentStateUpdated = Static<typeof AgentStateUpdated>

/** What nothing measured is null. */
const Measured = nullable(Type.Number())
export const MemoryAnalytics = Type.Object(
  {
    session_id: SessionId,
    analytics: Type.Object({
      memory_usage: Type.Object({
        total_conversations: Type.Integer(),
        total_turns: Type.Integer(),
        storage_size_mb: Type.Number(),
        oldest_conversation: nullable(Timestamp),
      }),
      interaction_patterns: Type.Object({
        average_conversation_length: Measured,
        most_active_agent: nullable(Type.String()),
        preferred_topics: Type.Array(Type.String()),
        response_satisfaction: Measured,
      }),
      context_effectiveness: Type.Object({
        context_utilization_rate: Measured,
        relevance_accuracy: Measured,
        context_hit_rate: Measured,
      }),
    }),
  },
  { title: 'MemoryAnalytics' },
)
export type MemoryAnalytics = Static<typeof MemoryAnalytics>

/** Body of `POST /api/v2/sessions/{session_id}/export`. */
export const SessionExport = Type.Object(
  {
    format: Type.Optional(Type.Union([Type.Literal('json'), Type.Literal('jsonl'), Type.Literal('markdown')])),
    include_metadata: Type.Optional(Type.Boolean()),
    include_agent_states: Type.Optional(Type.Boolean()),
    time_range: Type.Optional(TimeRange),
  },
  { ...closed, title: 'SessionExport' },
)
export type SessionExport = Static<typeof SessionExport>
/** An export, as it is while it is made and afterwards (`GET /api/v2/exports/{export_id}`). */
export const ExportStatus = Type.Object(
  {
    export_id: ExportId,
    session_id: SessionId,
    format: Type.Union([Type.Literal('json'), Type.Literal('jsonl'), Type.Literal('markdown')]),
    status: Type.Union([Type.Literal('processing'), Type.Literal('completed'), Type.Literal('failed')]),
    /** 0 to 1. */
    progress: Type.Number(),
    estimated_completion: nullable(Timestamp),
    /** A path that is signed, and works until `expires_at`. */
    download_url: Type.String(),
    expires_at: Timestamp,
    /** Of the file, once it is complete. */
    sha256: nullable(Type.String()),
    size: nullable(Type.Integer()),
  },
  { title: 'ExportStatus' },
)
export type ExportStatus = Static<typeof ExportStatus>
/** Answer of `POST /api/v2/sessions/import`, whose body is an export with `format: json`. */
export const SessionImported = Type.Intersect(
  [SessionCreated, Type.Object({ conversations: Type.Integer(), turns: Type.Integer() })],
  { title: 'SessionImported' },
)
export type SessionImported = Static<typeof SessionImported>

/** Errors of the routes about sessions. */
export const MemoryFailure = Type.Object(
  {
    error: Type.Object({
      /** Of {@link MEMORY_ERRORS}, or `INTERNAL_ERROR`. */
      code: Type.String(),
      message: Type.String(),
      details: Type.Object({
        session_id: Type.Optional(Type.String()),
        operation: Type.String(),
        timestamp: Timestamp,
      }),
      retry_after: Type.Optional(Type.Integer()),
    }),
  },
  { title: 'MemoryFailure' },
)
export type MemoryFailure = Static<typeof MemoryFailure>
