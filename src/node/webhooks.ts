import { LIMITS } from '../../protocol/limits.ts'
import {
  CHALLENGE_EVENT,
  type DeadLetterList,
  type DeadLetterQuery,
  type DeadLettersReplayed,
  NODE_EVENTS,
  OPERATOR_EVENTS,
  TEST_EVENT,
  WEBHOOK_LIMITS,
  type Webhook,
  type WebhookCreated,
  type WebhookCreation,
  type WebhookList,
  type WebhookTested,
} from '../../protocol/webhooks.ts'
import type { Administration } from '../domain/access/administration.ts'
import type { Deliveries } from '../domain/assurance/deliveries.ts'
import type { WebhookOnFile, Webhooks, WebhookWitness } from '../domain/assurance/webhooks.ts'
import { ProviderError } from '../kernel/base/errors.ts'
import { type EventDelivery, TargetBusyError } from './flows/deliver-events.ts'
import type { AttemptError } from './flows/standings.ts'

interface Needs {
  readonly webhooks: Webhooks
  readonly deliveries: Deliveries
  readonly delivery: EventDelivery
  readonly administration: Administration
}

/** Who manages webhooks. */
export interface WebhookOwner {
  /** An operator's id; null for the administrator, whose webhooks hear of the node itself. */
  readonly owner: string | null
  /** As the node's log names it. */
  readonly by: string
}

/** Webhooks as the doors see them. Everybody sees their own; others' are as if there were none. */
export class NodeWebhooks {
  readonly #needs: Needs

  constructor(needs: Needs) {
    this.#needs = needs
  }

