import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import {
  ACCESS_LIMITS,
  ApiKeyCreated,
  ApiKeyCreation,
  type ApiKeyInfo,
  ApiKeyList,
  roleCovers,
} from '../../../protocol/access.ts'
import { ApiKeys } from '../../../src/domain/access/api-keys.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { collected, TestClock, temporaryFolder } from '../../support/cells.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const stored = textKeyspace(KEYSPACES.apiKeys)
const meta = jsonKeyspace<string>(KEYSPACES.meta)

interface Node {
  readonly store: Store
  readonly clock: TestClock
  readonly keys: ApiKeys
}

async function open(t: TestContext, folder?: string): Promise<Node> {
  const store = await Store.open(folder ?? (await temporaryFolder(t)), { createIfMissing: true })
  t.after(() => store.close())
  return loaded(store, new TestClock())
}

/** What a node knows after a restart over the same store. */
async function loaded(store: Store, clock: TestClock): Promise<Node> {
  const keys = new ApiKeys(store, clock)
  await keys.load()
  return { store, clock, keys }
}

const inFuture = (clock: TestClock, ms: number): string => new Date(clock.now() + ms).toISOString()

describe('a key', () => {
  it('identifies its holder, also after a restart', async (t) => {
    const { store, clock, keys } = await open(t)
    const admin = await keys.create({ role: 'admin', name: 'operator' })
    const reader = await keys.create({ role: 'reader', name: 'dashboard' })
    const after = await loaded(store, clock)
    for (const { keys: known } of [{ keys }, after]) {
      assert.deepEqual(known.identify(admin.key), { keyId: admin.key_id, role: 'admin' })
      assert.deepEqual(known.identify(reader.key), { keyId: reader.key_id, role: 'reader' })
    }
  })

  it('is shown once and stored as a digest only', async (t) => {
    const { store, keys } = await open(t)
    const created = await keys.create({ role: 'publisher', name: 'build server' })
    assert.ok(Compile(ApiKeyCreated).Check(created))
    assert.match(created.key, /^cpk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/)
    const secret = created.key.slice(-43)
    const list = keys.list()
    assert.ok(Compile(ApiKeyList).Check(list))
    const texts = [JSON.stringify(list), ...(await collected(store.scan(stored))).flat()]
    assert.equal(texts.length, 3)
    for (const text of texts) assert.ok(!text.includes(secret))
  })

  it('is none with any other secret, id or form', async (t) => {
    const { keys } = await open(t)
    const { key } = await keys.create({ role: 'admin', name: 'operator' })
    const other = await keys.create({ role: 'admin', name: 'second' })
    assert.equal(keys.identify(key.slice(0, 21) + other.key.slice(21)), undefined)
    assert.equal(keys.identify(''), undefined)
    fc.assert(
      fc.property(fc.nat(key.length - 1), fc.string({ maxLength: 2 }), (at, put) => {
        const changed = key.slice(0, at) + put + key.slice(at + 1)
        fc.pre(changed !== key)
        assert.equal(keys.identify(changed), undefined)
      }),
    )
  })

  it('ends at the moment that it names', async (t) => {
    const { store, clock, keys } = await open(t)
    const { key } = await keys.create({ role: 'reader', name: 'guest', expires_at: inFuture(clock, 1000) })
    clock.advance(999)
    assert.notEqual(keys.identify(key), 'expired')
    clock.advance(1)
    assert.equal(keys.identify(key), 'expired')
    assert.equal(keys.list().keys[0]?.status, 'expired')
    assert.equal((await loaded(store, clock)).keys.identify(key), 'expired')
  })

  it('cannot be created for the past, nor for a moment that does not exist', async (t) => {
    const { clock, keys } = await open(t)
    for (const expires_at of [inFuture(clock, 0), '1999-01-01T00:00:00Z', '2027-13-01T00:00:00Z']) {
      await assert.rejects(
        keys.create({ role: 'reader', name: 'guest', expires_at }),
        /expires_at must be in the future/,
      )
    }
    assert.equal(keys.list().total, 0)
  })

  it('remembers the day of its last use', async (t) => {
    const { store, clock, keys } = await open(t)
    const { key } = await keys.create({ role: 'reader', name: 'dashboard' })
    assert.equal(keys.list().keys[0]?.last_used, null)
    keys.identify(key)
    assert.equal(keys.list().keys[0]?.last_used, '2026-01-01')
    await keys.tidy()
    clock.advance(DAY_MS)
    const { keys: after } = await loaded(store, clock)
    assert.equal(after.list().keys[0]?.last_used, '2026-01-01')
    after.identify(key)
    await after.tidy()
    assert.equal((await loaded(store, clock)).keys.list().keys[0]?.last_used, '2026-01-02')
  })
})

