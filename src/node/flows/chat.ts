import { randomBytes } from 'node:crypto'
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatRequest,
  EnhancedChatRequest,
  MemoryMetadata,
  ModelList,
} from '../../../protocol/chat.ts'
import { MEMORY_LIMITS } from '../../../protocol/memory.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import type {
  ChatEnd,
  ChatOrder,
  ChatTurn,
  ChatUsage,
  Llm,
  QuotableSource,
} from '../../kernel/plugins/packages/llms.ts'
import type { Logger } from '../../kernel/telemetry/logger.ts'
import type { Chat, Memory, SessionAccess } from '../memory-api.ts'
import { chatError, unavailable } from './chat-errors.ts'
import { questionOf, textOf } from './chat-messages.ts'
import { promptOf, type Remembered } from './chat-prompt.ts'
import { ChatSession } from './chat-session.ts'
import { documentSources, rememberedSources } from './chat-sources.ts'
import { countTokens } from './count-tokens.ts'

/** Who provides models, in the list of them. */
const OWNER = 'cytoplex'

/** What chats are made of. */
export interface ChatParts {
  readonly llm: Llm
  readonly memory: Memory
  readonly clock: Clock
  readonly logger: Logger
  /** Tokens of a prompt for what was remembered. */
  readonly contextTokens: number
  /** Sentences of documents that everybody may read, for composers that quote. */
  readonly quotable: (question: string, signal: AbortSignal) => Promise<readonly QuotableSource[]>
}

/** A piece of an answer as clients get it, or its end. */
type Piece = { readonly content: string } | { readonly finish: ChatEnd; readonly usage: ChatUsage }

/** Chat completions: messages go to the composer that the configuration chose, with what a session remembers where there is one. */
export class NodeChat implements Chat {
  readonly #parts: ChatParts
  /** Unix seconds. */
  readonly #since: number

  constructor(parts: ChatParts) {
    this.#parts = parts
    this.#since = Math.floor(parts.clock.now() / 1000)
  }

  get spends(): boolean {
    return this.#parts.llm.spendsCredential
  }

