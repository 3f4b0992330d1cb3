import assert from 'node:assert/strict'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { WEBHOOK_LIMITS, type WebhookCreation } from '../../protocol/webhooks.ts'
import { Deliveries } from '../../src/domain/assurance/deliveries.ts'
import { Webhooks } from '../../src/domain/assurance/webhooks.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import type { Resolver } from '../../src/kernel/egress/connect.ts'
import { openSecretSeal } from '../../src/kernel/identity/sealed-secret.ts'
import type { Notification, Notifier } from '../../src/kernel/plugins/packages/notifiers.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import { EventDelivery } from '../../src/node/flows/deliver-events.ts'
import { NodeWebhooks } from '../../src/node/webhooks.ts'
import { createWebhookNotifier } from '../../src/providers/notifiers/webhook.ts'
import { silentLogger } from '../network/nodes.ts'
import { TestClock } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { type Answer, accept, echo, type Receiver, startReceiver } from '../support/receiver.ts'

const ADMIN = { owner: null, by: 'admin' }
const ALICE = { owner: 'alice', by: 'operator:alice' }
const BOB = { owner: 'bob', by: 'operator:bob' }

interface Options {
  readonly allow_private?: boolean
  readonly resolve?: Resolver
  readonly also?: Notifier
}

/** Webhooks of a node on a real store, whose network is this machine. */
async function start(t: TestContext, { allow_private = true, resolve, also }: Options = {}) {
  const folder = await temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const acts: unknown[] = []
  const administration = { add: (_tx: unknown, act: unknown) => acts.push(act) }
  let store = await Store.open(join(folder, 'store'), { createIfMissing: true })

  const begin = async () => {
    const events = new Events(silentLogger)
    const webhooks = new Webhooks(store, clock, openSecretSeal(folder))
    const deliveries = new Deliveries(store, clock)
    const posting = createWebhookNotifier(t.signal, { allow_private, timeout: WEBHOOK_LIMITS.attemptMs }, resolve)
    const notifiers = [{ name: 'webhook', notifier: posting }]
    if (also !== undefined) notifiers.push({ name: 'also', notifier: also })
    const delivery = new EventDelivery({ clock, logger: silentLogger, events }, { webhooks, deliveries, notifiers })
    const node = new NodeWebhooks({ webhooks, deliveries, delivery, administration: administration as never })
    await delivery.start()
    return { events, delivery, node }
  }
  const at = {
    ...(await begin()),
    clock,
    acts,
    folder,
    /** Ends what runs and begins again on the same store. */
    async restart() {
      await at.delivery.stop()
      await store.close()
      store = await Store.open(join(folder, 'store'), { createIfMissing: false })
      Object.assign(at, await begin())
    },
    /** Lets time pass, until something is so. */
    async until(isSo: () => boolean, stepMs = 1000) {
      while (!isSo()) {
        at.clock.advance(stepMs)
        at.delivery.look()
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
  }
  t.after(async () => {
    await at.delivery.stop()
    await store.close()
  })
  return at
}
type Node = Awaited<ReturnType<typeof start>>

const creation = (url: string, events: WebhookCreation['events'] = ['peer.banned']): WebhookCreation => ({
  url,
  events,
})

const ban = ({ events }: Node, providerId: string): void =>
  events.emit('peer_banned', { providerId, reason: 'sends garbage', until: null })
const verified = ({ events }: Node, operatorId: string, requestId: string): void =>
  events.emit('verification_complete', {
    operatorId,
    requestId,
    responseId: 'r',
    status: 'success',
    verificationStatus: 'verified',
    confidence: 1,
  })

const whoIn = (receiver: Receiver): unknown[] =>
  receiver.received.map(({ event }) => event.data['provider_id' as never])

const refusedWith = (status: number, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ProviderError, String(error))
  assert.equal(error.status, status, error.message)
  assert.match(error.message, says)
  return true
}

test('a webhook hears of what it asked for, signed with the secret that was shown once, and of nothing else', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { secret, ...created } = await at.node.create(creation(receiver.url, ['peer.banned', 'cell.yanked']), ADMIN)
  assert.equal(created.status, 'active', 'it answered the challenge at once')
  assert.equal(receiver.challenges.length, 1)
  receiver.challenges[0]?.verify(secret)

  at.events.emit('cell_deleted', { cellId: 'a', cellType: 'a', version: '1.0.0' })
  verified(at, 'alice', 'request')
  ban(at, 'one')
  at.events.emit('cell_yanked', { cellId: 'c', yanked: true, reason: 'broken', by: 'operator' })
  const received = await receiver.has(2)
  for (const one of received) one.verify(secret)
  const events = received.map(({ event }) => event).sort((a, b) => (a.event_type < b.event_type ? -1 : 1))
  assert.deepEqual(
    events.map(({ timestamp: _, ...event }) => event),
    [
      {
        event_type: 'cell.yanked',
        request_id: null,
        data: { cell_id: 'c', yanked: true, reason: 'broken', by: 'operator' },
      },
      {
        event_type: 'peer.banned',
        request_id: null,
        data: { provider_id: 'one', reason: 'sends garbage', until: null },
      },
    ],
  )
  const [listed] = at.node.list(ADMIN).webhooks
  assert.ok(!JSON.stringify(listed).includes(secret.slice(6)))
  assert.deepEqual(at.acts, [
    {
      act: 'webhook_added',
      by: 'admin',
      details: {
        webhook_id: created.webhook_id,
        origin: `http://127.0.0.1:${receiver.port}`,
        events: ['peer.banned', 'cell.yanked'],
      },
    },
  ])
})

