import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { CONTEXTS } from '../../protocol/contexts.ts'
import type { CheckpointRecord, EpochRecord, EquivocationRecord } from '../../protocol/transparency.ts'
import { toHex } from '../../src/kernel/base/bytes.ts'
import { signObject } from '../../src/kernel/identity/keys.ts'
import { jsonKeyspace, KEYSPACES } from '../../src/kernel/storage/keyspaces.ts'
import { NOTHING } from '../../src/node/flows/known-log.ts'
import { KnownLogs } from '../../src/node/flows/known-logs.ts'
import { temporaryStore } from '../kernel/log/logs.ts'
import { silentLogger } from '../network/nodes.ts'
import { NETWORK, TestClock } from '../support/cells.ts'
import { type ScriptedLog, scriptedLog } from '../support/scripted-logs.ts'

const DAY_MS = 24 * 3600 * 1000

/** Digest of a goal that is joined. */
const GOAL = 'ab'.repeat(32)

async function knownLogs(t: TestContext, joined: Set<string> = new Set([GOAL])) {
  const clock = new TestClock()
  clock.advance(Date.now() - clock.now())
  const { store } = await temporaryStore(t)
  const goals = { isJoined: (digest: string) => joined.has(digest), joined: () => [...joined] }
  const open = async () => {
    const known = new KnownLogs({ store, clock, logger: silentLogger, network: NETWORK, goals })
    await known.load()
    return known
  }
  return { known: await open(), open, clock, store }
}

const note = ({ certificate, checkpoint }: CheckpointRecord) => ({ certificate, checkpoint })

describe("checkpoints of goals' logs", () => {
  it('are taken of goals that are joined alone, apart from the own log, and are there after a restart', async (t) => {
    const joined = new Set([GOAL])
    const { known, open } = await knownLogs(t, joined)
    const log = scriptedLog()
    const [own, ofGoal, elsewhere] = [undefined, GOAL, 'cd'.repeat(32)].map((goal) => log.history('only', 0, 1, goal))
    assert.equal(known.take(own!.record(9)).verdict, 'accept')
    assert.deepEqual(known.take(ofGoal!.record(3)), { verdict: 'accept', news: true })
    assert.deepEqual(known.take(elsewhere!.record(3)), { verdict: 'ignore', news: false })
    assert.equal(known.newest(log.providerId)?.size, 9)
    assert.equal(known.recordsOf(log.providerId).length, 2)
    // Then what was taken is on disk.
    await known.forgetGoal('cd'.repeat(32))
    assert.equal((await known.page({ goal: GOAL }, 10_000, 10)).records.length, 1)
    assert.equal((await known.page({}, 10_000, 10)).records.length, 1)
    const again = await open()
    assert.deepEqual(again.recordsOf(log.providerId), known.recordsOf(log.providerId))
    joined.delete(GOAL)
    await again.forgetGoal(GOAL)
    joined.add(GOAL)
    assert.equal((await open()).recordsOf(log.providerId).length, 1, 'the own log is kept')
  })

  it('that contradict each other are evidence against the node, and nothing else of it counts', async (t) => {
    const { known } = await knownLogs(t)
    const log = scriptedLog()
    const [left, right] = ['left', 'right'].map((name) => log.history(name, 0, 1, GOAL))
    known.take(left!.record(5))
    assert.ok(known.take(right!.record(5)).equivocation)
    assert.equal(known.standing(log.providerId), 'equivocated')
    assert.equal(known.recordsOf(log.providerId).length, 1)
    assert.deepEqual(known.take(log.history('left').record(2)), { verdict: 'ignore', news: false })
  })

  it('that are not proven suspend the node until all are, also when the goal is left', async (t) => {
    const { known } = await knownLogs(t)
    const log = scriptedLog()
    const [own, ofGoal] = [undefined, GOAL].map((goal) => log.history('only', 0, 1, goal))
    for (const history of [own!, ofGoal!]) {
      known.take(history.record(3))
      known.take(history.record(6))
    }
    const questions = known.questions(log.providerId)
    assert.equal(questions.length, 2)
    for (const question of questions) known.settle(question, {})
    known.settle(questions[0]!, { from_root: toHex(own!.root(3)), hashes: own!.proof(3, 6) })
    assert.equal(known.standing(log.providerId), 'suspended')
    assert.equal(known.suspended().length, 1)
    await known.forgetGoal(GOAL)
    assert.equal(known.standing(log.providerId), 'good')
  })

  it('go on in the epoch of the node, from the first one there', async (t) => {
    const { known } = await knownLogs(t)
    const log = scriptedLog()
    known.take(log.history('only').record(3))
    known.take(log.history('only', 0, 1, GOAL).record(7))
    const later = log.history('other', 0, 2, GOAL)
    assert.deepEqual(known.take(later.record(5)), { verdict: 'ignore', news: false }, 'nobody opened it')
    assert.equal(known.take(epochOf(log, 3)).verdict, 'accept')
    assert.equal(known.take(later.record(5)).news, true)
    assert.match(known.recordsOf(log.providerId).join(), /log\.2\/abab/)
    assert.deepEqual(known.questions(log.providerId), [])
    assert.ok(known.take(log.history('third', 0, 1, GOAL).record(7)).equivocation, 'an epoch forgives nothing')
  })

  it('are followed for a bounded number of nodes in one goal', async (t) => {
    const { known, store } = await knownLogs(t)
    await store.transact((tx) => {
      for (let i = 0; i < 2500; i++) tx.put(jsonKeyspace(KEYSPACES.checkpoints), `g!${GOAL}!${i}`, NOTHING)
    })
    await known.load()
    const log = scriptedLog()
    assert.deepEqual(known.take(log.history('only', 0, 1, GOAL).record(3)), { verdict: 'ignore', news: false })
    assert.equal(known.take(log.history('only').record(3)).verdict, 'accept')
  })
})

