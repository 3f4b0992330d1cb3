import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { toHex } from '../../src/kernel/base/bytes.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { openCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { MerkleLog } from '../../src/kernel/log/merkle-log.ts'
import { noteKey } from '../../src/kernel/log/note.ts'
import { type Anchor, AnchorRefusal, type AnchorStatement } from '../../src/kernel/plugins/packages/anchors.ts'
import type { Store } from '../../src/kernel/storage/store.ts'
import { type EventMap, Events } from '../../src/kernel/telemetry/events.ts'
import { LogAnchoring, type OwnLog } from '../../src/node/flows/anchor-logs.ts'
import type { Cosignature } from '../../src/node/flows/cosignatures.ts'
import { createTauAnchor } from '../../src/providers/anchors/tau.ts'
import { fill, temporaryStore } from '../kernel/log/logs.ts'
import { newIdentity, silentLogger } from '../network/nodes.ts'
import { TestClock } from '../support/cells.ts'
import { acceptingTau, lineService } from '../support/line-service.ts'
import { hasPeers, nextEvent, nodeInProcess } from '../support/node-pairs.ts'

const INTERVAL_MS = 300_000
const LEAST_MS = 10_000

/** An anchor that notes what it is given; `answer` may throw, or wait. */
class ScriptedAnchor implements Anchor {
  readonly given: AnchorStatement[] = []
  isClosed = false
  answer: (statement: AnchorStatement, signal: AbortSignal) => Promise<{ receipt: string } | undefined> = async () => ({
    receipt: 'kept',
  })

  async commit(statement: AnchorStatement, signal: AbortSignal) {
    this.given.push(statement)
    return this.answer(statement, signal)
  }

  async close() {
    this.isClosed = true
  }

  /** Sizes that it was given. */
  get sizes(): number[] {
    return this.given.map(({ size }) => size)
  }
}

const key = ed25519FromSeed(randomBytes(32))
const { providerId } = newIdentity()

interface Setup {
  readonly anchors: Readonly<Record<string, Anchor>>
  readonly store?: Store
  readonly clock?: TestClock
}

/** The flow over real logs, which is told when to look. */
async function anchoring(t: TestContext, { anchors, ...given }: Setup) {
  const store = given.store ?? (await temporaryStore(t)).store
  const clock = given.clock ?? new TestClock()
  const log = new MerkleLog(store, '')
  const goalLog = new MerkleLog(store, 'goal/g1')
  const events = new Events(silentLogger)
  const told: EventMap['tau_commit'][] = []
  events.on('tau_commit', (event) => void told.push(event))
  const state = { maySign: true, epoch: 1, cosigned: [] as Cosignature[] }
  const logs: OwnLog[] = [
    { name: '', goal: null, log },
    { name: 'goal/g1', goal: 'g1', log: goalLog },
  ]
  const config = { anchors: { commit_interval_seconds: INTERVAL_MS / 1000, commit_threshold: 100 } }
  const parts = { store, clock, events, logger: silentLogger, keys: { providerId, log: { key } }, config }
  const flow = new LogAnchoring(parts as never, {
    anchors: Object.entries(anchors).map(([name, anchor]) => ({ name, anchor })),
    logs: () => logs,
    epochs: {
      get newest() {
        return state.epoch
      },
    },
    cosignatures: { list: () => state.cosigned },
    maySign: () => state.maySign,
  })
  t.after(() => flow.stop())
  return { flow, store, clock, log, goalLog, told, state, logs }
}