test("operators hear of their own questions and batches, and see nobody else's webhooks", async (t) => {
  const [at, alices, bobs] = [await start(t), await startReceiver(t), await startReceiver(t)]
  const { webhook_id } = await at.node.create(creation(alices.url, ['verification_complete']), ALICE)
  await at.node.create(creation(bobs.url, ['verification_complete', 'batch_complete', 'constraint_violation']), BOB)
  verified(at, 'bob', 'first')
  verified(at, 'alice', 'second')
  at.events.emit('constraint_violation', { operatorId: 'bob', requestId: 'third', constraintsFailed: ['no-advice'] })
  await alices.has(1)
  await bobs.has(2)
  assert.deepEqual(
    alices.received.map(({ event }) => [event.request_id, event.data]),
    [['second', { response_id: 'r', status: 'success', verification_status: 'verified', confidence: 1 }]],
  )
  assert.deepEqual(bobs.received.map(({ event }) => event.request_id).sort(), ['first', 'third'])

  for (const other of [BOB, ADMIN]) {
    assert.ok(at.node.list(other).webhooks.every((one) => one.webhook_id !== webhook_id))
    const absent = refusedWith(404, /there is no webhook/)
    assert.throws(() => at.node.get(other, webhook_id), absent)
    assert.throws(() => at.node.deadLetters(other, webhook_id, {}), absent)
    await assert.rejects(at.node.test(other, webhook_id), absent)
    await assert.rejects(at.node.replay(other, webhook_id), absent)
    await assert.rejects(at.node.remove(other, webhook_id), absent)
  }
  const notTheirs = refusedWith(422, /found peer.banned, allowed are verification_complete/)
  await assert.rejects(at.node.create(creation(alices.url), ALICE), notTheirs)
  const notTheNodes = refusedWith(422, /found batch_complete, allowed are cell.registered/)
  await assert.rejects(at.node.create(creation(alices.url, ['batch_complete']), ADMIN), notTheNodes)
})

test('nothing is sent to a receiver that has not answered the challenge; it is asked again until it does', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  receiver.onChallenge = accept
  const { webhook_id, status, last_error } = await at.node.create(creation(receiver.url), ADMIN)
  assert.deepEqual([status, last_error], ['pending', 'challenge'])
  ban(at, 'early')
  await at.until(() => receiver.challenges.length >= 3)
  await at.restart()
  assert.equal(at.node.get(ADMIN, webhook_id).status, 'pending')
  receiver.onChallenge = echo
  await at.until(() => at.node.get(ADMIN, webhook_id).status === 'active')
  const texts = receiver.challenges.map(({ event }) => event.data['challenge' as never])
  assert.equal(new Set(texts).size, texts.length, 'each is another one')
  ban(at, 'late')
  await receiver.has(1)
  assert.deepEqual(whoIn(receiver), ['late'])
})

