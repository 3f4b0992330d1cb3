import { Webhook as Signatures } from 'standardwebhooks'
import {
  DeadLetterList,
  type DeadLetterQuery,
  DeadLettersReplayed,
  Webhook,
  WebhookCreated,
  type WebhookCreation,
  WebhookEvent,
  WebhookList,
  WebhookTested,
} from '../../protocol/webhooks.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { IntegrityError } from './errors.ts'
import { type OperatorCalls, ownersAsk } from './operator-calls.ts'
import { type CallOptions, type Transport, withQuery } from './transport.ts'

/** Events that the first node sends to URLs. */
export interface WebhooksClient {
  /**
   * Registers a webhook. The answer is the only time that its secret is shown. It is `active` where the receiver answered the challenge
   * already ({@link challengeAnswer}), else `pending` until it does.
   */
  create(creation: WebhookCreation, options?: CallOptions): Promise<WebhookCreated>
  /** Oldest first. */
  list(options?: CallOptions): Promise<WebhookList['webhooks']>
  /** A webhook without its secret. */
  get(webhookId: string, options?: CallOptions): Promise<Webhook>
  /** Forgets a webhook, and what is on its way to it. */
  remove(webhookId: string, options?: CallOptions): Promise<Webhook>
  /** Sends an event now, or the challenge where the webhook is not active. */
  test(webhookId: string, options?: CallOptions): Promise<WebhookTested>
  /** Events that did not arrive, oldest first; `next_after` is `after` of the next page. */
  deadLetters(webhookId: string, query?: DeadLetterQuery, options?: CallOptions): Promise<DeadLetterList>
  /** Sends them again, under the same ids. */
  replay(webhookId: string, options?: CallOptions): Promise<DeadLettersReplayed>
}

const schemas = {
  created: checkerOf(WebhookCreated),
  webhook: checkerOf(Webhook),
  webhooks: checkerOf(WebhookList),
  tested: checkerOf(WebhookTested),
  deadLetters: checkerOf(DeadLetterList),
  replayed: checkerOf(DeadLettersReplayed),
  event: checkerOf(WebhookEvent),
}

const WEBHOOKS = '/api/v1/webhooks'

/** As the administrator whose key the transport has, or as an operator. */
export function webhooksClient(transport: Transport, operator?: OperatorCalls): WebhooksClient {
  const ask = ownersAsk(transport, operator)
  const one = (webhookId: string, more = ''): string => `${WEBHOOKS}/${encodeURIComponent(webhookId)}${more}`
  return {
    create: (creation, options) => ask(schemas.created, 'POST', WEBHOOKS, { ...options, payload: creation }),
    list: async (options) => (await ask<WebhookList>(schemas.webhooks, 'GET', WEBHOOKS, options)).webhooks,
    get: (webhookId, options) => ask(schemas.webhook, 'GET', one(webhookId), options),
    remove: (webhookId, options) => ask(schemas.webhook, 'DELETE', one(webhookId), options),
    test: (webhookId, options) => ask(schemas.tested, 'POST', one(webhookId, '/test'), options),
    deadLetters: (webhookId, query = {}, options) =>
      ask(schemas.deadLetters, 'GET', withQuery(one(webhookId, '/dead-letters'), query), options),
    replay: (webhookId, options) => ask(schemas.replayed, 'POST', one(webhookId, '/dead-letters/replay'), options),
  }
}

/** A request that a receiver got. */
export interface ReceivedWebhook {
  /** As it arrived: parsing and writing it again would change it. */
  readonly body: string | Uint8Array
  /** `webhook-id`, `webhook-timestamp` and `webhook-signature` are read, however they are spelt. */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>
}

/** An event whose signature holds. */
export interface VerifiedWebhook {
  /** The same each time that the event is sent: what was seen before is a repetition. */
  readonly id: string
  readonly event: WebhookEvent
}

/**
 * Verifies that a request comes from the node that made the webhook, within five minutes (Standard Webhooks). Of several secrets, such as an old and a
 * new one, one has to fit. Throws `IntegrityError`.
 */
export function verifyWebhook(
  { body, headers }: ReceivedWebhook,
  secrets: string | readonly string[],
): VerifiedWebhook {
  const named = namedHeaders(headers)
  try {
    const text =
      typeof body === 'string' ? body : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
    verifyAny(text, named, typeof secrets === 'string' ? [secrets] : secrets)
    const event = parseStrictJson(text)
    if (!schemas.event.Check(event)) throw new Error('it is no event')
    return { id: named['webhook-id']!, event }
  } catch (error) {
    throw new IntegrityError(`the webhook is not one of that node: ${errorMessage(error)}`, { cause: error })
  }
}

/** What a receiver answers, as JSON, where it wants the events of a webhook: to a `webhook.challenge`; undefined for any other event. */
export function challengeAnswer({ event_type, data }: WebhookEvent): { readonly challenge: string } | undefined {
  const { challenge } = data as { readonly challenge?: unknown }
  return event_type === 'webhook.challenge' && typeof challenge === 'string' ? { challenge } : undefined
}

function verifyAny(text: string, headers: Record<string, string>, secrets: readonly string[]): void {
  let failure: unknown = new Error('there is no secret to verify it with')
  for (const secret of secrets) {
    try {
      new Signatures(secret).verify(text, headers, { jsonParse: false })
      return
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function namedHeaders(headers: ReceivedWebhook['headers']): Record<string, string> {
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers)
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (typeof value === 'string' ? [[name.toLowerCase(), value]] : [])),
  )
}