describe('revoking', () => {
  it('acts before it is durable, and for good', async (t) => {
    const { store, clock, keys } = await open(t)
    const { key, key_id } = await keys.create({ role: 'admin', name: 'operator' })
    const revoking = keys.revoke(key_id)
    assert.equal(keys.identify(key), 'revoked')
    assert.equal((await revoking)?.status, 'revoked')
    assert.equal((await loaded(store, clock)).keys.identify(key), 'revoked')
  })

  it('wins over the note of a last use that is written at the same time', async (t) => {
    const { store, clock, keys } = await open(t)
    const { key, key_id } = await keys.create({ role: 'admin', name: 'operator' })
    keys.identify(key)
    await Promise.all([keys.tidy(), keys.revoke(key_id), keys.tidy()])
    const { keys: after } = await loaded(store, clock)
    assert.equal(after.identify(key), 'revoked')
    assert.equal(after.list().keys[0]?.last_used, '2026-01-01')
  })

  it('twice is once, and of an unknown key nothing', async (t) => {
    const { clock, keys } = await open(t)
    const { key_id } = await keys.create({ role: 'admin', name: 'operator' })
    const acts: ApiKeyInfo[] = []
    const [first, second] = await Promise.all([
      keys.revoke(key_id, (_, key) => acts.push(key)),
      keys.revoke(key_id, (_, key) => acts.push(key)),
    ])
    clock.advance(5000)
    assert.deepEqual(await keys.revoke(key_id), first)
    assert.deepEqual(second, first)
    assert.equal(acts.length, 1)
    assert.equal(await keys.revoke('0000000000000000'), undefined)
  })
})

describe('expiring', () => {
  it('brings the end of a key closer, at once and over restarts', async (t) => {
    const { store, clock, keys } = await open(t)
    const { key, key_id } = await keys.create({ role: 'admin', name: 'operator' })
    const end = inFuture(clock, 5000)
    assert.equal((await keys.expire(key_id, end))?.expires_at, end)
    const { keys: after } = await loaded(store, clock)
    assert.notEqual(after.identify(key), 'expired')
    clock.advance(5000)
    for (const known of [keys, after]) assert.equal(known.identify(key), 'expired')
  })

  it('neither prolongs a key nor revives one', async (t) => {
    const { clock, keys } = await open(t)
    const { key, key_id } = await keys.create({ role: 'admin', name: 'operator', expires_at: inFuture(clock, 1000) })
    await assert.rejects(keys.expire(key_id, inFuture(clock, 2000)), /its end can be set to an earlier time only/)
    clock.advance(1000)
    await assert.rejects(keys.expire(key_id, inFuture(clock, 1)), ProviderError)
    assert.equal(keys.identify(key), 'expired')
    assert.equal(await keys.expire('0000000000000000', inFuture(clock, 1)), undefined)
  })
})

describe('the list', () => {
  it('comes in pages, oldest first', async (t) => {
    const { store, clock, keys } = await open(t)
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      await keys.create({ role: 'reader', name })
      clock.advance(1)
    }
    for (const { keys: known } of [{ keys }, await loaded(store, clock)]) {
      const page = known.list({ limit: 2, offset: 1 })
      assert.deepEqual(
        page.keys.map((key) => key.name),
        ['b', 'c'],
      )
      assert.deepEqual([page.total, page.limit, page.offset], [5, 2, 1])
    }
  })

  it('forgets a key long after it has ended, and then does not know it', async (t) => {
    const { store, clock, keys } = await open(t)
    const kept = await keys.create({ role: 'reader', name: 'kept' })
    const gone = await keys.create({ role: 'reader', name: 'gone' })
    await keys.revoke(gone.key_id)
    clock.advance(ACCESS_LIMITS.endedKeyMs)
    await keys.tidy()
    assert.equal(keys.identify(gone.key), 'revoked')
    clock.advance(1)
    await keys.tidy()
    for (const { keys: known } of [{ keys }, await loaded(store, clock)]) {
      assert.equal(known.identify(gone.key), undefined)
      assert.equal(known.list().total, 1)
      assert.notEqual(known.identify(kept.key), undefined)
    }
  })
})

