import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import type { Verdict } from '../../src/network/network.ts'
import { connectedTo, startNode, type TestNode, within } from './nodes.ts'

interface Heard {
  readonly text: string
  readonly from: string
}

/** Collects what a node hears, and lets a test wait for a text. */
function ear(verdict: (text: string) => Verdict = () => 'accept') {
  const heard: Heard[] = []
  let wake = (): void => undefined
  return {
    heard,
    gossip: {
      announcements: (bytes: Uint8Array, from: string): Verdict => {
        const text = Buffer.from(bytes).toString()
        heard.push({ text, from })
        wake()
        return verdict(text)
      },
    },
    async until(text: string): Promise<Heard> {
      while (true) {
        const found = heard.find((entry) => entry.text === text)
        if (found !== undefined) return found
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}

/** Publishes under ever new texts until `ears` heard one of them: the mesh takes a moment to form. */
async function reaches(from: TestNode, to: ReturnType<typeof ear>): Promise<void> {
  const { signal } = within(20_000)
  for (let i = 0; ; i++) {
    signal.throwIfAborted()
    await from.network.publish('announcements', Buffer.from(`warm-up ${from.providerId} ${i}`))
    const answered = await Promise.race([
      to.until(`warm-up ${from.providerId} ${i}`).then(() => true),
      new Promise<false>((resolve) => setTimeout(resolve, 200, false)),
    ])
    if (answered) return
  }
}

describe('announcements', () => {
  it('are passed on when accepted, and stop where they are ignored or rejected', async (t) => {
    const middle = ear((text) => (text === 'ignored' ? 'ignore' : text === 'rejected' ? 'reject' : 'accept'))
    const far = ear()
    const c = await startNode(t)
    const b = await startNode(t, { handlers: middle, seeds: c.network.addresses })
    const a = await startNode(t, { handlers: far, seeds: b.network.addresses })
    await Promise.all([connectedTo(b, c.providerId), connectedTo(a, b.providerId)])
    await reaches(c, far)
    for (const text of ['ignored', 'rejected', 'accepted']) await c.network.publish('announcements', Buffer.from(text))
    const { from } = await far.until('accepted')
    assert.equal(from, b.providerId, 'from is who sent it, not who made it')
    await middle.until('rejected')
    assert.deepEqual(
      far.heard.filter(({ text }) => text === 'ignored' || text === 'rejected'),
      [],
    )
  })

  it('are ignored, not fatal, when judging them fails; nobody listening is no error; large ones are refused', async (t) => {
    const deaf = ear(() => {
      throw new Error('judge')
    })
    const b = await startNode(t, { handlers: deaf })
    await b.network.publish('announcements', Buffer.from('to nobody'))
    const a = await startNode(t, { seeds: b.network.addresses })
    await connectedTo(a, b.providerId)
    await reaches(a, deaf)
    await reaches(a, deaf)
    await a.network.publish('announcements', new Uint8Array(LIMITS.announcementBytes).fill(97))
    await deaf.until('a'.repeat(LIMITS.announcementBytes))
    await assert.rejects(a.network.publish('announcements', new Uint8Array(LIMITS.announcementBytes + 1)), RangeError)
  })
})

describe('the topic of a goal', () => {
  const topic = `goal/${'a'.repeat(64)}` as const

  it('is joined and left while the node runs, also by a peer that was there before', async (t) => {
    const b = await startNode(t)
    const a = await startNode(t, { seeds: b.network.addresses })
    await connectedTo(a, b.providerId)
    await assert.rejects(a.network.publish(topic, Buffer.from('too early')), RangeError)
    a.network.joinTopic(topic, () => 'accept')
    const heard = new Promise<{ from: string; author: string }>((resolve) => {
      b.network.joinTopic(topic, (_, from, author) => {
        resolve({ from, author })
        return 'accept'
      })
    })
    let isHeard = false
    void heard.then(() => {
      isHeard = true
    })
    for (let i = 0; !isHeard; i++) {
      await a.network.publish(topic, Buffer.from(`contribution ${i}`))
      await Promise.race([heard, new Promise((resolve) => setTimeout(resolve, 100))])
    }
    assert.deepEqual(await heard, { from: a.providerId, author: a.providerId })
    b.network.leaveTopic(topic)
    b.network.leaveTopic(topic)
    await assert.rejects(b.network.publish(topic, Buffer.from('too late')), RangeError)
    await assert.rejects(a.network.publish(topic, new Uint8Array(LIMITS.goalMessageBytes + 1)), RangeError)
  })

  it('is one of a bounded number', async (t) => {
    const { network } = await startNode(t)
    const join = (i: number) => network.joinTopic(`goal/${i.toString(16).padStart(64, '0')}`, () => 'accept')
    for (let i = 0; i < LIMITS.goalTopics; i++) join(i)
    join(0)
    assert.throws(() => join(LIMITS.goalTopics), RangeError)
  })
})
