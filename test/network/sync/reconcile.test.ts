import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { LIMITS } from '../../../protocol/limits.ts'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import type { Answers } from '../../../src/network/handlers.ts'
import type { Network } from '../../../src/network/network.ts'
import { SyncAnswerer } from '../../../src/network/sync/answer-sync.ts'
import { openSync, type SyncReport } from '../../../src/network/sync/open-sync.ts'
import type { RecordSet } from '../../../src/network/sync/record-set.ts'
import { Shunned } from '../../../src/network/sync/shunned.ts'
import { MemorySet } from './memory-set.ts'

type SyncMethod = 'sync_request' | 'records_request' | 'records_offer'
type SyncAnswers = {
  [M in SyncMethod]: (request: Parameters<Answers[M]>[0], from: string) => ReturnType<Answers[M]>
}

/** Those of all tests: a session that nobody ends would keep this process for its last seconds. */
const answerers: SyncAnswerer[] = []
after(() => {
  for (const answerer of answerers) answerer.stop()
})

/** What a set's answers are, as handlers have them. */
function answersOf(set: RecordSet, violations: string[] = []): SyncAnswers {
  const answerer = new SyncAnswerer({
    sets: new Map([[set.name, set]]),
    onViolation: (_, event, reason) => violations.push(`${event}: ${reason}`),
    onAccepted: () => undefined,
  })
  answerers.push(answerer)
  return {
    sync_request: async (request, from) => {
      const answer = await answerer.sync(request, from)
      if (request.ranges === '') assert.ok(!answerer.isOpen(from))
      return answer
    },
    records_request: (request, from) => answerer.records(request, from),
    records_offer: (request, from) => answerer.offer(request, from),
  }
}

/** A network on which every peer answers so; it counts the bytes of every message. */
function networkOf(answers: SyncAnswers) {
  const sent = { requests: 0, bytes: 0 }
  const request = async (_: string, method: keyof SyncAnswers, body: object) => {
    const message = { ...body, type: method, id: sent.requests++ } as never
    const answer = await answers[method](message, 'opener')
    sent.bytes += Buffer.byteLength(JSON.stringify(message)) + Buffer.byteLength(JSON.stringify(answer))
    return answer
  }
  return { network: { request } as unknown as Pick<Network, 'request'>, sent }
}

function reconcile(
  set: RecordSet,
  answers: SyncAnswers,
  shunned = { fetched: new Shunned(systemClock), offered: new Shunned(systemClock) },
): Promise<SyncReport> {
  const { network } = networkOf(answers)
  return openSync(set, 'answerer', { network, shunned, signal: new AbortController().signal })
}

const records = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `record ${from + i}`)

describe('two sets of records', () => {
  it('are equal afterwards, whatever was in them', async () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 2000 }), { maxLength: 1500, size: 'max' })
    await fc.assert(
      fc.asyncProperty(numbers, numbers, async (here, there) => {
        const a = new MemorySet(here.map((number) => `record ${number}`))
        const b = new MemorySet(there.map((number) => `record ${number}`))
        const union = new Set([...a.all(), ...b.all()])
        const [lacking, surplus] = [union.size - a.ids.size, union.size - b.ids.size]
        const report = await reconcile(a, answersOf(b))
        assert.deepEqual(a.all(), [...union].sort())
        assert.deepEqual(b.all(), a.all())
        assert.deepEqual(
          [report.complete, report.lacking, report.accepted, report.given],
          [true, lacking, lacking, surplus],
        )
        assert.equal(a.brought + b.brought, lacking + surplus, 'nothing travels that is known')
      }),
      { numRuns: 60 },
    )
  })

  it('of 100,000 that differ in 100 exchange less than 100 KB in less than 12 round trips', async () => {
    const both = records(0, 99_950)
    const a = new MemorySet([...both, ...records(200_000, 200_050)])
    const b = new MemorySet([...both, ...records(300_000, 300_050)])
    const { network, sent } = networkOf(answersOf(b))
    const shunned = { fetched: new Shunned(systemClock), offered: new Shunned(systemClock) }
    const report = await openSync(a, 'answerer', { network, shunned, signal: new AbortController().signal })
    assert.deepEqual([report.accepted, report.given], [50, 50])
    assert.equal(a.ids.size, 100_050)
    assert.ok(sent.bytes < 100_000, `${sent.bytes} bytes, the records among them`)
    assert.ok(sent.requests < 12, `${sent.requests} round trips`)
  })

  it('of which one is empty need a round trip per five thousand records', async () => {
    const there = new MemorySet(records(0, 12_000))
    const here = new MemorySet()
    const fetched = await reconcile(here, answersOf(there))
    assert.deepEqual([here.ids.size, fetched.complete], [12_000, true])
    assert.ok(fetched.rounds <= 6, `${fetched.rounds} rounds`)
    const gives = await reconcile(there, answersOf(new MemorySet()))
    assert.equal(gives.given, 12_000)
  })

  it('that are equal need two messages, and nothing of the session is left', async () => {
    const report = await reconcile(new MemorySet(records(0, 1000)), answersOf(new MemorySet(records(0, 1000))))
    assert.deepEqual([report.rounds, report.lacking, report.given, report.complete], [2, 0, 0, true])
  })

  it('keep records that one side does not take, which then do not travel again', async () => {
    const a = new MemorySet(['record 1', 'unwanted here'])
    const b = new MemorySet(['record 2', 'unwanted there'])
    const shunned = { fetched: new Shunned(systemClock), offered: new Shunned(systemClock) }
    const first = await reconcile(a, answersOf(b), shunned)
    assert.deepEqual([first.accepted, first.ignored, first.given], [1, 1, 1])
    const brought = a.brought + b.brought
    const second = await reconcile(a, answersOf(b), shunned)
    assert.deepEqual([second.accepted, second.ignored, second.given], [0, 0, 0])
    assert.equal(a.brought + b.brought, brought)
  })

  it('can be reconciled while they change', async () => {
    const a = new MemorySet(records(0, 3000))
    const b = new MemorySet(records(1000, 4000))
    const answers = answersOf(b)
    let next = 10_000
    await reconcile(a, {
      ...answers,
      sync_request: (request, from) => {
        a.put(`record ${next++}`)
        b.put(`record ${next++}`)
        return answers.sync_request(request, from)
      },
    })
    await reconcile(a, answers)
    assert.deepEqual(a.all(), b.all())
  })
})

