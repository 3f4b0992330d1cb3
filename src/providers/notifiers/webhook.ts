import { Webhook } from 'standardwebhooks'
import { Check } from 'typebox/value'
import { ChallengeAnswer, WEBHOOK_LIMITS } from '../../../protocol/webhooks.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import type { AddressRange } from '../../kernel/egress/address-range.ts'
import { checkedUrl, EgressError, type Resolver } from '../../kernel/egress/connect.ts'
import { post } from '../../kernel/egress/post.ts'
import { DeliveryFailure, type Destination, type Notifier } from '../../kernel/plugins/packages/notifiers.ts'
import type { ProviderConfig } from '../../kernel/plugins/provider-config.ts'

/** HTTP's word for who wants nothing any more. */
const GONE = 410

/**
 * Posts events to the URLs of webhooks, signed as Standard Webhooks has it (https://www.standardwebhooks.com). Nothing of what a receiver says is
 * passed on. `resolve` stands in for the system's resolver.
 */
export function createWebhookNotifier(_signal: AbortSignal, config: ProviderConfig, resolve?: Resolver): Notifier {
  const { timeout: deadlineMs = WEBHOOK_LIMITS.attemptMs, allow_private: allowPrivate } = config
  const closing = new AbortController()
  return {
    needsDestination: true,
    async deliver({ id, body, challenge }, { destination }, caller) {
      if (destination === null) throw new Error('a webhook needs a destination')
      const signal = AbortSignal.any([caller, closing.signal])
      signal.throwIfAborted()
      const now = new Date()
      try {
        const answer = await post({
          url: destination.url,
          headers: {
            'User-Agent': 'Cytoplex',
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
            'webhook-signature': new Webhook(destination.secret).sign(id, now, body),
          },
          body,
          allows: mayCall(destination, allowPrivate === true),
          deadlineMs,
          maxBytes: challenge === undefined ? 0 : WEBHOOK_LIMITS.answerBytes,
          signal,
          resolve,
        })
        checkAnswer(answer, challenge)
      } catch (error) {
        signal.throwIfAborted()
        throw asFailure(error)
      }
    },
    async close() {
      closing.abort(new Error('the notifier is closed'))
    },
  }
}

/**
 * Which addresses a destination may turn out to be at. Without TLS only private ones, where the operator of the node allows those. Link-local ones
 * are nobody's receiver: that is where clouds keep the credentials of machines.
 */
function mayCall({ url }: Destination, allowPrivate: boolean): (range: AddressRange) => boolean {
  const isSecure = checkedUrl(url).protocol === 'https:'
  return (range) => {
    if (range === 'public') return isSecure
    return allowPrivate && range !== 'special' && range !== 'private:link-local'
  }
}

function checkAnswer(
  { status, body }: { readonly status: number; readonly body: Uint8Array },
  challenge?: string,
): void {
  if (status === GONE) throw new DeliveryFailure('gone', 'the receiver wants nothing any more', { status })
  if (status < 200 || status > 299) throw new DeliveryFailure('status', `answered with status ${status}`, { status })
  if (challenge !== undefined && !echoes(body, challenge)) {
    throw new DeliveryFailure('challenge', 'the answer is not the challenge', { status })
  }
}

function echoes(body: Uint8Array, challenge: string): boolean {
  try {
    const answer = parseStrictJson(body)
    return Check(ChallengeAnswer, answer) && answer.challenge === challenge
  } catch {
    return false
  }
}

/** What an owner may know of a failure. Of an answer that is too long, that it does not answer the challenge. */
function asFailure(error: unknown): unknown {
  if (!(error instanceof EgressError)) return error
  const { reason, message } = error
  switch (reason) {
    case 'address':
    case 'unreachable':
    case 'certificate':
    case 'timed_out':
    case 'redirect':
      return new DeliveryFailure(reason, message, { cause: error })
    default:
      return new DeliveryFailure('challenge', message, { cause: error })
  }
}
