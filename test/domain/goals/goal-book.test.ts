import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { GoalBook } from '../../../src/domain/goals/goal-book.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { TestClock, temporaryFolder } from '../../support/cells.ts'
import { goalOf } from '../../support/goals.ts'

const SELF = 'this node'

async function openBook(t: TestContext, folder?: string) {
  const directory = folder ?? (await temporaryFolder(t))
  const store = await Store.open(directory, { createIfMissing: true })
  t.after(() => store.close())
  const book = new GoalBook({ store, clock: new TestClock(), self: SELF })
  await book.load()
  const acts: object[] = []
  return { book, store, directory, acts, witness: (_: unknown, details: object) => acts.push(details) }
}

const failsWith = (code: string, status?: number) => (error: unknown) =>
  error instanceof ProviderError && error.code === code && (status === undefined || error.status === status)

const mine = (change: Parameters<typeof goalOf>[0] = {}) => ({ ...goalOf(change).goal, creator: SELF })

describe('goals', () => {
  it('that were created or joined are so after a restart, and each act was logged', async (t) => {
    const first = await openBook(t)
    await first.book.create(mine({ goal_id: 'own' }), first.witness)
    const { goal, digest } = goalOf({ goal_id: 'theirs' })
    assert.equal(await first.book.hear(goal, 'a peer'), 'kept')
    assert.equal(await first.book.hear(goal, 'a peer'), 'known')
    await first.book.join('theirs', first.witness)
    await first.book.leave('own', first.witness)
    assert.deepEqual(
      first.acts.map((act) => (act as { goal_id: string }).goal_id),
      ['own', 'theirs', 'own'],
    )
    await first.store.close()
    const { book } = await openBook(t, first.directory)
    assert.deepEqual(
      book.list().map((entry) => [entry.goal.goal_id, entry.joined]),
      [
        ['own', false],
        ['theirs', true],
      ],
    )
    assert.equal(book.find(digest).goal.goal_id, 'theirs')
  })

  it('are found by alias: the joined one first, and never one of several by chance', async (t) => {
    const { book, witness } = await openBook(t)
    assert.throws(() => book.find('shared'), failsWith('PROV_001', 404))
    const [one, other] = [goalOf({ goal_id: 'shared' }), goalOf({ goal_id: 'shared' })]
    await book.hear(one.goal, 'a peer')
    assert.equal(book.find('shared').digest, one.digest)
    await book.hear(other.goal, 'a peer')
    assert.throws(() => book.find('shared'), failsWith('PROV_001', 409))
    await book.join(other.digest, witness)
    assert.equal(book.find('shared').digest, other.digest)
    await assert.rejects(book.join(one.digest, witness), failsWith('PROV_007'))
    await assert.rejects(book.create(mine({ goal_id: 'shared' }), witness), failsWith('PROV_007'))
  })

  it('that two administrators create under one alias at the same time are one goal', async (t) => {
    const { book, witness } = await openBook(t)
    const made = await Promise.allSettled([
      book.create(mine({ name: 'one' }), witness),
      book.create(mine({ name: 'other' }), witness),
    ])
    assert.deepEqual(
      made.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    assert.equal(book.list().length, 1)
  })

  it('of strangers take no more room than there is for one creator and one source', async (t) => {
    const { book } = await openBook(t)
    const results = new Map<string, number>()
    const { goal } = goalOf()
    for (let i = 0; i < 70; i++) {
      const result = await book.hear({ ...goal, name: `goal ${i}` }, 'a peer')
      results.set(result, (results.get(result) ?? 0) + 1)
    }
    assert.deepEqual(Object.fromEntries(results), { kept: 64, 'no room': 6 })
    for (let i = 0; i < 200; i++) await book.hear({ ...goal, creator: `stranger ${i}` }, 'a peer')
    assert.equal(book.list().length, 256)
    assert.equal(await book.hear({ ...goal, creator: 'a stranger' }, 'another peer'), 'kept')
  })
})