test('who does not answer the challenge for a day is asked again only when its owner says so', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  receiver.onChallenge = accept
  const { webhook_id } = await at.node.create(creation(receiver.url), ADMIN)
  at.clock.advance(WEBHOOK_LIMITS.retryMs + 1)
  at.delivery.look()
  const before = receiver.challenges.length
  const refused = await at.node.test(ADMIN, webhook_id)
  assert.deepEqual(
    [refused.event_type, refused.delivered, refused.status, refused.error],
    ['webhook.challenge', false, 'pending', 'challenge'],
  )
  assert.equal(receiver.challenges.length, before + 1)
  receiver.onChallenge = echo
  assert.equal((await at.node.test(ADMIN, webhook_id)).status, 'active')
  const tested = await at.node.test(ADMIN, webhook_id)
  assert.deepEqual([tested.event_type, tested.delivered], ['webhook.test', true])
  assert.equal(receiver.received[0]?.event.event_type, 'webhook.test')
})

test('an event that fails comes again under the same id, until it is taken', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { webhook_id, secret } = await at.node.create(creation(receiver.url), ADMIN)
  const answers = [500, 302, 404]
  receiver.answer = (_received, response) => void response.writeHead(answers.shift() ?? 200).end()
  ban(at, 'one')
  await at.until(() => receiver.received.length === 4)
  await at.until(() => at.node.get(ADMIN, webhook_id).queued === 0)
  assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 1)
  for (const one of receiver.received) one.verify(secret)
  const { failures, last_error, last_delivery_at } = at.node.get(ADMIN, webhook_id)
  assert.deepEqual([failures, last_error, typeof last_delivery_at], [0, null, 'string'])
})

test('what is on its way survives a restart: it comes under the same id', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { webhook_id } = await at.node.create(creation(receiver.url), ADMIN)
  receiver.answer = () => undefined
  ban(at, 'one')
  const [first] = await receiver.has(1)
  await at.restart()
  receiver.answer = accept
  await at.until(() => at.node.get(ADMIN, webhook_id).queued === 0)
  assert.ok(receiver.received.length >= 2)
  assert.ok(receiver.received.every(({ id }) => id === first?.id))
})

test('a receiver that hangs delays no other, and is asked by few at a time', async (t) => {
  const [at, slow, quick] = [await start(t), await startReceiver(t), await startReceiver(t)]
  slow.answer = () => undefined
  await at.node.create(creation(slow.url), ADMIN)
  const { webhook_id } = await at.node.create(creation(quick.url), ADMIN)
  for (let i = 0; i < 20; i++) ban(at, `${i}`)
  await quick.has(20)
  await at.until(() => at.node.get(ADMIN, webhook_id).queued === 0, 0)
  assert.equal(slow.received.length, WEBHOOK_LIMITS.atOnce)
  assert.ok(quick.mostAtOnce() <= WEBHOOK_LIMITS.atOnce)
})

test('webhooks to one target share its places, whoever they belong to', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const most = WEBHOOK_LIMITS.atOncePerTarget
  for (let i = 0; i < most; i++) {
    await at.node.create(creation(`${receiver.url}/${i}`, ['verification_complete']), i % 2 === 0 ? ALICE : BOB)
  }
  receiver.answer = () => undefined
  for (let i = 0; i < 4; i++) {
    verified(at, 'alice', `${i}`)
    verified(at, 'bob', `${i}`)
  }
  await receiver.has(most)
  await at.until(() => at.node.list(ALICE).webhooks.every(({ queued }) => queued === 4), 0)
  assert.equal(receiver.received.length, most)
  const busy = refusedWith(429, /too many requests/)
  await assert.rejects(at.node.create(creation(receiver.url, ['batch_complete']), ALICE), busy)
  assert.equal(receiver.received.length, most)
})

test('a receiver that fails again and again is left alone, ever longer, and gets everything once it answers', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { webhook_id } = await at.node.create(creation(receiver.url), ADMIN)
  receiver.answer = (_received, response) => void response.writeHead(503).end()
  for (let i = 0; i < 30; i++) ban(at, `${i}`)
  await at.until(() => at.node.get(ADMIN, webhook_id).failures >= 8)
  const { failures, last_error } = at.node.get(ADMIN, webhook_id)
  assert.equal(last_error, 'status_503')
  const before = receiver.received.length
  for (let i = 0; i < 10; i++) at.delivery.look()
  assert.equal(receiver.received.length, before, `after ${failures} failures it is left alone`)
  receiver.answer = accept
  await at.until(() => at.node.get(ADMIN, webhook_id).queued === 0)
  assert.equal(new Set(whoIn(receiver)).size, 30)
})