  /**
   * Registers a webhook, once its URL may be called. The challenge is sent at once; a receiver that does not answer it yet is asked again. Durable
   * when it resolves; the secret is shown this once. Throws status 422 for a URL that is not called, and for events of others, 429 where there are too
   * many.
   */
  async create({ url, events }: WebhookCreation, { owner, by }: WebhookOwner): Promise<WebhookCreated> {
    const { webhooks, delivery } = this.#needs
    if (!delivery.canPost) {
      throw new ProviderError('PROV_001', 'this node has no notifier for webhooks (providers.notifiers)', {
        status: 503,
      })
    }
    const allowed: readonly string[] = owner === null ? NODE_EVENTS : OPERATOR_EVENTS
    const foreign = events.find((event) => !allowed.includes(event))
    if (foreign !== undefined) {
      const message = `events: found ${foreign}, allowed are ${allowed.join(', ')}`
      throw new ProviderError('PROV_001', message, { status: 422 })
    }
    const target = URL.parse(url)
    if (target === null) throw refusedUrl(url)
    let error: AttemptError
    const prove = async (webhook: WebhookOnFile, secret: string): Promise<boolean> => {
      error = await unlessBusy(delivery.challenge(webhook, secret, WEBHOOK_LIMITS.firstChallengeMs))
      if (error === 'address') throw refusedUrl(url)
      return error === undefined
    }
    const witness = this.#witness('webhook_added', { owner, by })
    const { webhook, secret } = await webhooks.add({ owner, url: target.href, events }, prove, witness)
    await delivery.proven(webhook.id, error)
    return { ...this.#describe(webhook), secret }
  }

  list({ owner }: WebhookOwner): WebhookList {
    return { webhooks: this.#needs.webhooks.list(owner).map((webhook) => this.#describe(webhook)) }
  }

  /** Throws status 404, as the others. */
  get({ owner }: WebhookOwner, id: string): Webhook {
    return this.#describe(this.#needs.webhooks.find(owner, id))
  }

  /** Forgets a webhook with everything on its way to it. Durable when it resolves, with the webhook as it was. */
  async remove({ owner, by }: WebhookOwner, id: string): Promise<Webhook> {
    const { webhooks, deliveries, delivery } = this.#needs
    const before = this.#describe(webhooks.find(owner, id))
    const witness = this.#witness('webhook_removed', { owner, by })
    await webhooks.remove(owner, id, (tx, webhook) => {
      deliveries.forget(tx, id)
      witness(tx, webhook)
    })
    deliveries.forgotten(id)
    delivery.forget(id)
    return before
  }

  /** Tries a webhook out: one that is not active gets the challenge, and is active once it answers that. Throws status 429 while too much is under way. */
  async test({ owner }: WebhookOwner, id: string): Promise<WebhookTested> {
    const { webhooks, delivery } = this.#needs
    const webhook = webhooks.find(owner, id)
    const isActive = webhook.status === 'active'
    let error: AttemptError
    if (isActive) error = await unlessBusy(delivery.test(webhook))
    else {
      const secret = webhooks.secretOf(webhook)
      error = await unlessBusy(delivery.challenge(webhook, secret, WEBHOOK_LIMITS.attemptMs))
      await delivery.proven(id, error)
    }
    return {
      webhook_id: id,
      event_type: isActive ? TEST_EVENT : CHALLENGE_EVENT,
      delivered: error === undefined,
      status: webhooks.find(owner, id).status,
      error: error ?? null,
    }
  }

  /** What did not arrive, a page at a time. */
  deadLetters({ owner }: WebhookOwner, id: string, query: DeadLetterQuery): DeadLetterList {
    const { webhooks, deliveries } = this.#needs
    webhooks.find(owner, id)
    return deliveries.deadLetters(id, { limit: LIMITS.defaultPage, ...query })
  }

  /** Puts what did not arrive on its way again. Throws status 409 for a webhook that is not active. */
  async replay({ owner }: WebhookOwner, id: string): Promise<DeadLettersReplayed> {
    const { webhooks, deliveries, delivery } = this.#needs
    const { status } = webhooks.find(owner, id)
    if (status !== 'active') {
      const message = `the webhook ${id} is ${status}: it has to answer the challenge first (POST /api/v1/webhooks/${id}/test)`
      throw new ProviderError('PROV_001', message, { status: 409 })
    }
    const replayed = await deliveries.replay(id)
    delivery.look()
    return { replayed }
  }

  /** Acts of the administrator are logged; operators' are their own. */
  #witness(act: 'webhook_added' | 'webhook_removed', { owner, by }: WebhookOwner): WebhookWitness {
    return (tx, { id, url, events }) => {
      if (owner !== null) return
      const details = { webhook_id: id, origin: new URL(url).origin, events: [...events] }
      this.#needs.administration.add(tx, { act, by, details })
    }
  }

  #describe({ id, owner, url, events, created_at }: WebhookOnFile): Webhook {
    const { webhooks, deliveries, delivery } = this.#needs
    const { queued, dead } = deliveries.countsOf(id)
    const { failures, lastError, lastDeliveryAt } = delivery.standingOf(id)
    return {
      webhook_id: id,
      operator_id: owner,
      url,
      events,
      status: webhooks.get(id)?.status ?? 'pending',
      created_at: new Date(created_at).toISOString(),
      queued,
      dead_letters: dead,
      failures,
      last_error: lastError,
      last_delivery_at: lastDeliveryAt === null ? null : new Date(lastDeliveryAt).toISOString(),
    }
  }
}

/** The URL is not repeated beyond its origin: it may hold credentials. */
function refusedUrl(url: string): ProviderError {
  const found = URL.parse(url)?.origin
  const what = found === undefined || found === 'null' ? 'no http or https URL' : found
  const message = `url: found ${what}, allowed are https URLs without credentials at public addresses; private ones where assurance.webhooks_allow_private says so`
  return new ProviderError('PROV_001', message, { status: 422 })
}

async function unlessBusy(attempt: Promise<AttemptError>): Promise<AttemptError> {
  try {
    return await attempt
  } catch (error) {
    if (error instanceof TargetBusyError) throw new ProviderError('PROV_013', error.message)
    throw error
  }
}
