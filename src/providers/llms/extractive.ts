import type { ChatOrder, ChatPart, ChatSource, Llm } from '../../kernel/plugins/packages/llms.ts'
import { quoteSentences } from './quote-sentences.ts'

/** Changes with the rules below. */
const MODEL = 'extractive/1'
/** What a chat asks for. */
const CHAT_MODEL = 'extractive'
/** UTF-16 code units that a chat is answered with, for each kind of source. */
const MAX_QUOTED = 4000
/** UTF-16 code units of a token: what English has on average. This provider has no tokenizer of its own. */
const TOKEN = 4

/** What an answer says first, so that nobody takes it for more than it is. */
const QUOTES = 'I am no language model: I only quote. '
const NOTHING = `${QUOTES}Nothing that I may quote says anything about this.`
const HEADINGS = {
  conversation: 'From earlier conversations:',
  document: 'From documents on this node:',
} as const

/** Whether a text is an answer of this provider, which is not worth quoting: what it quotes is. */
export const isOnlyQuoted = (text: string): boolean => text.startsWith(QUOTES)

/** Quotes the sentences that fit best, without any model: protocol/README.md, "extractive/1". The same request has the same answer. */
export function createExtractiveLlm(): Llm {
  let isClosed = false
  const assertOpen = (signal: AbortSignal): void => {
    signal.throwIfAborted()
    if (isClosed) throw new Error('the composer is closed')
  }
  return {
    model: MODEL,
    spendsCredential: false,
    writes: false,
    models: () => [CHAT_MODEL],
    async compose(composition, signal) {
      assertOpen(signal)
      return quoteSentences(composition.sources, composition)
        .map(({ sentence }) => sentence.text)
        .join('\n')
    },
    async *chat(order, signal) {
      assertOpen(signal)
      const sources = await order.sources(signal)
      assertOpen(signal)
      yield* ended(answerOf(sources), order)
    },
    async close() {
      isClosed = true
    },
  }
}

/** Quotations, each with where it stands, under what kind of source they are from. */
function answerOf(sources: readonly ChatSource[]): string {
  const parts = (['conversation', 'document'] as const).flatMap((kind) => {
    const ofKind = sources.filter((source) => source.kind === kind)
    const quoted = quoteSentences(ofKind, { maxSentences: ofKind.length * 4, maxCharacters: MAX_QUOTED })
    if (quoted.length === 0) return []
    return [HEADINGS[kind], ...quoted.map(({ source, sentence }) => `“${sentence.text}” (${ofKind[source]!.label})`)]
  })
  return parts.length === 0 ? NOTHING : [`${QUOTES}This is what I found.`, ...parts].join('\n')
}

/** An answer as far as the order lets it go. */
function* ended(answer: string, { maxTokens, stop = [] }: ChatOrder): Generator<ChatPart> {
  const stops = stop.filter((text) => text !== '').map((text) => answer.indexOf(text))
  const whole = Math.min(answer.length, ...stops.filter((at) => at >= 0))
  const most = (maxTokens ?? Number.POSITIVE_INFINITY) * TOKEN
  const content = answer.slice(0, Math.min(whole, most))
  if (content !== '') yield { content }
  yield { finish: whole > most ? 'length' : 'stop' }
}