it('no more keys are created than can be held, also at once', async (t) => {
  const { store, clock, keys } = await open(t)
  const first = await keys.create({ role: 'reader', name: 'first' })
  const [[, record] = ['', '']] = await collected(store.scan(stored))
  await store.transact((tx) => {
    for (let i = 2; i < ACCESS_LIMITS.keys; i++) tx.put(stored, i.toString(16).padStart(16, '0'), record)
  })
  const { keys: full } = await loaded(store, clock)
  const results = await Promise.allSettled([1, 2, 3].map((i) => full.create({ role: 'reader', name: `last ${i}` })))
  assert.deepEqual(
    results.map((result) => result.status),
    ['fulfilled', 'rejected', 'rejected'],
  )
  await assert.rejects(full.create({ role: 'reader', name: 'late' }), (error) => {
    assert.ok(error instanceof ProviderError)
    assert.equal(error.code, 'PROV_014')
    assert.match(error.message, /holds 10000 API keys, the most that it can/)
    return true
  })
  assert.equal(full.list().total, ACCESS_LIMITS.keys)
  assert.notEqual(full.identify(first.key), undefined)
})

describe('the witness of an act', () => {
  it('writes in the same transaction: both or neither', async (t) => {
    const { store, clock, keys } = await open(t)
    const { key, key_id } = await keys.create({ role: 'admin', name: 'operator' }, (tx, info) =>
      tx.put(meta, 'created', info.key_id),
    )
    assert.equal(store.get(meta, 'created'), key_id)
    const fails = () => {
      throw new Error('the log is full')
    }
    await assert.rejects(keys.create({ role: 'admin', name: 'second' }, fails), /the log is full/)
    assert.equal(keys.list().total, 1)
    await assert.rejects(keys.revoke(key_id, fails), /the log is full/)
    // Refused here all the same, until the revocation can be written.
    assert.equal(keys.identify(key), 'revoked')
    assert.notEqual((await loaded(store, clock)).keys.identify(key), 'revoked')
    await keys.revoke(key_id, (tx, info) => tx.put(meta, 'revoked', info.status))
    assert.equal(store.get(meta, 'revoked'), 'revoked')
    assert.equal((await loaded(store, clock)).keys.identify(key), 'revoked')
  })
})

describe('the contract', () => {
  it('knows three roles, each of which may do what those before it may', () => {
    const roles = ['reader', 'publisher', 'admin'] as const
    const covered = roles.map((held) => roles.map((needed) => roleCovers(held, needed)))
    assert.deepEqual(covered, [
      [true, false, false],
      [true, true, false],
      [true, true, true],
    ])
  })

  it('refuses names that a terminal would act on, other roles, and fields that it does not know', () => {
    const schema = Compile(ApiKeyCreation)
    assert.ok(schema.Check({ role: 'reader', name: 'Büro 2', expires_at: '2027-01-31T12:00:00Z' }))
    for (const body of [
      { role: 'reader', name: '' },
      { role: 'reader', name: 'a\u001b[31m' },
      { role: 'reader', name: 'x'.repeat(ACCESS_LIMITS.keyName + 1) },
      { role: 'root', name: 'a' },
      { role: 'reader', name: 'a', expires_at: 'tomorrow' },
      { role: 'reader', name: 'a', expires_at: '2027-01-31T12:00:00+01:00' },
      { role: 'reader', name: 'a', key: 'mine' },
      { name: 'a' },
    ]) {
      assert.ok(!schema.Check(body), JSON.stringify(body))
    }
  })
})