test('what did not arrive for a day is a dead letter, which can be replayed under its id', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { webhook_id } = await at.node.create(creation(receiver.url), ADMIN)
  receiver.answer = (_received, response) => void response.writeHead(500).end('a secret of the receiver')
  ban(at, 'one')
  await at.until(() => at.node.deadLetters(ADMIN, webhook_id, {}).dead_letters.length === 1, 60_000)
  const { total, dead_letters: [letter] = [] } = at.node.deadLetters(ADMIN, webhook_id, {})
  assert.equal(total, 1)
  assert.equal(letter?.error, 'status_500')
  assert.equal(letter?.event.data['provider_id' as never], 'one')
  assert.equal(letter?.attempts, receiver.received.length)
  await at.restart()
  receiver.answer = accept
  const before = receiver.received.length
  assert.deepEqual(await at.node.replay(ADMIN, webhook_id), { replayed: 1 })
  await at.until(() => at.node.get(ADMIN, webhook_id).queued === 0)
  assert.equal(receiver.received[before]?.id, letter?.delivery_id)
  assert.equal(at.node.get(ADMIN, webhook_id).dead_letters, 0)
})

test('a receiver that answers 410 is switched off, until it answers a challenge again', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { webhook_id } = await at.node.create(creation(receiver.url), ADMIN)
  receiver.answer = (_received, response) => void response.writeHead(410).end()
  ban(at, 'one')
  await at.until(() => at.node.get(ADMIN, webhook_id).dead_letters === 1)
  assert.equal(at.node.get(ADMIN, webhook_id).status, 'disabled')
  ban(at, 'two')
  await at.restart()
  at.clock.advance(60_000)
  at.delivery.look()
  assert.deepEqual([receiver.received.length, receiver.challenges.length], [1, 1])
  await assert.rejects(at.node.replay(ADMIN, webhook_id), refusedWith(409, /is disabled/))
  receiver.answer = accept
  assert.equal((await at.node.test(ADMIN, webhook_id)).status, 'active')
  await at.node.replay(ADMIN, webhook_id)
  await receiver.has(2)
  assert.deepEqual(whoIn(receiver), ['one', 'one'])
})

test('a webhook that was removed gets nothing any more, and nothing of it stays', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { webhook_id } = await at.node.create(creation(receiver.url), ADMIN)
  receiver.answer = () => undefined
  for (let i = 0; i < 5; i++) ban(at, `${i}`)
  await receiver.has(2)
  assert.equal((await at.node.remove(ADMIN, webhook_id)).webhook_id, webhook_id)
  ban(at, 'late')
  await at.restart()
  at.delivery.look()
  assert.equal(receiver.received.length, 2)
  assert.deepEqual(at.node.list(ADMIN).webhooks, [])
  assert.deepEqual(
    at.acts.map((act) => (act as { act: string }).act),
    ['webhook_added', 'webhook_removed'],
  )
})

test('a URL that may not be called is refused: nothing is sent, and nothing is stored', async (t) => {
  const receiver = await startReceiver(t)
  const rebinding: Resolver = (_hostname, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }])
  const at = await start(t, { allow_private: false, resolve: rebinding })
  const { port } = receiver
  for (const url of [
    'http://169.254.169.254',
    'https://169.254.169.254/latest/meta-data',
    `http://[::ffff:127.0.0.1]:${port}`,
    `https://[::ffff:127.0.0.1]:${port}/`,
    `http://127.0.0.1:${port}/`,
    `https://localhost:${port}/`,
    `https://inside.example:${port}/`,
    'http://93.184.215.14/',
    `https://user:secret@hooks.example:${port}/`,
    'ftp://hooks.example/',
    'file:///etc/passwd',
    'gopher://hooks.example/',
    'hooks.example',
    '//hooks.example',
    ' ',
  ]) {
    await assert.rejects(at.node.create(creation(url), ADMIN), refusedWith(422, /allowed are https URLs/), url)
  }
  await assert.rejects(at.node.create(creation('https://user:secret@x.example/'), ADMIN), (error: Error) => {
    assert.doesNotMatch(error.message, /secret@|user/)
    return true
  })
  assert.equal(receiver.connections(), 0)
  assert.deepEqual(at.node.list(ADMIN).webhooks, [])
  assert.deepEqual(at.acts, [])
  await at.restart()
  assert.deepEqual(at.node.list(ADMIN).webhooks, [])
})

