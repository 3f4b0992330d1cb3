import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Resolver } from '../../../src/kernel/egress/connect.ts'
import {
  DeliveryFailure,
  type DeliveryFailureReason,
  type Destination,
  type Notification,
  type Notifier,
  notifiers,
} from '../../../src/kernel/plugins/packages/notifiers.ts'
import { type NotifierUnderTest, notifierSuite } from '../../../src/kernel/plugins/suites/notifiers.ts'
import { isolatedRegistry } from '../../../src/providers/built-in.ts'
import { createWebhookNotifier } from '../../../src/providers/notifiers/webhook.ts'
import { type Answer, accept, startReceiver } from '../../support/receiver.ts'

const registry = isolatedRegistry()
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const NOBODY = new AbortController().signal
const LOG = { info: (): void => undefined }

const event = (more: Partial<Notification> & { data?: object } = {}): Notification => {
  const { id = 'msg_1', type = 'peer.banned', data = {}, challenge } = more
  const body = JSON.stringify({ event_type: type, request_id: null, timestamp: '2026-01-01T00:00:00.000Z', data })
  return { id, type, body, ...(challenge === undefined ? {} : { challenge }) }
}

const challenge = (text: string): Notification =>
  event({ type: 'webhook.challenge', data: { challenge: text }, challenge: text })

/** A notifier that may call private addresses unless told otherwise. */
function posting(
  t: TestContext,
  config: { allow_private?: boolean; timeout?: number } = {},
  resolve?: Resolver,
): Notifier {
  const notifier = createWebhookNotifier(NOBODY, { allow_private: true, timeout: 20_000, ...config }, resolve)
  t.after(() => notifier.close())
  return notifier
}

const deliver = (notifier: Notifier, url: string, notification = event(), signal = AbortSignal.timeout(20_000)) =>
  notifier.deliver(notification, { destination: { url, secret: SECRET }, log: LOG }, signal)

const failed =
  (reason: DeliveryFailureReason, status?: number) =>
  (error: unknown): true => {
    assert.ok(error instanceof DeliveryFailure, String(error))
    assert.equal(error.reason, reason, error.message)
    assert.equal(error.status, status)
    return true
  }

/** Runs the package's suite: its test runner gives no context to clean up with, so this makes one. */
function suite(name: string, make: (t: TestContext) => Promise<NotifierUnderTest>): void {
  describe(`the notifier ${name}`, () => {
    let current: TestContext | undefined
    notifierSuite({
      test: (title, run) =>
        it(title, async (t) => {
          current = t as TestContext
          await run()
        }),
      factory: () => make(current!),
    })
  })
}

suite('log', async () => ({ notifier: await registry.createProvider(notifiers, 'log'), destination: null }))
suite('webhook', async (t) => {
  const { url } = await startReceiver(t)
  const notifier = await registry.createProvider(notifiers, 'webhook', { allow_private: true })
  return { notifier, destination: { url, secret: SECRET } satisfies Destination }
})

describe('the notifier log', () => {
  it('writes the event, and nothing else, as fields of a line', async () => {
    const lines: unknown[] = []
    const notifier = await registry.createProvider(notifiers, 'log')
    const log = { info: (fields: object, message: string) => void lines.push([fields, message]) }
    const said = event({ data: { provider_id: 'x' } })
    await notifier.deliver(said, { destination: null, log: log as never }, NOBODY)
    assert.deepEqual(lines, [[{ delivery: 'msg_1', event: JSON.parse(said.body) }, 'peer.banned']])
  })
})

