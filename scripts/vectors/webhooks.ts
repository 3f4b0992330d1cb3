import { Webhook } from 'standardwebhooks'

/** A request to a webhook, and whether its signature is that of the secret. */
export interface WebhookCase {
  readonly about: string
  readonly secret: string
  /** `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`. */
  readonly id: string
  readonly timestamp: number
  readonly signature: string
  readonly body: string
  readonly holds: boolean
}

const SECRET = `whsec_${Buffer.from(Uint8Array.from({ length: 32 }, (_, i) => i)).toString('base64')}`
const OTHER = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const TIMESTAMP = 1_767_225_600
const REQUEST = {
  secret: SECRET,
  id: `msg_019b76da70000001${'0123456789abcdef'}`,
  timestamp: TIMESTAMP,
  body: '{"event_type":"peer.banned","request_id":null,"timestamp":"2026-01-01T00:00:00.000Z","data":{"reason":"é"}}',
}

const sign = ({ secret, id, timestamp, body }: typeof REQUEST): string =>
  new Webhook(secret).sign(id, new Date(timestamp * 1000), body)

/** Signatures of webhooks. */
export function webhookVectors(): { cases: WebhookCase[] } {
  const signature = sign(REQUEST)
  const right = (about: string, change: Partial<typeof REQUEST>): WebhookCase => {
    const request = { ...REQUEST, ...change }
    return { about, ...request, signature: sign(request), holds: true }
  }
  const wrong = (about: string, change: Partial<typeof REQUEST & { signature: string }>): WebhookCase => ({
    about,
    ...REQUEST,
    signature,
    ...change,
    holds: false,
  })
  return {
    cases: [
      right('an event', {}),
      right('an empty body', { body: '' }),
      { ...right('one of several signatures', {}), signature: `${sign({ ...REQUEST, secret: OTHER })} ${signature}` },
      wrong('another secret', { secret: OTHER }),
      wrong('another id', { id: REQUEST.id.replace('f', 'e') }),
      wrong('another time', { timestamp: TIMESTAMP + 1 }),
      wrong('another body', { body: `${REQUEST.body} ` }),
      wrong('another version of signatures', { signature: signature.replace('v1,', 'v2,') }),
      wrong('no signature', { signature: '' }),
    ],
  }
}