describe('a peer that reconciles', () => {
  const held = () => new MemorySet(records(0, 500))

  const violations: Record<string, [Partial<SyncAnswers>, RegExp]> = {
    'answers without a nonce': [{ sync_request: () => ({ ranges: '' }) }, /without a nonce/],
    'sends ranges that end in the middle': [
      { sync_request: () => ({ nonce: 'A'.repeat(22), ranges: 'AAAA' }) },
      /cannot be read: an unknown|cannot be read/,
    ],
    'sends text that is no base64url': [
      { sync_request: () => ({ nonce: 'A'.repeat(22), ranges: 'A' }) },
      /cannot be read/,
    ],
    'brings a record that was not asked for': [
      { records_request: () => ({ texts: ['record of something else'] }) },
      /not asked for/,
    ],
    'brings a record twice': [
      {
        records_request: ({ ids }) => {
          const text = records(500, 700).find((one) => sha256Hex(one) === ids[0])!
          return { texts: [text, text] }
        },
      },
      /not asked for/,
    ],
  }
  for (const [what, [scripted, reason]] of Object.entries(violations)) {
    it(`and ${what} is found out`, async () => {
      const answers = { ...answersOf(new MemorySet(records(400, 700))), ...scripted }
      await assert.rejects(reconcile(held(), answers), { name: 'PeerError', code: 'violation', message: reason })
    })
  }

  it('and brings records that do not hold is found out, and they are not kept', async () => {
    const here = held()
    const there = new MemorySet([...records(0, 500), 'forged'])
    await assert.rejects(reconcile(here, answersOf(there)), /does not hold/)
    assert.equal(here.ids.size, 500)
  })

  it('and never comes to an end is asked a bounded number of times', async () => {
    let asked = 0
    const fingerprint = Buffer.alloc(15, 7)
    const endless: Partial<SyncAnswers> = {
      sync_request: () => ({
        nonce: 'A'.repeat(22),
        ranges: Buffer.concat([Buffer.of(0, 1, asked++), fingerprint]).toString('base64url'),
      }),
    }
    await assert.rejects(reconcile(held(), { ...answersOf(held()), ...endless }), /did not come to an end/)
    assert.equal(asked, LIMITS.syncRounds)
  })

  it('and lists records that it does not hold is soon believed no more', async () => {
    const there = new MemorySet(records(0, 500))
    for (let i = 0; i < 2000; i++) there.ids.add(Buffer.from(sha256Hex(`nothing ${i}`), 'hex'))
    let asked = 0
    const answers = answersOf(there)
    const report = await reconcile(held(), {
      ...answers,
      records_request: (request, from) => {
        asked++
        return answers.records_request(request, from)
      },
    })
    assert.deepEqual([report.complete, report.accepted], [false, 0])
    assert.equal(asked, 2)
  })

  it('and asks is told what it may not', async () => {
    const violations: string[] = []
    const answers = answersOf(held(), violations)
    const request = { type: 'sync_request', id: 1, set: 'things', nonce: 'A'.repeat(22) } as const
    const refused = (work: Promise<object> | object, message: RegExp) =>
      assert.rejects(async () => work, { name: 'Refusal', code: 'bad_request', message })
    await refused(answers.sync_request({ ...request, set: 'others' }, 'p'), /there is no set others here/)
    await refused(answers.sync_request({ ...request, ranges: 'AAAA' }, 'p'), /no such session/)
    await answers.sync_request(request, 'p')
    await refused(answers.sync_request({ ...request, nonce: 'B'.repeat(22), ranges: 'AAAA' }, 'p'), /no such session/)
    await refused(answers.sync_request({ ...request, ranges: 'AAAA' }, 'p'), /\/ranges: /)
    assert.equal(violations.length, 1)
    const offer = {
      type: 'records_offer',
      id: 2,
      set: 'things',
      texts: ['record 7000', 'forged', 'record 7001'],
    } as const
    assert.deepEqual(await answers.records_offer({ ...offer, texts: [...offer.texts] }, 'p'), {
      results: ['accepted', 'rejected'],
    })
    assert.equal(violations.length, 2)
  })

  it('and asks for two things at once is told to come later', async () => {
    const answers = answersOf(new MemorySet(records(0, 20_000)))
    const request = { type: 'sync_request', id: 1, set: 'things', nonce: 'A'.repeat(22) } as const
    const [first, second] = await Promise.allSettled([
      answers.sync_request(request, 'p'),
      answers.sync_request(request, 'p'),
    ])
    assert.equal(first.status, 'fulfilled')
    assert.equal((second as PromiseRejectedResult).reason.code, 'busy')
  })
})
