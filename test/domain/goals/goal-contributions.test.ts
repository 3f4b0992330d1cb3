import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type GoalChange, GoalContributions, type Verdict } from '../../../src/domain/goals/goal-contributions.ts'
import { toHex } from '../../../src/kernel/base/bytes.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { TestClock, temporaryFolder } from '../../support/cells.ts'
import { admittedOf, contributionOf, goalOf, newContributor, packOf } from '../../support/goals.ts'

async function open(t: TestContext, entry = goalOf(), folder?: string, mostBytes = 1_000_000) {
  const directory = folder ?? (await temporaryFolder(t))
  const store = await Store.open(directory, { createIfMissing: true })
  t.after(() => store.close())
  const changes: GoalChange[] = []
  const log = new MerkleLog(store, `goal/${entry.digest}`)
  const parts = { store, clock: new TestClock(), log, mostBytes }
  const contributions = new GoalContributions(parts, entry, (change) => changes.push(change))
  await contributions.load()
  return { contributions, store, directory, entry, log, changes }
}

const verdictOf = (score: number): Verdict => ({
  accepted: true,
  score,
  metrics: { reward: score, risk: 0, complexity: 0 },
})

describe('contributions to a goal', () => {
  it('that come at the same time share a write, each with its leaf, and are there after a restart', async (t) => {
    const first = await open(t)
    const { digest } = first.entry
    const all = Array.from({ length: 50 }, (_, i) => admittedOf(contributionOf(digest, packOf({ reward: i }))))
    const taken = await Promise.all(all.map((one, i) => first.contributions.take(one, verdictOf(i), true)))
    assert.deepEqual(
      taken.map((one) => one.kind === 'taken' && one.standing?.logIndex),
      all.map((_, i) => i),
    )
    assert.equal(first.changes.length, 1)
    assert.equal(first.log.size, 50)
    const leaf = JSON.parse(Buffer.from(first.log.leaf(3)!).toString())
    const { contributor_id, pack_hash } = all[3]!.contribution
    assert.deepEqual(leaf, {
      goal: digest,
      contributor_id,
      pack_hash,
      score: 3,
      metrics: { reward: 3, risk: 0, complexity: 0 },
    })
    await first.store.close()
    const again = await open(t, first.entry, first.directory)
    assert.equal(again.contributions.size, 50)
    assert.equal(toHex(again.contributions.board.root()), toHex(first.contributions.board.root()))
    assert.deepEqual(again.contributions.counts, { total: 50, accepted: 50, rejected: 0 })
    assert.equal(again.contributions.text(all[3]!.id), all[3]!.text)
  })

  it('take no more of the disk than they may, after a restart too, and more of it once they may', async (t) => {
    const room = 20_000
    const first = await open(t, goalOf(), undefined, room)
    const { digest } = first.entry
    const all = Array.from({ length: 30 }, (_, i) => admittedOf(contributionOf(digest, packOf({ reward: i }))))
    const sizeOf = (ids: readonly string[]) =>
      all.reduce((sum, { id, text }) => sum + (ids.includes(id) ? Buffer.byteLength(text) + 1024 : 0), 0)
    const kept = ({ contributions }: Pick<typeof first, 'contributions'>) =>
      all.flatMap(({ id }) => (contributions.text(id) === undefined ? [] : id)).sort()
    for (const [i, one] of all.entries()) await first.contributions.take(one, verdictOf(i), true)
    const ids = kept(first)
    assert.ok(ids.length > 1 && ids.length < all.length && sizeOf(ids) <= room)
    assert.deepEqual(
      ids,
      all
        .map(({ id }) => id)
        .sort()
        .slice(0, ids.length),
      'the smallest',
    )
    const largest = all.toSorted((a, b) => (a.id < b.id ? 1 : -1))[0]!
    assert.ok(first.contributions.isBeyond(largest.id))
    await first.store.close()

    const again = await open(t, first.entry, first.directory, room)
    assert.equal((await again.contributions.take(largest, verdictOf(1), true)).kind, 'full')
    assert.deepEqual(kept(again), ids)
    await again.store.close()
    const larger = await open(t, first.entry, first.directory, 2 * room)
    assert.equal((await larger.contributions.take(largest, verdictOf(1), true)).kind, 'taken')
  })

  it('are exact about duplicates: the same one, the same pack, and neither when the other was refused', async (t) => {
    const { contributions, entry } = await open(t)
    const key = newContributor()
    const pack = packOf({ reward: 1 })
    const [one, again] = [
      admittedOf(contributionOf(entry.digest, pack, key)),
      admittedOf(contributionOf(entry.digest, pack)),
    ]
    const [smaller, larger] = one.id < again.id ? [one, again] : [again, one]
    assert.equal((await contributions.take(larger, undefined, false)).kind, 'taken')
    await contributions.settle(larger.id, { accepted: false })
    assert.equal((await contributions.take(smaller, verdictOf(1), true)).kind, 'taken')
    assert.equal((await contributions.take(smaller, verdictOf(1), true)).kind, 'known')
    const third = admittedOf(contributionOf(entry.digest, pack))
    const expected = third.id < smaller.id ? 'taken' : 'pack'
    assert.equal((await contributions.take(third, verdictOf(1), true)).kind, expected)
  })

  it('with one pack at the same time leave one on the leaderboard', async (t) => {
    const { contributions, entry } = await open(t)
    const all = Array.from({ length: 8 }, () => admittedOf(contributionOf(entry.digest, packOf({ reward: 1 }))))
    await Promise.all(all.map((one) => contributions.take(one, verdictOf(1), true)))
    const smallest = all.map(({ id }) => id).sort()[0]
    assert.deepEqual(
      contributions.board.entries().map(({ id }) => id),
      [smallest],
    )
  })

  it('are judged once, and what is evicted leaves the leaderboard but not the log', async (t) => {
    const { contributions, entry, log } = await open(t, goalOf({ per_contributor: 1 }))
    const key = newContributor()
    const some = Array.from({ length: 6 }, (_, i) =>
      admittedOf(contributionOf(entry.digest, packOf({ reward: i }), key)),
    )
    some.sort((a, b) => (a.id > b.id ? -1 : 1))
    for (const one of some) {
      assert.equal((await contributions.take(one, undefined, false)).kind, 'taken')
      assert.deepEqual([...contributions.pending()], [one.id])
      await Promise.all([contributions.settle(one.id, verdictOf(1)), contributions.settle(one.id, verdictOf(1))])
    }
    const last = some.at(-1)!
    assert.deepEqual(
      contributions.board.entries().map(({ id }) => id),
      [last.id],
    )
    assert.equal(contributions.size, 1)
    assert.equal(contributions.text(some[0]!.id), undefined)
    assert.equal(log.size, 6)
    assert.equal((await contributions.take(some[0]!, verdictOf(9), true)).kind, 'full')
    assert.equal(log.size, 6)
  })

  it('that wait for a verdict wait for it after a restart', async (t) => {
    const first = await open(t)
    const one = admittedOf(contributionOf(first.entry.digest, packOf({ reward: 1 })))
    await first.contributions.take(one, undefined, false)
    first.contributions.countRejected()
    await first.contributions.flush()
    await first.store.close()
    const { contributions } = await open(t, first.entry, first.directory)
    assert.deepEqual([...contributions.pending()], [one.id])
    assert.deepEqual(contributions.counts, { total: 1, accepted: 0, rejected: 1 })
  })
})
