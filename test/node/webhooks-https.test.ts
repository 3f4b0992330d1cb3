import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Webhook, WebhookCreated } from '../../protocol/webhooks.ts'
import { newAuthority } from '../support/certificates.ts'
import { temporaryFolder } from '../support/folders.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Order } from './https-sender.ts'

/** Starts a node that trusts an authority as operators say it: by NODE_EXTRA_CA_CERTS. */
async function start(t: TestContext) {
  const folder = await temporaryFolder(t)
  const [trusted, stranger] = [await newAuthority(), await newAuthority()]
  const extra = join(folder, 'ca.pem')
  await writeFile(extra, trusted.cert)
  const child = fork(new URL('./https-sender.ts', import.meta.url), [join(folder, 'data')], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: extra },
  })
  t.after(() => child.kill('SIGKILL'))
  await answerOf(child)
  const tell = async <T>(order: Order): Promise<T> => {
    const answer = answerOf(child)
    child.send(order)
    return (await answer) as T
  }
  const only = async (): Promise<Webhook> => (await tell<Webhook[]>({ type: 'look' }))[0]!
  /** Lets a minute pass again and again, until the webhook is as it should be: the node looks every second of the machine. */
  const until = async (isSo: (webhook: Webhook) => boolean): Promise<Webhook> => {
    for (;;) {
      const webhook = await only()
      if (isSo(webhook)) return webhook
      await tell({ type: 'pass', ms: 60_000 })
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  return { trusted, stranger, tell, only, until }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const [{ result, error }] = (await once(child, 'message')) as [{ result?: unknown; error?: string }]
  if (error !== undefined) throw new Error(error)
  return result
}

test('an event goes over https to whom its certificate shows to be who was named, and waits while it shows somebody else', async (t) => {
  const { trusted, tell, until } = await start(t)
  const right = await trusted.issue('localhost')
  const receiver = await startReceiver(t, '/hook', right)
  const { secret, status } = await tell<WebhookCreated>({ type: 'create', url: receiver.url })
  assert.equal(status, 'active')
  await tell({ type: 'ban', providerId: 'first' })
  const [first] = await receiver.has(1)
  first!.verify(secret)

  receiver.show(await trusted.issue('elsewhere.example'))
  await tell({ type: 'ban', providerId: 'second' })
  const waiting = await until(({ failures }) => failures >= 2)
  assert.deepEqual([waiting.last_error, waiting.queued, waiting.status], ['certificate', 1, 'active'])
  assert.equal(receiver.received.length, 1)

  receiver.show(right)
  const mended = await until(({ queued }) => queued === 0)
  assert.deepEqual([mended.last_error, mended.dead_letters], [null, 0])
  const [, second] = await receiver.has(2)
  second!.verify(secret)
  assert.deepEqual(second!.event.data['provider_id' as never], 'second')
})

test('nothing is sent to who shows a certificate of another name, of a stranger, or one that has expired; the challenge comes again', async (t) => {
  const { trusted, stranger, tell, until } = await start(t)
  const receiver = await startReceiver(t, '/hook', await stranger.issue('localhost'))
  const created = await tell<WebhookCreated>({ type: 'create', url: receiver.url })
  assert.deepEqual([created.status, created.last_error], ['pending', 'certificate'])
  for (const wrong of [await trusted.issue('elsewhere.example'), await trusted.issue('localhost', -1)]) {
    const before = receiver.connections()
    receiver.show(wrong)
    const { status, last_error } = await until(() => receiver.connections() > before)
    assert.deepEqual([status, last_error], ['pending', 'certificate'])
  }
  assert.deepEqual([receiver.challenges, receiver.received], [[], []])
  receiver.show(await trusted.issue('localhost'))
  const { last_error } = await until(({ status }) => status === 'active')
  assert.equal(last_error, null)
  assert.equal(receiver.challenges.length, 1)
})
