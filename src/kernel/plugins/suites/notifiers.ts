import assert from 'node:assert/strict'
import type { Destination, Notification, Notifier } from '../packages/notifiers.ts'
import type { TestRunner } from './test-runner.ts'

/** A notifier whose receiver takes everything, and where that is. */
export interface NotifierUnderTest {
  readonly notifier: Notifier
  readonly destination: Destination | null
}

const event = (id: string, type: string, data: object): Notification => ({
  id,
  type,
  body: JSON.stringify({ event_type: type, request_id: null, timestamp: '2026-01-01T00:00:00.000Z', data }),
})

const LOG = { info: (): void => undefined }

/** What every provider of `notifiers` must do. */
export function notifierSuite({
  test,
  factory,
}: {
  test: TestRunner
  factory: () => NotifierUnderTest | Promise<NotifierUnderTest>
}): void {
  const deliver = (
    { notifier, destination }: NotifierUnderTest,
    notification: Notification,
    signal: AbortSignal = AbortSignal.timeout(20_000),
  ): Promise<void> => notifier.deliver(notification, { destination, log: LOG }, signal)

  test('delivers events, also several at once and one that it has delivered before', async () => {
    const made = await factory()
    const events = ['a', 'b', 'c'].map((id) => event(`msg_${id}`, 'peer.banned', { reason: 'says "é"\n' }))
    await Promise.all(events.map((one) => deliver(made, one)))
    await deliver(made, events[0]!)
    await made.notifier.close()
  })

  test('does nothing for somebody who has given up', async () => {
    const made = await factory()
    const given = AbortSignal.abort(new Error('given up'))
    await assert.rejects(deliver(made, event('msg_a', 'peer.banned', {}), given))
    await made.notifier.close()
  })

  test('delivers nothing once it is closed', async () => {
    const made = await factory()
    await made.notifier.close()
    await assert.rejects(deliver(made, event('msg_a', 'peer.banned', {})))
  })
}
