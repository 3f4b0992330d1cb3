import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { AnnouncedCell } from '../../protocol/announcement.ts'
import { LIMITS } from '../../protocol/limits.ts'
import type { YankRequest } from '../../protocol/rpc.ts'
import type { Yank } from '../../protocol/yank.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import type { Network } from '../../src/network/network.ts'
import { PeerError } from '../../src/network/peer-error.ts'
import { YankLearner } from '../../src/node/flows/learn-yanks.ts'
import { silentLogger } from '../network/nodes.ts'
import { NETWORK, newPublisher, openCells, TestClock } from '../support/cells.ts'

const alice = newPublisher()
const idOf = (number: number): string => number.toString(16).padStart(64, '0')

const entry = (number: number, counter = 1): AnnouncedCell => ({
  manifest_digest: idOf(number),
  publisher: alice.publisher,
  cell_type: 't',
  version: '1.0.0',
  capabilities: [{ name: 'c', version: '1.0.0' }],
  status: 'yanked',
  yank_counter: counter,
})

const yankOf = (id: string, counter = 1): Yank => ({
  format: 1,
  manifest_digest: id,
  publisher: alice.publisher,
  counter,
  yanked: true,
  reason: 'broken',
  at: 1,
})

const wordOf = (id: string, counter = 1): string => alice.signYank(NETWORK, yankOf(id, counter))

type Answer = (cells: YankRequest['cells'], provider: string) => readonly string[] | Promise<readonly string[]>

/** A learner whose peers answer as told. `done` resolves when so many answers were worked on. */
async function open(t: TestContext, answer: Answer, accept: 'any' | 'pinned' = 'any') {
  const clock = new TestClock()
  const { yanks } = await openCells(t, { clock })
  const asked: { provider: string; count: number }[] = []
  const waiting: { readonly count: number; resolve(): void }[] = []
  const network = {
    request: async (provider: string, _method: string, { cells }: { cells: YankRequest['cells'] }) => {
      asked.push({ provider, count: cells.length })
      for (const { count, resolve } of waiting) if (asked.length >= count) resolve()
      return { type: 'yank_response', id: 0, yanks: await answer(cells, provider) }
    },
  }
  const events = new Events(silentLogger)
  const yanked: string[] = []
  const heard: { readonly count: number; resolve(): void }[] = []
  events.on('cell_yanked', ({ cellId }) => {
    yanked.push(cellId)
    for (const { count, resolve } of heard) if (yanked.length >= count) resolve()
  })
  const learner = new YankLearner(
    {
      clock,
      logger: silentLogger,
      events,
      trust: new TrustPolicy({ pinned: [], self: 'self', accept }),
      network: network as Partial<Network> as Network,
      yanks,
    },
    () => undefined,
  )
  t.after(() => learner.stop())
  const until = (list: typeof waiting, count: number, now: () => number) =>
    new Promise<void>((resolve) => (now() >= count ? resolve() : list.push({ count, resolve })))
  return {
    clock,
    asked,
    yanks,
    learner,
    learnt: (count: number) => until(heard, count, () => yanked.length),
    asks: (count: number) => until(waiting, count, () => asked.length),
    hear: (provider: string, ...cells: AnnouncedCell[]) => learner.heard({ provider_id: provider, cells }),
  }
}

const prove: Answer = (cells) => cells.map(({ manifest_digest: id }) => wordOf(id))
/** Lets everything that is ready run. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('announced yanks', () => {
  it('are asked for in portions, one after the other, and only those that are news', async (t) => {
    let atOnce = 0
    const { hear, learnt, asked, yanks } = await open(t, async (cells) => {
      assert.equal(++atOnce, 1)
      await settled()
      atOnce--
      return prove(cells, '')
    })
    const all = Array.from({ length: LIMITS.yanksPerRequest + 6 }, (_, i) => entry(i))
    hear('one', ...all.slice(0, 40))
    hear('one', ...all)
    await learnt(all.length)
    assert.equal(
      asked.reduce((sum, { count }) => sum + count, 0),
      all.length,
    )
    assert.ok(asked.every(({ count }) => count <= LIMITS.yanksPerRequest))
    assert.ok(all.every(({ manifest_digest: id, publisher }) => yanks.isWithdrawn({ id, publisher })))
    const before = asked.length
    hear('one', ...all)
    hear('two', ...all)
    await settled()
    assert.equal(asked.length, before)
  })

  it('of publishers that this node takes nothing from are not asked for', async (t) => {
    const { hear, asked } = await open(t, prove, 'pinned')
    hear('one', entry(1))
    await settled()
    assert.deepEqual(asked, [])
  })

  it('of an answer that a frame could not hold are asked for again', async (t) => {
    const { hear, learnt, asked } = await open(t, (cells) => [wordOf(cells[0]!.manifest_digest)])
    hear('one', entry(1), entry(2), entry(3))
    await learnt(3)
    assert.deepEqual(
      asked.map(({ count }) => count),
      [3, 2, 1],
    )
  })

  it('of a few providers are asked for at once, the others wait', async (t) => {
    const gate = Promise.withResolvers<void>()
    const { hear, asks, asked, learnt } = await open(t, async (cells) => {
      await gate.promise
      return prove(cells, '')
    })
    for (let i = 0; i < 10; i++) hear(`provider ${i}`, entry(i))
    await asks(4)
    await settled()
    assert.equal(asked.length, 4)
    gate.resolve()
    await learnt(10)
  })
})

describe('a provider', () => {
  for (const [about, answer] of Object.entries<Answer>({
    'that has not what it announces': () => [],
    'whose yank does not hold': (cells) => [alice.signYank('elsewhere', yankOf(cells[0]!.manifest_digest, 2))],
    'that has a lower counter than it announces': (cells) => [wordOf(cells[0]!.manifest_digest, 1)],
  })) {
    it(`${about} is left alone for a while`, async (t) => {
      const { hear, asks, asked, clock } = await open(t, answer)
      hear('liar', entry(1, 2))
      await asks(1)
      await settled()
      await settled()
      hear('liar', entry(2, 2))
      await settled()
      assert.equal(asked.length, 1)
      clock.advance(61_000)
      hear('liar', entry(2, 2))
      await asks(2)
    })
  }

  it('that does not answer is asked again later, and at some time no more', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let fails = true
    const { hear, asks, asked, learnt } = await open(t, (cells) => {
      if (fails) throw new PeerError('unreachable', 'gone')
      return prove(cells, '')
    })
    hear('one', entry(1))
    await asks(1)
    await settled()
    fails = false
    t.mock.timers.tick(2000)
    await learnt(1)
    fails = true
    hear('one', entry(2))
    for (let tries = 1; tries <= 5; tries++) {
      await asks(2 + tries)
      await settled()
      t.mock.timers.tick(60_000)
    }
    await settled()
    assert.equal(asked.length, 7)
  })
})