describe('the notifier webhook', () => {
  it('signs what it sends: the signature holds for the secret, and for no other', async (t) => {
    const receiver = await startReceiver(t)
    await deliver(posting(t), receiver.url, event({ id: 'msg_signed', data: { text: 'é "quoted"' } }))
    const [received] = receiver.received
    assert.equal(received?.id, 'msg_signed')
    assert.deepEqual(received.event.data, { text: 'é "quoted"' })
    received.verify(SECRET)
    assert.throws(() => received.verify(`whsec_${Buffer.alloc(32, 8).toString('base64')}`), /No matching signature/)
  })

  it('takes every status from 200 to 299, and tells the others apart', async (t) => {
    const receiver = await startReceiver(t)
    const notifier = posting(t)
    const says = (status: number): Promise<void> => {
      receiver.answer = (_received, response) => void response.writeHead(status).end('a secret of the receiver')
      return deliver(notifier, receiver.url)
    }
    for (const status of [200, 201, 202, 204, 299]) await says(status)
    for (const status of [400, 401, 404, 429, 500, 503]) await assert.rejects(says(status), failed('status', status))
    await assert.rejects(says(410), failed('gone', 410))
    for (const status of [301, 302, 307, 308]) await assert.rejects(says(status), failed('redirect'))
    await assert.rejects(says(500), (error: Error) => !error.message.includes('secret'))
  })

  it('follows no redirect: nobody is asked at the other end', async (t) => {
    const [receiver, other] = [await startReceiver(t), await startReceiver(t)]
    receiver.answer = (_received, response) => void response.writeHead(307, { Location: other.url }).end()
    await assert.rejects(deliver(posting(t), receiver.url), failed('redirect'))
    assert.equal(other.connections(), 0)
  })

  it('reads nothing of a body that never ends, and does not wait for it', async (t) => {
    const receiver = await startReceiver(t)
    const closed = Promise.withResolvers<void>()
    const endless: Answer = (_received, response) => {
      response.writeHead(200)
      const more = (): void => {
        while (response.write('x'.repeat(65_536))) {
          // Until the socket is full.
        }
      }
      response.on('drain', more)
      response.on('close', () => closed.resolve())
      more()
    }
    receiver.answer = endless
    await deliver(posting(t), receiver.url)
    await closed.promise
    receiver.onChallenge = endless
    await assert.rejects(deliver(posting(t), receiver.url, challenge('c')), failed('challenge'))
  })

  it('gives up on a receiver that says nothing, and on one that says its headers for ever', async (t) => {
    const receiver = await startReceiver(t)
    receiver.answer = () => undefined
    await assert.rejects(deliver(posting(t, { timeout: 50 }), receiver.url), failed('timed_out'))
    receiver.answer = (_received, response) => {
      response.socket?.write(`HTTP/1.1 200 OK\r\n${'X-Header: x\r\n'.repeat(10_000)}`)
    }
    await assert.rejects(deliver(posting(t), receiver.url), failed('unreachable'))
    await receiver.close()
    await assert.rejects(deliver(posting(t), receiver.url), failed('unreachable'))
  })

  it('ends what is under way when it is closed', async (t) => {
    const receiver = await startReceiver(t)
    const notifier = posting(t)
    receiver.answer = () => void notifier.close()
    await assert.rejects(deliver(notifier, receiver.url), /closed/)
  })

  it('takes a challenge as delivered only when the answer is the challenge', async (t) => {
    const receiver = await startReceiver(t)
    const notifier = posting(t)
    await deliver(notifier, receiver.url, challenge('the challenge'))
    const answers: (string | Buffer)[] = [
      '',
      'the challenge',
      '"the challenge"',
      '{"challenge":"another"}',
      '{"challenge":["the challenge"]}',
      '{"challenge":"another","challenge":"the challenge"}',
      `{"challenge":"the challenge","more":"${'x'.repeat(5000)}"}`,
      Buffer.from([0xff]),
    ]
    const challengeFailed = (error: unknown): boolean =>
      error instanceof DeliveryFailure && error.reason === 'challenge'
    for (const answer of answers) {
      receiver.onChallenge = (_received, response) => void response.writeHead(200).end(answer)
      await assert.rejects(deliver(notifier, receiver.url, challenge('the challenge')), challengeFailed)
    }
    receiver.onChallenge = ({ event }, response) => void response.writeHead(500).end(JSON.stringify(event.data))
    await assert.rejects(deliver(notifier, receiver.url, challenge('the challenge')), failed('status', 500))
  })
})

describe('where the notifier webhook goes', () => {
  const refused = (notifier: Notifier, url: string) => assert.rejects(deliver(notifier, url), failed('address'), url)

  it('nowhere but to https URLs without credentials', async (t) => {
    const receiver = await startReceiver(t)
    const notifier = posting(t)
    for (const url of [
      `http://user:secret@127.0.0.1:${receiver.port}/`,
      `http://user@127.0.0.1:${receiver.port}/`,
      `ftp://127.0.0.1:${receiver.port}/`,
      'file:///etc/passwd',
      'javascript:alert(1)',
      'data:text/plain,x',
      'https://',
      'no url',
    ]) {
      await refused(notifier, url)
    }
    assert.equal(receiver.connections(), 0)
  })

  it('to no private address, in whatever spelling', async (t) => {
    const receiver = await startReceiver(t)
    const notifier = posting(t, { allow_private: false })
    const { port } = receiver
    for (const host of [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '127.1',
      '0.0.0.0',
      '[::]',
      '169.254.169.254',
      '[::ffff:169.254.169.254]',
      '[64:ff9b::7f00:1]',
      '[fe80::1]',
      '[fd00::1]',
      '10.0.0.1',
      '192.168.1.1',
      '172.16.0.1',
      '100.64.0.1',
      '224.0.0.1',
      '255.255.255.255',
    ]) {
      await refused(notifier, `https://${host}:${port}/`)
      await refused(notifier, `http://${host}:${port}/`)
    }
    assert.equal(receiver.connections(), 0)
  })

  it('to link-local addresses never, and without TLS to private ones only', async (t) => {
    const notifier = posting(t)
    await refused(notifier, 'http://169.254.169.254/latest/meta-data')
    await refused(notifier, 'https://169.254.169.254/')
    await refused(notifier, 'http://[::ffff:169.254.169.254]/')
    await refused(notifier, 'http://93.184.215.14/')
  })

  it('not to what a name resolves to the second time', async (t) => {
    const receiver = await startReceiver(t)
    let asked = 0
    const rebinding: Resolver = (_hostname, _options, done) => {
      asked++
      done(null, [{ address: asked === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }])
    }
    const notifier = posting(t, {}, rebinding)
    receiver.answer = accept
    await deliver(notifier, `http://hooks.example:${receiver.port}/`)
    await refused(notifier, `http://hooks.example:${receiver.port}/`)
    assert.equal(asked, 2)
    assert.equal(receiver.connections(), 1)

    const inside: Resolver = (_hostname, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }])
    await refused(posting(t, { allow_private: false }, inside), `https://hooks.example:${receiver.port}/`)
    assert.equal(receiver.connections(), 1)
  })

  it('past the proxies of the environment', async (t) => {
    const [receiver, proxy] = [await startReceiver(t), await startReceiver(t)]
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'ALL_PROXY']) {
      const before = process.env[name]
      process.env[name] = `http://127.0.0.1:${proxy.port}`
      t.after(() => {
        if (before === undefined) delete process.env[name]
        else process.env[name] = before
      })
    }
    await deliver(posting(t), receiver.url)
    assert.equal(receiver.received.length, 1)
    assert.equal(proxy.connections(), 0)
  })
})
