import { type MemoryBooks, memoryBooks } from '../domain/memory/memory-books.ts'
import type { Summarize } from '../domain/memory/recall.ts'
import { SessionRecall } from '../domain/memory/session-recall.ts'
import { sessionKeys } from '../domain/memory/session-records.ts'
import { summarizeByExtraction } from '../domain/memory/summarize.ts'
import { summarizeByModel } from '../domain/memory/summarize-by-model.ts'
import type { Lifecycle } from '../kernel/base/lifecycle.ts'
import { openMemoryKey } from '../kernel/identity/memory-key.ts'
import type { SecretSeal } from '../kernel/identity/sealed-secret.ts'
import type { Embeddings } from '../kernel/plugins/packages/embeddings.ts'
import type { Llm } from '../kernel/plugins/packages/llms.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import type { AnswerEngine } from './flows/answer-query.ts'
import { NodeChat } from './flows/chat.ts'
import { NodeMemory } from './memory.ts'
import type { Chat, Memory } from './memory-api.ts'
import type { NodeOptions } from './open-parts.ts'
import type { NodeParts } from './parts.ts'
import { SessionChores } from './session-chores.ts'

type Parts = Pick<NodeParts, 'config' | 'keys' | 'store' | 'clock' | 'logger'>

/** What memory is made from beside the parts. */
interface Made {
  readonly options: Pick<NodeOptions, 'memory' | 'sessions'>
  readonly metrics: Metrics
  readonly seal: SecretSeal
  readonly embeddings: Embeddings
  readonly llm: Llm
  readonly quotable: AnswerEngine['quotable']
}

/** Opens the sessions of this node, with what is found again and answered in them. What has to be stopped is the lifecycle's. */
export async function startMemory(
  lifecycle: Lifecycle,
  parts: Parts,
  { options, metrics, seal, embeddings, llm, quotable }: Made,
): Promise<{ readonly memory: Memory; readonly chat: Chat }> {
  const { config, clock, logger } = parts
  const books = await openBooks(parts)
  const found = new SessionRecall({
    texts: books.texts,
    embeddings,
    indexBytes: config.memory.index_bytes,
    clock,
    logger,
    metrics,
  })
  await lifecycle.start({ name: 'recall', start: () => undefined, stop: () => found.close() })
  const { recall = found, summarize = summarizeWith(llm, parts) } = options.memory ?? {}
  const linkKey = seal.derive('links to exports of sessions')
  const chores = new SessionChores({ ...parts, books, recall, summarize, linkKey })
  await lifecycle.start(chores)
  const sessions = new NodeMemory({
    clock,
    books,
    recall,
    summarize,
    chores,
    ...options.memory,
  })
  sessions.measure(metrics)
  const memory = options.sessions ?? sessions
  const chat = new NodeChat({
    llm,
    memory,
    clock,
    logger,
    contextTokens: config.memory.context_tokens,
    // What a stranger could not read here is not quoted to strangers either.
    quotable: async (question, signal) => (config.http.open_reading ? quotable(question, signal) : []),
  })
  return { memory, chat }
}

/** A composer that writes sentences of its own writes summaries, too. */
function summarizeWith(llm: Llm, { logger }: Pick<Parts, 'logger'>): Summarize {
  if (!llm.writes) return summarizeByExtraction
  const ask = async (text: string, signal: AbortSignal): Promise<string> => {
    const [model] = llm.models()
    let answer = ''
    const order = { model: model!, messages: [{ role: 'user' as const, content: text }], sources: async () => [] }
    for await (const part of llm.chat(order, signal)) if ('content' in part) answer += part.content
    return answer
  }
  return summarizeByModel(ask, summarizeByExtraction, logger)
}

/** What this node keeps of sessions, with the key that theirs are wrapped with. */
async function openBooks({
  config,
  keys,
  store,
  clock,
}: Pick<NodeParts, 'config' | 'keys' | 'store' | 'clock'>): Promise<MemoryBooks> {
  const { passphrase_file: passphraseFile, token_minutes: tokenMinutes, ...memory } = config.memory
  let needed = false
  for await (const _ of store.keys(sessionKeys, { limit: 1 })) needed = true
  const books = memoryBooks({
    store,
    clock,
    seal: openMemoryKey({ keyDirectory: config.key_dir, passphraseFile, needed }),
    limits: {
      sessionBytes: memory.session_bytes,
      maxBytes: memory.max_bytes,
      maxSessions: memory.max_sessions,
    },
    self: keys.providerId,
    token: keys.token,
    tokenMinutes,
  })
  await books.sessions.load()
  return books
}
