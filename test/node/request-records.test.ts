import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { CellQuery } from '../../src/domain/cells/query.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import type { Requester, RequestOutcome } from '../../src/node/api.ts'
import { RequestRecords } from '../../src/node/flows/request-records.ts'
import { silentLogger } from '../network/nodes.ts'
import { TestClock } from '../support/cells.ts'
import { temporaryFolder } from '../support/processes.ts'

const QUERY: CellQuery = { by: 'capability', name: 'parse' }
const SUCCESS: RequestOutcome = { status: 'success', source: 'local', cell: { before: '{', after: '}' } }
const NOT_FOUND: RequestOutcome = {
  status: 'not_found',
  code: 'PROV_003',
  alternatives: [],
  coverage: { sources: [], peers: [], oldest_answer_ms: 0 },
}
const owned = (owner: string, isAdmin = false): Requester => ({ owner, token: undefined, isAdmin })
const holding = (token: string | undefined): Requester => ({ owner: undefined, token, isAdmin: false })
const ANYBODY = holding(undefined)

/** Records whose searches end when the test says so. */
async function open(t: TestContext, directory?: string) {
  const folder = directory ?? (await temporaryFolder(t))
  const store = await Store.open(join(folder, 'store'), { createIfMissing: true })
  const clock = new TestClock()
  const searches: ((outcome: RequestOutcome) => void)[] = []
  const search = (): Promise<RequestOutcome> => new Promise((resolve) => searches.push(resolve))
  const records = new RequestRecords({ store, clock, logger: silentLogger, search })
  await records.load()
  let open = true
  const close = async (): Promise<void> => {
    if (!open) return
    open = false
    records.stop()
    await store.close()
  }
  t.after(close)
  return { records, clock, searches, folder, close }
}

const code = (expected: string) => (error: unknown) => error instanceof ProviderError && error.code === expected

describe('a request that was answered at once', () => {
  it('of an owner is the same request with the same body, and a conflict with another', async (t) => {
    const { records } = await open(t)
    const body = { request_id: 'r', capability: 'parse', quantum_signature: 'a' }
    assert.equal(records.answered(owned('key:1'), 'r', body, SUCCESS), undefined)
    const again = records.same(owned('key:1'), 'r', { ...body, quantum_signature: 'b' })
    assert.equal(again?.outcome, SUCCESS)
    assert.throws(() => records.same(owned('key:1'), 'r', { ...body, capability: 'x' }), code('PROV_007'))
    assert.equal(records.same(owned('key:2'), 'r', body), undefined, 'an id is unique per owner only')
    assert.equal(records.read(owned('key:2'), 'r'), undefined)
    assert.equal(records.read(owned('admin', true), 'r')?.outcome, SUCCESS)
  })

  it('is the same or another one also where its body is too large to be kept', async (t) => {
    const { records } = await open(t)
    const body = (last: number) => ({
      request_id: 'r',
      context: { environment: { a: [...Array(2000).fill([]), last] } },
    })
    records.answered(owned('key:1'), 'r', { ...body(1), quantum_signature: 'a' }, SUCCESS)
    assert.equal(records.same(owned('key:1'), 'r', { ...body(1), quantum_signature: 'b' })?.outcome, SUCCESS)
    assert.throws(() => records.same(owned('key:1'), 'r', body(2)), code('PROV_007'))
  })

  it('of nobody belongs to whoever holds its token', async (t) => {
    const { records } = await open(t)
    const [token, other] = ['r', 's'].map((id) => records.answered(ANYBODY, id, {}, SUCCESS))
    assert.notEqual(token, other)
    assert.equal(records.read(holding(token), 'r')?.outcome, SUCCESS)
    for (const [requester, id] of [
      [holding(token), 's'],
      [holding(other), 'r'],
      [holding(`${token}x`), 'r'],
      [holding('0.'), 'r'],
      [holding('nonsense'), 'r'],
      [ANYBODY, 'r'],
      [owned('admin', true), 'r'],
    ] as const) {
      assert.equal(records.read(requester, id), undefined)
    }
  })

  it('is forgotten in the end', async (t) => {
    const { records } = await open(t)
    const first = records.answered(ANYBODY, 'r', {}, SUCCESS)
    records.answered(owned('o'), 'r', {}, SUCCESS)
    for (let n = 0; n < 8192; n++) {
      records.answered(ANYBODY, `r${n}`, {}, SUCCESS)
      records.answered(owned('o'), `r${n}`, {}, SUCCESS)
    }
    assert.equal(records.read(holding(first), 'r'), undefined)
    assert.equal(records.read(owned('o'), 'r'), undefined)
    assert.ok(records.read(owned('o'), 'r8191'))
  })
})

