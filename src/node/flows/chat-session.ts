import type { EnhancedChatRequest, MemoryMetadata, MemoryOptions } from '../../../protocol/chat.ts'
import { type Conversation, MEMORY_LIMITS, type TurnAddition } from '../../../protocol/memory.ts'
import { memoryError } from '../../domain/memory/errors.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import type { Memory, SessionAccess } from '../memory-api.ts'
import { chatError } from './chat-errors.ts'
import { rememberFor } from './chat-memory.ts'
import { questionOf, textOf } from './chat-messages.ts'
import type { Remembered } from './chat-prompt.ts'

/** Who the answers are from where a request does not say. */
const AGENT = 'assistant'

interface Opening {
  readonly memory: Memory
  readonly clock: Clock
  readonly access: SessionAccess
  readonly request: EnhancedChatRequest
  readonly model: string
}

/** The session of one chat completion: what it is reminded of, and where what was said is stored. */
export class ChatSession {
  readonly #opening: Opening
  readonly #options: MemoryOptions
  readonly #question: string
  /** The conversation that goes on; undefined where a new one begins. */
  readonly #current: Conversation | undefined
  readonly #startedAt: number
  #remembered: Remembered = {}

  private constructor(opening: Opening, current: Conversation | undefined) {
    this.#opening = opening
    this.#options = opening.request.memory_options ?? {}
    this.#question = questionOf(opening.request.messages)
    this.#current = current
    this.#startedAt = opening.clock.now()
  }

  /**
   * Throws what storing the answer would throw anyway, before anybody is asked: `SESSION_NOT_FOUND`, `CONVERSATION_NOT_FOUND`, `SESSION_ARCHIVED`,
   * `CONFLICT` for a conversation that is completed.
   */
  static async open(opening: Opening): Promise<ChatSession> {
    const { memory, access, request } = opening
    const { session_id: sessionId, conversation_id: conversationId } = request
    if (sessionId !== undefined && sessionId !== access.sessionId) {
      throw memoryError('SESSION_NOT_FOUND', 'there is no such session')
    }
    const details = memory.session(access)
    const current =
      conversationId === undefined ? undefined : await memory.conversation(access, conversationId, { limit: 1 })
    const session = new ChatSession(opening, current)
    if (!session.#stores) return session
    if (session.#question === '') {
      throw chatError(
        'invalid_value',
        'messages: a message of the user with text is needed, or auto_store_response: false',
        'messages',
      )
    }
    if (details.status === 'archived') throw memoryError('SESSION_ARCHIVED', 'the session is archived')
    if (current !== undefined && current.status !== 'active') {
      throw memoryError('CONFLICT', `the conversation is ${current.status}: start another one`)
    }
    return session
  }

  /** As whom the answer is given. */
  get speaker(): { readonly agent: string } {
    return { agent: this.#options.agent ?? AGENT }
  }

  get #stores(): boolean {
    return this.#options.auto_store_response ?? true
  }

  /** What goes into the prompt, of at most as many tokens. */
  async remember(tokens: number, signal: AbortSignal): Promise<Remembered> {
    const { memory, access, request } = this.#opening
    const {
      use_context: useContext = true,
      include_agent_state: withState = true,
      context_depth: depth,
    } = this.#options
    this.#remembered = await rememberFor(
      memory,
      {
        access,
        current: this.#current,
        question: this.#question,
        sent: new Set(request.messages.map(({ content }) => textOf(content))),
        useContext,
        depth: depth ?? memory.session(access).user_preferences.context_depth,
        agent: withState ? this.speaker.agent : undefined,
        tokens,
      },
      signal,
    )
    return this.#remembered
  }

  /** Stores what the user said and what was answered, together; durable when it resolves. An answer that is empty is not stored. */
  async store(answer: string, signal: AbortSignal): Promise<MemoryMetadata> {
    const { this_conversation: own, earlier_conversations: earlier = [], agent_state: state } = this.#remembered
    const said = {
      context_used: own !== undefined || earlier.length > 0,
      relevant_conversations: earlier.length,
      agent_state_applied: state !== undefined,
      turn_stored: false,
      turn_id: null,
      conversation_id: this.#current?.conversation_id ?? null,
    }
    const { memory, access } = this.#opening
    if (this.#options.use_context ?? true) memory.countCompletion(access, said.context_used)
    if (!this.#stores || answer === '') return said
    signal.throwIfAborted()
    const { conversationId, turnId } = await this.#add(this.#turnOf(answer))
    return { ...said, turn_stored: true, turn_id: turnId, conversation_id: conversationId }
  }

  async #add(answer: TurnAddition): Promise<{ readonly conversationId: string; readonly turnId: string }> {
    const { memory, access } = this.#opening
    const question: TurnAddition = { agent: 'user', content: this.#question, metadata: { user_input: true } }
    if (this.#current !== undefined) {
      const { conversation_id: conversationId, total_turns: total, directive } = this.#current
      // A conversation that was just started has the question already.
      const isAsked = total === 1 && directive === this.#question
      const added = await memory.addTurns(access, conversationId, isAsked ? [answer] : [question, answer])
      return { conversationId, turnId: added.at(-1)!.turn_id }
    }
    // The directive is the first turn; a longer question is told again in full.
    const directive = this.#question.slice(0, MEMORY_LIMITS.directive)
    const turns = directive === this.#question ? [answer] : [question, answer]
    const started = await memory.startAnswered(access, directive, turns)
    return { conversationId: started.conversation_id, turnId: started.turns.at(-1)!.turn_id }
  }

  #turnOf(content: string): TurnAddition {
    const { model, request } = this.#opening
    const { temperature } = request
    const ms = Math.max(0, this.#opening.clock.now() - this.#startedAt)
    const metadata = { model, ...(typeof temperature === 'number' ? { temperature } : {}), response_time_ms: ms }
    return { agent: this.speaker.agent, content, metadata }
  }
}