/** The statement that opens the second epoch of a scripted log, whose first one had `size` leaves. */
function epochOf(log: ScriptedLog, size: number): EpochRecord {
  const history = log.history('only')
  const unsigned = {
    type: 'epoch' as const,
    provider_id: log.providerId,
    epoch: 2,
    at: new Date().toISOString(),
    size,
    root: toHex(history.root(size)),
    superseded: note(history.record(size)),
  }
  return { ...unsigned, signature: signObject(log.node.identity, NETWORK, CONTEXTS.logEpoch, unsigned) }
}

describe('statements about logs', () => {
  it('are rejected when every honest node would: nothing of them is kept', async (t) => {
    const { known } = await knownLogs(t)
    const log = scriptedLog()
    const other = scriptedLog()
    const history = log.history('only')
    const record = history.record(3)
    const evidence = (parts: Pick<EquivocationRecord, 'first' | 'second' | 'proof'>): EquivocationRecord => ({
      type: 'equivocation',
      provider_id: log.providerId,
      ...parts,
    })
    const proof = { from_root: toHex(history.root(2)), hashes: history.proof(3, 5) }
    const lies = [
      { ...record, provider_id: other.providerId },
      { ...record, certificate: other.certificate },
      { ...record, certificate: { ...record.certificate, not_after: record.certificate.not_after + 1 } },
      { ...record, checkpoint: record.checkpoint.replace('\n3\n', '\n4\n') },
      { ...record, checkpoint: `${record.checkpoint}${record.checkpoint.split('\n\n')[1]}` },
      { ...record, checkpoint: record.checkpoint.replaceAll('/log', `/log/${GOAL}`) },
      evidence({ first: note(record), second: note(history.record(5)) }),
      evidence({ first: note(record), second: note(history.record(5)), proof }),
      evidence({ first: note(record), second: note(record) }),
    ]
    for (const [i, lie] of lies.entries()) {
      assert.deepEqual(known.take(lie), { verdict: 'reject', news: false }, `lie ${i}`)
      assert.deepEqual(known.recordsOf(lie.provider_id), [], `lie ${i}`)
    }
    assert.equal(known.standing(log.providerId), 'good')
  })

  it('are ignored when nodes may differ: known, older, of an unknown epoch, by a certificate that is not in force', async (t) => {
    const { known, clock } = await knownLogs(t)
    const log = scriptedLog()
    const history = log.history('only')
    assert.deepEqual(known.take(history.record(3)), { verdict: 'accept', news: true })
    assert.deepEqual(known.take(history.record(3)), { verdict: 'ignore', news: false })
    assert.equal(known.take(history.record(2)).verdict, 'ignore')
    assert.deepEqual(known.take(log.history('only', 0, 2).record(5)), { verdict: 'ignore', news: false })
    clock.advance(2 * DAY_MS)
    assert.deepEqual(known.take(history.record(5)), { verdict: 'ignore', news: false })
    clock.advance(-4 * DAY_MS)
    assert.deepEqual(known.take(history.record(5)), { verdict: 'ignore', news: false })
    assert.equal(known.newest(log.providerId)?.size, 3)
  })

  it('travel once a second for each log, and are taken in all the same', async (t) => {
    const { known, clock } = await knownLogs(t)
    const log = scriptedLog()
    const history = log.history('only')
    known.take(history.record(3))
    assert.deepEqual(known.take(history.record(5, 3)), { verdict: 'ignore', news: true })
    assert.equal(known.newest(log.providerId)?.size, 5)
    clock.advance(1000)
    assert.deepEqual(known.take(history.record(9, 5)), { verdict: 'accept', news: true })
  })

  it('that no proof connects wait for one, a bounded number, and none takes the place of another', async (t) => {
    const { known } = await knownLogs(t)
    const log = scriptedLog()
    const history = log.history('only')
    known.take(history.record(3))
    for (let size = 10; size < 30; size++) known.take(history.record(size))
    const questions = known.questions(log.providerId)
    assert.deepEqual(
      questions.map(({ older, newer }) => [older.size, newer.size]),
      [10, 11, 12, 13].map((size) => [3, size]),
    )
    assert.equal(known.newest(log.providerId)?.size, 3)
    known.settle(questions[0]!, {})
    assert.equal(known.standing(log.providerId), 'suspended')
    known.settle(questions[1]!, { from_root: toHex(history.root(3)), hashes: history.proof(3, 11) })
    assert.equal(known.newest(log.providerId)?.size, 11)
    assert.equal(known.standing(log.providerId), 'suspended', 'the first one is still owed')
    const owed = known.questions(log.providerId)[0]!
    assert.deepEqual([owed.older.size, owed.newer.size], [10, 11])
    known.settle(owed, { from_root: toHex(history.root(10)), hashes: history.proof(10, 11) })
    assert.equal(known.standing(log.providerId), 'good')
  })

  it('are no evidence while a proof leads to neither root, and are when it leads from another', async (t) => {
    const { known } = await knownLogs(t)
    const log = scriptedLog()
    const [left, right, third] = [log.history('left', 1), log.history('right', 1), log.history('third', 1)]
    known.take(left.record(4))
    known.take(right.record(7))
    const [question] = known.questions(log.providerId)
    const prove = (history: typeof left) => ({ from_root: toHex(history.root(4)), hashes: history.proof(4, 7) })
    for (const half of [left, third]) {
      assert.equal(known.settle(question!, prove(half)).equivocation, undefined)
      assert.equal(known.standing(log.providerId), 'suspended')
    }
    const { equivocation } = known.settle(question!, prove(right))
    assert.deepEqual(equivocation?.first, note(left.record(4)))
    assert.equal(known.standing(log.providerId), 'equivocated')
    assert.deepEqual(known.take(left.record(9)), { verdict: 'ignore', news: false })
  })

  it('that are evidence are kept as one, the same on every node', async (t) => {
    const { known: a } = await knownLogs(t)
    const { known: b } = await knownLogs(t)
    const log = scriptedLog()
    const pieces = ['x', 'y', 'z'].map((name): EquivocationRecord => {
      const second = note(log.history(name).record(5))
      return { type: 'equivocation', provider_id: log.providerId, first: note(log.history('left').record(5)), second }
    })
    const found = pieces.map((piece) => a.take(piece).equivocation !== undefined)
    assert.deepEqual(found, [true, false, false], 'found once')
    for (const piece of pieces.reverse()) b.take(piece)
    assert.deepEqual(a.recordsOf(log.providerId), b.recordsOf(log.providerId))
  })
})