test('a name that leads elsewhere later is not followed there: the event waits, and comes when it is mended', async (t) => {
  const [receiver, inside] = [await startReceiver(t), await startReceiver(t)]
  let address = '127.0.0.1'
  const resolve: Resolver = (_hostname, _options, done) => done(null, [{ address, family: 4 }])
  const at = await start(t, { resolve })
  const { webhook_id } = await at.node.create(creation(`http://hooks.example:${receiver.port}/`), ADMIN)
  address = '169.254.169.254'
  ban(at, 'one')
  await at.until(() => at.node.get(ADMIN, webhook_id).failures >= 2)
  assert.equal(at.node.get(ADMIN, webhook_id).last_error, 'address')
  assert.deepEqual([receiver.received.length, inside.connections()], [0, 0])
  address = '127.0.0.1'
  await at.until(() => receiver.received.length === 1)
})

test('there are only so many webhooks, of each owner and in all', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { perOwner } = WEBHOOK_LIMITS
  const at1 = (path: number) => at.node.create(creation(`${receiver.url}/${path}`), ADMIN)
  for (let i = 0; i < perOwner; i += 8) await Promise.all(Array.from({ length: 8 }, (_, path) => at1(i + path)))
  const asked = receiver.challenges.length
  await assert.rejects(at1(perOwner), refusedWith(429, /16 webhooks, the most that one may/))
  assert.equal(receiver.challenges.length, asked)
  assert.equal(at.node.list(ADMIN).webhooks.length, perOwner)
  await at.node.create(creation(receiver.url, ['batch_complete']), ALICE)
})

test('secrets touch the disk only sealed, and without their key nothing is sent', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { secret, webhook_id } = await at.node.create(creation(receiver.url), ADMIN)
  await at.restart()
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const forms = [key, secret.slice(6), key.toString('hex'), key.toString('base64url')]
  for (const name of await readdir(join(at.folder, 'store'))) {
    const bytes = await readFile(join(at.folder, 'store', name))
    for (const form of forms) assert.ok(!bytes.includes(form), name)
  }
  ban(at, 'one')
  const [received] = await receiver.has(1)
  received?.verify(secret)

  const other = join(at.folder, 'secrets.key')
  await rm(other)
  await at.restart()
  ban(at, 'two')
  await at.until(() => at.node.get(ADMIN, webhook_id).failures > 0)
  assert.equal(at.node.get(ADMIN, webhook_id).last_error, 'secret_lost')
  assert.equal(receiver.received.length, 1)
})

test('a notifier that knows itself where events go is told of all of them, and again when it fails', async (t) => {
  const told: Notification[] = []
  const also: Notifier = {
    needsDestination: false,
    async deliver(notification, { destination }) {
      assert.equal(destination, null)
      told.push(notification)
      if (told.length === 1) throw new Error('not now')
    },
    close: async () => undefined,
  }
  const at = await start(t, { also })
  ban(at, 'one')
  await at.until(() => told.length === 2)
  assert.equal(told[0]?.id, told[1]?.id)
  verified(at, 'alice', 'request')
  await at.until(() => told.length === 3)
  assert.deepEqual(
    told.map(({ type }) => type),
    ['peer.banned', 'peer.banned', 'verification_complete'],
  )
})

test('a receiver that answers for ever is done with at its status', async (t) => {
  const [at, receiver] = [await start(t), await startReceiver(t)]
  const { webhook_id } = await at.node.create(creation(receiver.url), ADMIN)
  const endless: Answer = (_received, response) => {
    response.writeHead(200)
    const more = (): void => {
      while (response.write('x'.repeat(65_536))) {
        // Until the socket is full.
      }
    }
    response.on('drain', more)
    more()
  }
  receiver.answer = endless
  for (let i = 0; i < 5; i++) ban(at, `${i}`)
  await at.until(() => at.node.get(ADMIN, webhook_id).queued === 0, 0)
  assert.equal(receiver.received.length, 5)
})