  models(): ModelList {
    const data = this.#parts.llm
      .models()
      .map((id) => ({ id, object: 'model' as const, created: this.#since, owned_by: OWNER }))
    return { object: 'list', data }
  }

  complete(request: ChatRequest, signal: AbortSignal): Promise<ChatCompletion> {
    return this.#whole(request, undefined, signal)
  }

  stream(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatCompletionChunk> {
    return this.#streamed(request, undefined, signal)
  }

  completeWithMemory(
    access: SessionAccess,
    request: EnhancedChatRequest,
    signal: AbortSignal,
  ): Promise<ChatCompletion> {
    return this.#whole(request, access, signal)
  }

  streamWithMemory(
    access: SessionAccess,
    request: EnhancedChatRequest,
    signal: AbortSignal,
  ): AsyncIterable<ChatCompletionChunk> {
    return this.#streamed(request, access, signal)
  }

  async #whole(
    request: EnhancedChatRequest,
    access: SessionAccess | undefined,
    signal: AbortSignal,
  ): Promise<ChatCompletion> {
    const model = this.#modelOf(request)
    const head = this.#head('chat.completion')
    const session = await this.#session(request, model, access)
    let content = ''
    let end: Extract<Piece, { finish: ChatEnd }> | undefined
    for await (const piece of this.#answer(request, model, session, signal)) {
      if ('content' in piece) content += piece.content
      else end = piece
    }
    const { finish, usage } = end!
    const metadata = await session?.store(content, signal)
    return {
      ...head,
      model,
      choices: [{ index: 0, message: { role: 'assistant', content, ...session?.speaker }, finish_reason: finish }],
      usage: totalOf(usage),
      ...withMetadata(metadata),
    }
  }

  async *#streamed(
    request: EnhancedChatRequest,
    access: SessionAccess | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<ChatCompletionChunk, void, undefined> {
    const model = this.#modelOf(request)
    const head = { ...this.#head('chat.completion.chunk'), model }
    const counts = request.stream_options?.include_usage === true
    // As OpenAI's: each chunk has the field where it was asked for, and only one has a number.
    const uncounted = counts ? { usage: null } : {}
    const session = await this.#session(request, model, access)
    let content = ''
    for await (const piece of this.#answer(request, model, session, signal)) {
      if ('content' in piece) {
        const role = content === '' ? { role: 'assistant' as const } : {}
        content += piece.content
        const delta = { ...role, content: piece.content }
        yield { ...head, choices: [{ index: 0, delta, finish_reason: null }], ...uncounted }
        continue
      }
      // Before the client is told that the answer is whole.
      const metadata = withMetadata(await session?.store(content, signal))
      const choices = [{ index: 0, delta: {}, finish_reason: piece.finish }]
      yield { ...head, choices, ...(counts ? uncounted : metadata) }
      if (counts) yield { ...head, choices: [], usage: totalOf(piece.usage), ...metadata }
    }
  }

  #head<Kind extends 'chat.completion' | 'chat.completion.chunk'>(object: Kind) {
    const id = `chatcmpl-${randomBytes(12).toString('hex')}`
    return { id, object, created: Math.floor(this.#parts.clock.now() / 1000) }
  }

  async #session(
    request: EnhancedChatRequest,
    model: string,
    access: SessionAccess | undefined,
  ): Promise<ChatSession | undefined> {
    if (access === undefined) return undefined
    return ChatSession.open({ memory: this.#parts.memory, clock: this.#parts.clock, access, request, model })
  }

  #modelOf({ model }: EnhancedChatRequest): string {
    const models = this.#parts.llm.models()
    if (model === undefined) return models[0]!
    if (models.includes(model)) return model
    const message = `model: found ${JSON.stringify(model)}, allowed is ${models.join(' or ')}`
    throw chatError('model_not_found', message, 'model')
  }

  /** What the composer says, no longer than a turn may be, and its end with what it cost. */
  async *#answer(
    request: EnhancedChatRequest,
    model: string,
    session: ChatSession | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Piece, void, undefined> {
    const { llm, contextTokens } = this.#parts
    const own = request.messages.map(({ role, content }) => ({ role, content: textOf(content) }))
    const remembered = (await session?.remember(contextTokens, signal)) ?? {}
    const messages = promptOf(own, remembered)
    const order = this.#order(request, model, messages, remembered)
    let content = ''
    try {
      for await (const part of llm.chat(order, signal)) {
        if ('finish' in part) {
          yield { finish: part.finish, usage: part.usage ?? (await counted(messages, content)) }
          return
        }
        const text = part.content.slice(0, MEMORY_LIMITS.content - content.length)
        content += text
        if (text !== '') yield { content: text }
        if (text.length < part.content.length) {
          yield { finish: 'length', usage: await counted(messages, content) }
          return
        }
      }
    } catch (error) {
      signal.throwIfAborted()
      throw this.#failed(error)
    }
    throw this.#failed(new Error('its answer has no end'))
  }

  #failed(error: unknown): Error {
    const { llm, logger } = this.#parts
    logger.warn({ model: llm.model, err: error }, 'a chat was not answered')
    return unavailable(error, llm.model)
  }

  #order(
    request: EnhancedChatRequest,
    model: string,
    messages: readonly ChatTurn[],
    remembered: Remembered,
  ): ChatOrder {
    const { temperature, top_p, max_tokens, max_completion_tokens, stop, seed } = request
    const question = questionOf(request.messages)
    return {
      model,
      messages,
      temperature: temperature ?? undefined,
      topP: top_p ?? undefined,
      maxTokens: max_completion_tokens ?? max_tokens ?? undefined,
      stop: typeof stop === 'string' ? [stop] : (stop ?? undefined),
      seed: seed ?? undefined,
      sources: async (signal) => [
        ...rememberedSources(question, remembered),
        ...documentSources(await this.#parts.quotable(question, signal)),
      ],
    }
  }
}

/** Where a service does not say what it took. */
async function counted(messages: readonly ChatTurn[], content: string): Promise<ChatUsage> {
  let prompt = 0
  for (const message of messages) prompt += await countTokens(message.content)
  return { prompt_tokens: prompt, completion_tokens: await countTokens(content) }
}

const totalOf = (usage: ChatUsage) => ({ ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens })

const withMetadata = (metadata: MemoryMetadata | undefined) =>
  metadata === undefined ? {} : { memory_metadata: metadata }
