import { type Static, Type } from 'typebox'
import { Timestamp } from './fields.ts'
import {
  AgentName,
  AgentState,
  ConversationId,
  ConversationStatus,
  MEMORY_LIMITS,
  SessionId,
  SessionStatus,
  TurnMetadata,
  UserPreferences,
} from './memory.ts'

/** Files that sessions are exported to and imported from: `README.md`, "Exports of sessions". */

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

/** Name and version of the form of the files. */
export const EXPORT_FORMAT = 'cytoplex-session/1'

const Topics = Type.Array(Type.String({ minLength: 1, maxLength: MEMORY_LIMITS.topic }), {
  maxItems: MEMORY_LIMITS.topics,
})
const SummaryText = Type.String({ maxLength: MEMORY_LIMITS.summary })
/** Conversations and turns are counted from 1, without end in sight. */
const TurnNumber = Type.Integer({ minimum: 1, maximum: 9_999_999_999 })

export const ExportedSession = Type.Object({
  session_id: SessionId,
  created_at: Timestamp,
  status: SessionStatus,
  user_preferences: UserPreferences,
})
export type ExportedSession = Static<typeof ExportedSession>

/** What a session was said to be about, oldest first: the last one holds. */
export const ExportedSummary = Type.Object({
  summary: SummaryText,
  key_topics: Topics,
  /** What it was written for: `conversation_completed`, `initial_context`, or what a client said. */
  trigger: nullable(Type.String({ maxLength: 64 })),
  created_at: Timestamp,
})
export type ExportedSummary = Static<typeof ExportedSummary>

export const ExportedState = Type.Object({ agent: AgentName, state: AgentState, last_updated: Timestamp })
export type ExportedState = Static<typeof ExportedState>

export const ExportedConversation = Type.Object({
  conversation_id: ConversationId,
  created_at: Timestamp,
  status: ConversationStatus,
  completed_at: nullable(Timestamp),
  /** Of a completed one, where there is one. */
  summary: nullable(SummaryText),
  key_topics: Topics,
})
export type ExportedConversation = Static<typeof ExportedConversation>

export const ExportedTurn = Type.Object({
  turn_number: TurnNumber,
  agent: AgentName,
  content: Type.String({ minLength: 1, maxLength: MEMORY_LIMITS.content }),
  timestamp: Timestamp,
  /** Left out where the export was ordered without. */
  metadata: Type.Optional(TurnMetadata),
})
export type ExportedTurn = Static<typeof ExportedTurn>

/** An export with `format: json`, as it is imported. */
export const SessionFile = Type.Object(
  {
    format: Type.Literal(EXPORT_FORMAT),
    exported_at: Timestamp,
    session: ExportedSession,
    summaries: Type.Array(ExportedSummary),
    agent_states: Type.Array(ExportedState, { maxItems: MEMORY_LIMITS.agents }),
    conversations: Type.Array(
      Type.Intersect([ExportedConversation, Type.Object({ turns: Type.Array(ExportedTurn, { minItems: 1 }) })]),
    ),
  },
  { title: 'SessionFile' },
)
export type SessionFile = Static<typeof SessionFile>
