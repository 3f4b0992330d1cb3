import { type Static, Type } from 'typebox'
import { checkerOf } from '../../kernel/base/checker.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import type { ChatEnd, ChatUsage } from '../../kernel/plugins/packages/llms.ts'

/** What services that speak chat completions send, read no further than it is used. */

const Text = Type.Optional(Type.Union([Type.String(), Type.Null()]))
const Count = Type.Integer({ minimum: 0 })
const Finish = Type.Optional(Type.Union([Type.String(), Type.Null()]))
const Usage = Type.Optional(Type.Union([Type.Object({ prompt_tokens: Count, completion_tokens: Count }), Type.Null()]))

const event = checkerOf(
  Type.Object({
    choices: Type.Array(Type.Object({ delta: Type.Optional(Type.Object({ content: Text })), finish_reason: Finish })),
    usage: Usage,
  }),
)
const Whole = Type.Object({
  choices: Type.Array(Type.Object({ message: Type.Object({ content: Text }), finish_reason: Finish }), { minItems: 1 }),
  usage: Usage,
})
const whole = checkerOf(Whole)

/** What one event, or a whole answer, says. */
export interface Said {
  readonly content: string
  /** Undefined while the answer goes on. */
  readonly finish: ChatEnd | undefined
  readonly usage: ChatUsage | undefined
}

/** Data of an event of a stream. Throws for anything else. */
export function eventOf(data: string): Said {
  const found = parseStrictJson(data)
  if (!event.Check(found)) throw new Error('the model sends events that are no chat completion')
  const [choice] = found.choices
  return { content: choice?.delta?.content ?? '', finish: endOf(choice?.finish_reason), usage: usageOf(found.usage) }
}

/** An answer that is not streamed. It is whole, whether it says why it ended or not. Throws for anything else. */
export function wholeOf(body: unknown): Said {
  if (!whole.Check(body)) throw new Error('the model answers with something else than a chat completion')
  const { choices, usage } = body as Static<typeof Whole>
  const { message, finish_reason: reason } = choices[0]!
  return { content: message.content ?? '', finish: endOf(reason) ?? 'stop', usage: usageOf(usage) }
}

const usageOf = (usage: ChatUsage | null | undefined): ChatUsage | undefined =>
  usage === null || usage === undefined
    ? undefined
    : { prompt_tokens: usage.prompt_tokens, completion_tokens: usage.completion_tokens }

/** Reasons that only some services have are whole answers to whoever asked no more than that. */
function endOf(reason: string | null | undefined): ChatEnd | undefined {
  if (reason === null || reason === undefined) return undefined
  return reason === 'length' || reason === 'content_filter' ? reason : 'stop'
}