describe('a pending request', () => {
  it('that is asked twice at the same time is one', async (t) => {
    const { records, searches } = await open(t)
    const body = { request_id: 'r', capability: 'parse' }
    for (let i = 0; i < 150; i++) {
      const ask = () => records.pending(owned('key:1'), 'r', body, QUERY)
      await Promise.all([ask(), ask()])
      const other = records.pending(owned('key:1'), 'r', { ...body, capability: 'x' }, QUERY)
      await assert.rejects(other, code('PROV_007'))
      assert.equal(await records.cancel(owned('key:1'), 'r'), 'cancelled')
    }
    assert.equal(searches.length, 150)
  })

  it('goes on, and its answer is there for the poll', async (t) => {
    const { records, searches } = await open(t)
    const token = await records.pending(ANYBODY, 'r', {}, QUERY)
    assert.equal(records.read(holding(token), 'r')?.outcome, undefined)
    searches[0]!(NOT_FOUND)
    await new Promise(setImmediate)
    assert.equal(records.read(holding(token), 'r')?.outcome, NOT_FOUND)
    assert.equal(await records.cancel(holding(token), 'r'), 'already_delivered')
  })

  it('of an owner is searched for again after a restart, under any id', async (t) => {
    const { records, close, folder } = await open(t)
    const id = 'with\na line break'
    await records.pending(owned('ed25519:1'), id, { capability: 'parse' }, QUERY)
    await records.pending(ANYBODY, 'anonymous', {}, QUERY)
    await close()
    const restarted = await open(t, folder)
    assert.equal(restarted.searches.length, 1, 'nobody can ask for the other one')
    assert.throws(() => restarted.records.same(owned('ed25519:1'), id, { capability: 'x' }), code('PROV_007'))
    restarted.searches[0]!(SUCCESS)
    await new Promise(setImmediate)
    assert.equal(restarted.records.read(owned('ed25519:1'), id)?.outcome, SUCCESS)
  })

  it('can be cancelled by its owner, durably', async (t) => {
    const { records, close, folder } = await open(t)
    await records.pending(owned('o'), 'r', {}, QUERY)
    assert.equal(await records.cancel(owned('x'), 'r'), 'not_found')
    assert.equal(await records.cancel(owned('o'), 'r'), 'cancelled')
    assert.equal(await records.cancel(owned('o'), 'r'), 'not_found')
    await close()
    assert.equal((await open(t, folder)).searches.length, 0)
  })

  it('ends after ten minutes', async (t) => {
    const { records, clock } = await open(t)
    await records.pending(owned('o'), 'r', {}, QUERY)
    clock.advance(10 * 60_000)
    assert.throws(() => records.read(owned('o'), 'r'), code('PROV_006'))
  })

  it('leaves room for clients with a key where strangers fill the rest', async (t) => {
    const { records, clock } = await open(t)
    for (let n = 0; n < 8000; n++) await records.pending(ANYBODY, `r${n}`, {}, QUERY)
    await assert.rejects(records.pending(ANYBODY, 'more', {}, QUERY), code('PROV_013'))
    await assert.rejects(records.pending(owned('ed25519:00'), 'more', {}, QUERY), code('PROV_013'))
    await records.pending(owned('key:1'), 'r', {}, QUERY)
    clock.advance(10 * 60_000)
    await records.pending(ANYBODY, 'more', {}, QUERY)
  })

  it('is one of at most a hundred of an owner', async (t) => {
    const { records, clock } = await open(t)
    for (let n = 0; n < 100; n++) await records.pending(owned('o'), `r${n}`, {}, QUERY)
    await assert.rejects(records.pending(owned('o'), 'more', {}, QUERY), code('PROV_013'))
    await records.pending(owned('p'), 'r', {}, QUERY)
    clock.advance(10 * 60_000)
    await records.pending(owned('o'), 'more', {}, QUERY)
  })
})