describe('logs are committed', { concurrency: 4 }, () => {
  it('once the interval has passed, with a checkpoint that the log has signed', async (t) => {
    const anchor = new ScriptedAnchor()
    const { flow, store, clock, log, told } = await anchoring(t, { anchors: { one: anchor } })
    await flow.look()
    await fill(store, log, 3)
    await flow.look()
    assert.deepEqual(anchor.sizes, [], 'neither the empty log nor one that is new')
    clock.advance(INTERVAL_MS)
    await flow.look()
    assert.deepEqual(anchor.sizes, [3])
    const { goal, origin, root, checkpoint } = anchor.given[0]!
    assert.deepEqual({ goal, origin, root }, { goal: null, origin: `${providerId}/log`, root: toHex(log.root(3)) })
    const opened = openCheckpoint(nativeVerifier, checkpoint, noteKey(origin, key.publicKey))
    assert.deepEqual([opened.size, toHex(opened.root)], [3, root])
    assert.deepEqual(told, [{ goalId: null, logSize: 3, root, anchor: 'one' }])

    clock.advance(INTERVAL_MS * 5)
    await flow.look()
    assert.deepEqual(anchor.sizes, [3], 'what did not grow is not committed again')
    await fill(store, log, 4)
    await flow.look()
    assert.deepEqual(anchor.sizes, [3, 4])
  })

  it('at once when they have grown by the threshold, but not more often than every ten seconds', async (t) => {
    const anchor = new ScriptedAnchor()
    const { flow, store, clock, log } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 99)
    await flow.look()
    assert.deepEqual(anchor.sizes, [])
    await fill(store, log, 100)
    await flow.look()
    assert.deepEqual(anchor.sizes, [100])
    await fill(store, log, 250)
    clock.advance(LEAST_MS - 1)
    await flow.look()
    assert.deepEqual(anchor.sizes, [100])
    clock.advance(1)
    await flow.look()
    assert.deepEqual(anchor.sizes, [100, 250])
  })

  it('each goal under its own origin, also one that was joined just now', async (t) => {
    const anchor = new ScriptedAnchor()
    const { flow, store, goalLog, logs, told } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, goalLog, 100)
    const later = new MerkleLog(store, 'goal/g2')
    await fill(store, later, 200)
    await flow.look()
    logs.push({ name: 'goal/g2', goal: 'g2', log: later })
    await flow.look()
    assert.deepEqual(
      anchor.given.map(({ goal, origin, size }) => [goal, origin, size]),
      [
        ['g1', `${providerId}/log/g1`, 100],
        ['g2', `${providerId}/log/g2`, 200],
      ],
    )
    assert.deepEqual(
      told.map(({ goalId }) => goalId),
      ['g1', 'g2'],
    )
  })

  it('not again after a restart', async (t) => {
    const [before, after] = [new ScriptedAnchor(), new ScriptedAnchor()]
    const { store } = await temporaryStore(t)
    const clock = new TestClock()
    const first = await anchoring(t, { anchors: { one: before }, store, clock })
    await fill(store, first.log, 100)
    await first.flow.look()
    await first.flow.stop()
    assert.ok(before.isClosed)
    clock.advance(INTERVAL_MS * 2)
    const second = await anchoring(t, { anchors: { one: after }, store, clock })
    await second.flow.look()
    assert.deepEqual([before.sizes, after.sizes], [[100], []])
    await fill(store, second.log, 101)
    await second.flow.look()
    assert.deepEqual(after.sizes, [101])
  })

  it('in a new epoch from the start', async (t) => {
    const anchor = new ScriptedAnchor()
    const { flow, store, log, state } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 150)
    await flow.look()
    state.epoch = 2
    await flow.look()
    assert.deepEqual(
      anchor.given.map(({ origin, size }) => [origin, size]),
      [
        [`${providerId}/log`, 150],
        [`${providerId}/log.2`, 150],
      ],
    )
  })

  it('only while the node knows what it has signed', async (t) => {
    const anchor = new ScriptedAnchor()
    const { flow, store, log, state } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 100)
    state.maySign = false
    await flow.look()
    assert.deepEqual(anchor.sizes, [])
    state.maySign = true
    await flow.look()
    assert.deepEqual(anchor.sizes, [100])
  })

  it('to every anchor at its own pace: one that hangs holds up neither others nor the log', async (t) => {
    const [quick, slow] = [new ScriptedAnchor(), new ScriptedAnchor()]
    const started = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    slow.answer = async () => {
      started.resolve()
      await held.promise
      return { receipt: 'at last' }
    }
    const { flow, store, clock, log, told } = await anchoring(t, { anchors: { slow, quick } })
    await fill(store, log, 100)
    const looking = flow.look()
    await started.promise
    clock.advance(LEAST_MS)
    await fill(store, log, 300)
    const again = flow.look()
    held.resolve()
    await Promise.all([looking, again])
    clock.advance(LEAST_MS)
    await flow.look()
    assert.deepEqual(slow.sizes, [100, 300], 'what came meanwhile is committed as one')
    assert.deepEqual(quick.sizes, [100, 300])
    assert.equal(told.length, 4)
  })

  it('again after a failure, with what the log is by then', async (t) => {
    const anchor = new ScriptedAnchor()
    anchor.answer = async () => Promise.reject(new Error('away'))
    const { flow, store, log, told } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 100)
    await flow.look()
    await fill(store, log, 120)
    anchor.answer = async () => ({ receipt: 'kept' })
    await flow.look()
    await flow.look()
    assert.deepEqual(anchor.sizes, [100, 120])
    assert.deepEqual(
      told.map(({ logSize }) => logSize),
      [120],
    )
  })

  it('not to an anchor that fails again and again, until it had time to come back', async (t) => {
    const anchor = new ScriptedAnchor()
    anchor.answer = async () => Promise.reject(new Error('away'))
    const { flow, store, log } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 100)
    for (let i = 0; i < 20; i++) await flow.look()
    assert.equal(anchor.given.length, 5)
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 600_000 })
    anchor.answer = async () => ({ receipt: 'kept' })
    await flow.look()
    assert.equal(anchor.given.length, 6)
    await flow.look()
    assert.equal(anchor.given.length, 6)
  })

  it('past one log that is refused, which is no failure of the anchor', async (t) => {
    const anchor = new ScriptedAnchor()
    anchor.answer = async ({ goal }) => {
      if (goal === null) throw new AnchorRefusal('another root is here')
      return { receipt: 'kept' }
    }
    const { flow, store, clock, log, goalLog } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 100)
    for (let size = 100; size <= 1000; size += 100) {
      await fill(store, goalLog, size)
      await flow.look()
      clock.advance(LEAST_MS)
    }
    assert.deepEqual(
      anchor.given.filter(({ goal }) => goal === null).length,
      1,
      'asking again at once would change nothing',
    )
    assert.deepEqual(
      anchor.given.filter(({ goal }) => goal === 'g1').map(({ size }) => size),
      [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000],
    )
  })

  it('later where the anchor has to wait, which is no failure either', async (t) => {
    const anchor = new ScriptedAnchor()
    anchor.answer = async () => undefined
    const { flow, store, log, told } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 100)
    for (let i = 0; i < 10; i++) await flow.look()
    assert.deepEqual([anchor.given.length, told.length], [1, 0], 'not again at once')
  })

  it('with a receipt that can be kept, or not at all', async (t) => {
    const anchor = new ScriptedAnchor()
    anchor.answer = async () => ({ receipt: 'x'.repeat(8193) })
    const { flow, store, log, told } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 100)
    await flow.look()
    assert.equal(told.length, 0)
  })

  it('until the node stops, which waits for no anchor', async (t) => {
    const anchor = new ScriptedAnchor()
    const started = Promise.withResolvers<void>()
    anchor.answer = () => {
      started.resolve()
      return new Promise(() => undefined)
    }
    const { flow, store, log, told } = await anchoring(t, { anchors: { one: anchor } })
    await fill(store, log, 100)
    const looking = flow.look()
    await started.promise
    await flow.stop()
    await looking
    await flow.look()
    assert.deepEqual([anchor.given.length, told.length, anchor.isClosed], [1, 0, true])
  })

  it('to Tau over TCP, through an outage', async (t) => {
    const service = await lineService(t, acceptingTau)
    const tau = createTauAnchor(AbortSignal.timeout(20_000), { host: '127.0.0.1', port: service.port })
    const { flow, store, clock, log, told } = await anchoring(t, { anchors: { tau } })
    await fill(store, log, 100)
    await flow.look()
    await service.close()
    await fill(store, log, 200)
    clock.advance(LEAST_MS)
    await flow.look()
    assert.equal(told.length, 1)
    const again = await lineService(t, acceptingTau, service.port)
    await flow.look()
    assert.equal(again.lines.length, 1)
    assert.deepEqual(
      told.map(({ logSize, anchor }) => [logSize, anchor]),
      [
        [100, 'tau'],
        [200, 'tau'],
      ],
    )
  })
})

