import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { ACCESS_LIMITS } from '../../../protocol/access.ts'
import { Nonces } from '../../../src/domain/access/nonces.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { KEYSPACES, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { collected, TestClock, temporaryFolder } from '../../support/cells.ts'

const KEY = `ed25519:${'ab'.repeat(32)}`
const stored = textKeyspace(KEYSPACES.nonces)

async function openStore(t: TestContext, folder?: string): Promise<Store> {
  const store = await Store.open(folder ?? (await temporaryFolder(t)), { createIfMissing: true })
  t.after(() => store.close())
  return store
}

async function loaded(store: Store, clock: TestClock, capacity?: number): Promise<Nonces> {
  const nonces = new Nonces(store, clock, capacity)
  await nonces.load()
  return nonces
}

const refused = (promise: Promise<void>, code: string, message: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ProviderError)
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
const usedBefore = (promise: Promise<void>) => refused(promise, 'PROV_004', /was used before/)

describe('a nonce', () => {
  it('is accepted once from each key', async (t) => {
    const nonces = await loaded(await openStore(t), new TestClock())
    await nonces.use(KEY, 'first')
    await usedBefore(nonces.use(KEY, 'first'))
    await nonces.use(KEY, 'second')
    await nonces.use('ed25519:other', 'first')
    assert.equal(nonces.size, 3)
  })

  it('is accepted once of many that come at the same time', async (t) => {
    const nonces = await loaded(await openStore(t), new TestClock())
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => nonces.use(KEY, 'same')))
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1)
    assert.equal(nonces.size, 1)
  })

  it('is on disk when its use resolves, and remembered after a restart', async (t) => {
    const folder = await temporaryFolder(t)
    const clock = new TestClock()
    const store = await openStore(t, folder)
    await (await loaded(store, clock)).use(KEY, 'first')
    assert.equal((await collected(store.scan(stored))).length, 1)
    await store.close()
    const after = await loaded(await openStore(t, folder), clock)
    assert.equal(after.size, 1)
    await usedBefore(after.use(KEY, 'first'))
  })

  it('is remembered for the whole window, and may come again after it, swept or not', async (t) => {
    for (const sweeps of [true, false]) {
      const clock = new TestClock()
      const nonces = await loaded(await openStore(t), clock)
      await nonces.use(KEY, 'first')
      clock.advance(ACCESS_LIMITS.nonceMs)
      if (sweeps) await nonces.sweep()
      await usedBefore(nonces.use(KEY, 'first'))
      clock.advance(1)
      if (sweeps) await nonces.sweep()
      assert.equal(nonces.size, sweeps ? 0 : 1)
      await nonces.use(KEY, 'first')
      assert.equal(nonces.size, 1)
      await usedBefore(nonces.use(KEY, 'first'))
    }
  })
})

describe('when no more can be remembered', () => {
  it('the next one is refused and none is forgotten', async (t) => {
    const clock = new TestClock()
    const nonces = await loaded(await openStore(t), clock, 3)
    for (const nonce of ['a', 'b', 'c']) await nonces.use(KEY, nonce)
    await refused(nonces.use(KEY, 'd'), 'PROV_013', /remembers 3 nonces, the most that it can/)
    clock.advance(ACCESS_LIMITS.nonceMs + 1)
    await nonces.sweep()
    await nonces.use(KEY, 'd')
    assert.equal(nonces.size, 1)
  })

  it('that holds for a burst and after a restart too', async (t) => {
    const clock = new TestClock()
    const store = await openStore(t)
    const nonces = await loaded(store, clock, 10)
    const results = await Promise.allSettled(Array.from({ length: 30 }, (_, i) => nonces.use(KEY, String(i))))
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 10)
    const after = await loaded(store, clock, 10)
    await refused(after.use(KEY, 'new'), 'PROV_013', /remembers 10 nonces/)
  })

  it('what the disk refused takes no place', async (t) => {
    const store = await Store.open(await temporaryFolder(t), { createIfMissing: true })
    const nonces = await loaded(store, new TestClock())
    await store.close()
    await assert.rejects(nonces.use(KEY, 'first'), /the store is closed/)
    assert.equal(nonces.size, 0)
  })
})

it('sweeping forgets more than one write holds, and counts what is left', async (t) => {
  const clock = new TestClock()
  const store = await openStore(t)
  const nonces = await loaded(store, clock)
  await Promise.all(Array.from({ length: 1201 }, (_, i) => nonces.use(KEY, `old ${i}`)))
  clock.advance(1000)
  await Promise.all(Array.from({ length: 7 }, (_, i) => nonces.use(KEY, `new ${i}`)))
  clock.advance(ACCESS_LIMITS.nonceMs - 999)
  const sweeping = nonces.sweep()
  // Used anew while the walk goes on.
  await nonces.use(KEY, 'old 3')
  await sweeping
  assert.equal(nonces.size, 8)
  assert.equal((await collected(store.scan(stored))).length, 8)
  await usedBefore(nonces.use(KEY, 'old 3'))
})

it('behaves as a list of uses would, whatever happens in between', async (t) => {
  const store = await openStore(t)
  let run = 0
  const step = fc.oneof(
    fc.record({ kind: fc.constant('use' as const), nonce: fc.constantFrom('a', 'b', 'c', 'd') }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(ACCESS_LIMITS.nonceMs) }),
    fc.record({ kind: fc.constant('sweep' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const owner = `key ${run++}`
      const clock = new TestClock()
      const nonces = await loaded(store, clock)
      const usedAt = new Map<string, number>()
      for (const action of steps) {
        if (action.kind === 'wait') clock.advance(action.ms)
        else if (action.kind === 'sweep') await nonces.sweep()
        else {
          const last = usedAt.get(action.nonce)
          const isFree = last === undefined || clock.now() > last + ACCESS_LIMITS.nonceMs
          if (!isFree) await usedBefore(nonces.use(owner, action.nonce))
          else {
            await nonces.use(owner, action.nonce)
            usedAt.set(action.nonce, clock.now())
          }
        }
      }
      assert.equal(nonces.size, (await collected(store.scan(stored))).length)
    }),
    { numRuns: 40 },
  )
})
