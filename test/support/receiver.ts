import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { Webhook } from 'standardwebhooks'
import type { WebhookEvent } from '../../protocol/webhooks.ts'

/** A request that arrived, with its body. */
export interface Received {
  readonly id: string
  readonly path: string
  readonly event: WebhookEvent
  /** Throws unless the signature is that of the secret. */
  verify(secret: string): void
}

/** How a receiver answers; the challenge is answered before it is asked. */
export type Answer = (received: Received, response: ServerResponse) => void

/** A receiver of webhooks on 127.0.0.1. */
export interface Receiver {
  readonly url: string
  readonly port: number
  /** Everything but challenges, in the order in which it arrived. */
  readonly received: Received[]
  readonly challenges: Received[]
  /** How many connections it saw. */
  readonly connections: () => number
  /** How many requests were being answered at once, at most. */
  readonly mostAtOnce: () => number
  answer: Answer
  /** Shows this certificate from now on; for receivers that began with one. */
  show(certificate: Certificate): void
  /** How challenges are answered; as they should unless it is set. */
  onChallenge: Answer
  /** Resolves when so many events have arrived. */
  has(count: number): Promise<Received[]>
  close(): Promise<void>
}

export const accept: Answer = (_received, response) => void response.writeHead(204).end()

export const echo: Answer = ({ event }, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ challenge: event.data['challenge' as never] }))
}

/** PEM texts. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Starts one; it closes with the test. With a certificate it is `localhost` over https. */
export async function startReceiver(t: TestContext, path = '/hook', certificate?: Certificate): Promise<Receiver> {
  let connections = 0
  let atOnce = 0
  let most = 0
  let waiting: { count: number; done: () => void }[] = []
  const listener: RequestListener = (request, response) => {
    atOnce++
    most = Math.max(most, atOnce)
    response.on('close', () => atOnce--)
    readAll(request).then(
      (body) => take(request, body, response),
      () => undefined,
    )
  }
  const secure = certificate && createTlsServer(certificate, listener)
  const server = secure ?? createServer(listener)
  const take = ({ headers, url = '' }: IncomingMessage, body: string, response: ServerResponse): void => {
    const event = JSON.parse(body) as WebhookEvent
    const received: Received = {
      id: String(headers['webhook-id']),
      path: url,
      event,
      verify: (secret) => void new Webhook(secret).verify(body, headers as Record<string, string>),
    }
    if (event.event_type === 'webhook.challenge') {
      receiver.challenges.push(received)
      receiver.onChallenge(received, response)
      return
    }
    receiver.received.push(received)
    receiver.answer(received, response)
    for (const { count, done } of waiting) if (receiver.received.length >= count) done()
    waiting = waiting.filter(({ count }) => receiver.received.length < count)
  }
  server.on('connection', () => connections++)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  const close = (): Promise<void> =>
    new Promise((closed) => {
      server.close(() => closed())
      server.closeAllConnections()
    })
  const receiver: Receiver = {
    url: secure === undefined ? `http://127.0.0.1:${port}${path}` : `https://localhost:${port}${path}`,
    port,
    received: [],
    challenges: [],
    connections: () => connections,
    mostAtOnce: () => most,
    answer: accept,
    show: (other) => secure?.setSecureContext(other),
    onChallenge: echo,
    async has(count) {
      if (receiver.received.length < count) await new Promise<void>((done) => waiting.push({ count, done }))
      return receiver.received
    },
    close,
  }
  t.after(close)
  return receiver
}

async function readAll(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}
