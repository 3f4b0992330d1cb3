import { type Static, Type } from 'typebox'
import { AgentName, ConversationId, MEMORY_LIMITS, SessionId, TurnId } from './memory.ts'

/**
 * Chat completions in the shape of OpenAI's ("Enhanced Chat Completions", "Stage 1 Endpoints"). Fields of OpenAI's API that are not listed are
 * accepted and have no effect, as other servers of this shape do.
 */

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

/** Bytes of the body of a chat completion: a long conversation, or a prompt of a million tokens. */
export const CHAT_BODY_BYTES = 4 * 1024 * 1024

/** Text, or the text parts of a message. */
const Content = Type.Union([
  Type.String({ maxLength: MEMORY_LIMITS.content }),
  Type.Array(Type.Object({ type: Type.Literal('text'), text: Type.String({ maxLength: MEMORY_LIMITS.content }) }), {
    maxItems: 64,
  }),
])
export const ChatMessage = Type.Object({
  role: Type.Union([
    Type.Literal('system'),
    Type.Literal('developer'),
    Type.Literal('user'),
    Type.Literal('assistant'),
  ]),
  content: Content,
  name: Type.Optional(Type.String({ maxLength: 64 })),
})
export type ChatMessage = Static<typeof ChatMessage>

const request = {
  model: Type.String({ minLength: 1, maxLength: 256 }),
  messages: Type.Array(ChatMessage, { minItems: 1, maxItems: MEMORY_LIMITS.messages }),
  temperature: Type.Optional(nullable(Type.Number({ minimum: 0, maximum: 2 }))),
  top_p: Type.Optional(nullable(Type.Number({ minimum: 0, maximum: 1 }))),
  max_tokens: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 1_000_000 }))),
  max_completion_tokens: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 1_000_000 }))),
  stop: Type.Optional(nullable(Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 4 })]))),
  seed: Type.Optional(nullable(Type.Integer())),
  stream: Type.Optional(nullable(Type.Boolean())),
  stream_options: Type.Optional(nullable(Type.Object({ include_usage: Type.Optional(Type.Boolean()) }))),
}

/** Body of `POST /v1/chat/completions`. */
export const ChatRequest = Type.Object(request, { title: 'ChatRequest' })
export type ChatRequest = Static<typeof ChatRequest>

export const MemoryOptions = Type.Object({
  use_context: Type.Optional(Type.Boolean()),
  context_depth: Type.Optional(Type.Integer({ minimum: 0, maximum: MEMORY_LIMITS.contextDepth })),
  include_agent_state: Type.Optional(Type.Boolean()),
  /** Whether what the user said and what was answered become turns; true unless given. */
  auto_store_response: Type.Optional(Type.Boolean()),
  /** Whose state is used, and who the answer is stored as; `assistant` unless given. */
  agent: Type.Optional(AgentName),
})
export type MemoryOptions = Static<typeof MemoryOptions>

/** Body of `POST /v2/chat/completions`. */
export const EnhancedChatRequest = Type.Object(
  {
    ...request,
    /** The first one that there is, unless given. */
    model: Type.Optional(request.model),
    /** The token's, unless given. */
    session_id: Type.Optional(SessionId),
    /** Without one, a conversation is started with the last message of the user. */
    conversation_id: Type.Optional(ConversationId),
    memory_options: Type.Optional(MemoryOptions),
  },
  { title: 'EnhancedChatRequest' },
)
export type EnhancedChatRequest = Static<typeof EnhancedChatRequest>

const Usage = Type.Object({
  prompt_tokens: Type.Integer(),
  completion_tokens: Type.Integer(),
  total_tokens: Type.Integer(),
})
const FinishReason = Type.Union([Type.Literal('stop'), Type.Literal('length'), Type.Literal('content_filter')])

export const MemoryMetadata = Type.Object({
  context_used: Type.Boolean(),
  relevant_conversations: Type.Integer(),
  agent_state_applied: Type.Boolean(),
  turn_stored: Type.Boolean(),
  turn_id: nullable(TurnId),
  conversation_id: nullable(ConversationId),
})
export type MemoryMetadata = Static<typeof MemoryMetadata>

export const ChatCompletion = Type.Object(
  {
    id: Type.String({ examples: ['chatcmpl-6f1c'] }),
    object: Type.Literal('chat.completion'),
    /** Unix seconds. */
    created: Type.Integer(),
    model: Type.String(),
    choices: Type.Array(
      Type.Object({
        index: Type.Integer(),
        message: Type.Object({
          role: Type.Literal('assistant'),
          content: Type.String(),
          agent: Type.Optional(AgentName),
        }),
        finish_reason: FinishReason,
      }),
    ),
    usage: Usage,
    memory_metadata: Type.Optional(MemoryMetadata),
  },
  { title: 'ChatCompletion' },
)
export type ChatCompletion = Static<typeof ChatCompletion>

/** One event of a stream; `data: [DONE]` ends it. The last one has `memory_metadata`, and `usage` where it was asked for. */
export const ChatCompletionChunk = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('chat.completion.chunk'),
    created: Type.Integer(),
    model: Type.String(),
    choices: Type.Array(
      Type.Object({
        index: Type.Integer(),
        delta: Type.Object({
          role: Type.Optional(Type.Literal('assistant')),
          content: Type.Optional(Type.String()),
        }),
        finish_reason: nullable(FinishReason),
      }),
    ),
    usage: Type.Optional(nullable(Usage)),
    memory_metadata: Type.Optional(MemoryMetadata),
  },
  { title: 'ChatCompletionChunk' },
)
export type ChatCompletionChunk = Static<typeof ChatCompletionChunk>

export const Model = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('model'),
    /** Unix seconds. */
    created: Type.Integer(),
    owned_by: Type.String(),
  },
  { title: 'Model' },
)
export const ModelList = Type.Object({ object: Type.Literal('list'), data: Type.Array(Model) }, { title: 'ModelList' })
export type ModelList = Static<typeof ModelList>

/** What the routes of this shape answer with when they fail. */
export const ChatFailure = Type.Object(
  {
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      param: nullable(Type.String()),
      code: nullable(Type.String()),
      retry_after: Type.Optional(Type.Integer()),
    }),
  },
  { title: 'ChatFailure' },
)
export type ChatFailure = Static<typeof ChatFailure>