describe('a node', { concurrency: 2 }, () => {
  it('collects the cosignatures of its peers, unless told otherwise', async (t) => {
    const settings = { 'anchors.commit_interval_seconds': '1', 'anchors.commit_threshold': '1' }
    const { node: witness } = await nodeInProcess(t)
    const { node } = await nodeInProcess(t, { seeds: witness.addresses, settings })
    await hasPeers(node, 1)
    const committed = nextEvent(node, 'tau_commit')
    await node.keys.create({ role: 'reader', name: 'somebody' } as never, 'test')
    const { goalId, anchor, logSize } = await committed
    assert.deepEqual([goalId, anchor], [null, 'peers'])
    assert.ok(logSize > 0)
    assert.deepEqual(node.providers.package('anchors').in_use, ['peers'])
  })

  it('commits to Tau where it is told to', async (t) => {
    const service = await lineService(t, acceptingTau)
    const settings = {
      'anchors.commit_interval_seconds': '1',
      'anchors.commit_threshold': '1',
      'anchors.commit_to_tau': 'true',
      'anchors.tau_host': '127.0.0.1',
      'anchors.tau_port': String(service.port),
    }
    const { node } = await nodeInProcess(t, { settings })
    const committed = nextEvent(node, 'tau_commit')
    await node.keys.create({ role: 'reader', name: 'somebody' } as never, 'test')
    const { anchor, logSize, root } = await committed
    assert.equal(anchor, 'tau')
    const [, , origin, size, told] = service.lines.at(-1)!.split(' ')
    assert.deepEqual([origin, size, told], [`${node.providerId}/log`, String(logSize), root])
    assert.deepEqual(node.providers.package('anchors').in_use, ['peers', 'tau'])
  })
})
