import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { AnnouncedCell, Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { Directory, type DirectoryLimits } from '../../../src/domain/federation/directory.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { TestClock, temporaryFolder } from '../../support/cells.ts'

const MINUTE_MS = 60_000
const SELF = 'self'

const cell = (name: string, version = '1.0.0'): AnnouncedCell => ({
  manifest_digest: `${name}@${version}`,
  publisher: 'publisher',
  cell_type: `type-${name}`,
  version,
  capabilities: [{ name, version }],
})

async function open(
  t: TestContext,
  options: { limits?: Partial<DirectoryLimits>; folder?: string; clock?: TestClock } = {},
) {
  const folder = options.folder ?? (await temporaryFolder(t))
  const clock = options.clock ?? new TestClock()
  const store = await Store.open(join(folder, 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const limits = { maxCells: 1000, maxCellsPerProvider: 500, ...options.limits }
  const directory = new Directory({ store, clock, limits, self: SELF })
  const announce = (
    provider_id: string,
    names: readonly string[],
    { page = 0, sequence = clock.now(), lifetime = MINUTE_MS } = {},
  ): Announcement => ({
    type: 'announcement',
    provider_id,
    page,
    sequence,
    expires_at: sequence + lifetime,
    addresses: [],
    cells: names.map((name) => cell(name)),
    signature: 'checked elsewhere',
  })
  const providers = (name: string) => [...directory.find('capability', name)].map(({ provider }) => provider).sort()
  return { folder, clock, store, directory, announce, providers }
}

const page = { maxBytes: 1_000_000, maxCount: 64 }

describe('what is announced', () => {
  it('is found by capability and by cell type', async (t) => {
    const { directory, announce, providers } = await open(t)
    await directory.accept(announce('c', ['parse', 'print']))
    await directory.accept(announce('d', ['parse']))
    assert.deepEqual(providers('parse'), ['c', 'd'])
    assert.deepEqual(providers('print'), ['c'])
    assert.deepEqual(providers('none'), [])
    const [entry] = directory.find('cell_type', 'type-print')
    assert.deepEqual([entry?.provider, entry?.offered], ['c', '1.0.0'])
    assert.ok(directory.has('capability', 'parse'))
    assert.ok(!directory.has('capability', 'type-parse'))
    assert.deepEqual([directory.providerCount, directory.cellCount, directory.cellsOf('c')], [2, 3, 2])
  })

  it('replaces the page before, and no other page', async (t) => {
    const { directory, announce, providers, clock } = await open(t)
    await directory.accept(announce('c', ['a', 'b']))
    await directory.accept(announce('c', ['x'], { page: 1 }))
    clock.advance(1)
    await directory.accept(announce('c', ['b', 'c']))
    assert.deepEqual(
      ['a', 'b', 'c', 'x'].map((name) => providers(name).length),
      [0, 1, 1, 1],
    )
    assert.deepEqual([directory.cellCount, directory.cellsOf('c')], [3, 3])
  })

  it('is withdrawn by an empty page', async (t) => {
    const { directory, announce, providers, clock } = await open(t)
    const first = announce('c', ['a'])
    await directory.accept(first)
    clock.advance(1)
    await directory.accept(announce('c', []))
    assert.deepEqual(providers('a'), [])
    assert.ok(!directory.has('capability', 'a'))
    assert.deepEqual([directory.providerCount, directory.cellCount], [0, 0])
    assert.ok(!directory.isNews(first))
  })

  it('is bounded under one name, and goes page by page', async (t) => {
    const limits = { maxCells: 100_000, maxCellsPerProvider: 100_000 }
    const { directory, announce, providers, clock } = await open(t, { limits })
    const crowd = Array.from({ length: LIMITS.announcementCells }, () => 'popular')
    const pages = 400
    for (let page = 0; page < pages; page++) void directory.accept(announce('c', crowd, { page }))
    for (let i = 0; i < 40; i++) void directory.accept(announce(`d${i}`, crowd))
    assert.equal(directory.cellCount, crowd.length * (pages + 40))
    assert.equal(providers('popular').length, LIMITS.announcedPerName)
    assert.ok(providers('popular').includes('d39'))
    clock.advance(1)
    for (let page = 0; page < pages; page++) void directory.accept(announce('c', [], { page }))
    for (let i = 0; i < 39; i++) void directory.accept(announce(`d${i}`, []))
    assert.ok(providers('popular').every((provider) => provider === 'd39'))
    await directory.accept(announce('d39', []))
    assert.ok(!directory.has('capability', 'popular'))
  })

  it('expires by the clock, swept or not', async (t) => {
    const { directory, announce, providers, clock } = await open(t)
    await directory.accept(announce('c', ['a']))
    clock.advance(MINUTE_MS - 1)
    assert.deepEqual(providers('a'), ['c'])
    clock.advance(1)
    assert.deepEqual(providers('a'), [])
    await directory.sweep()
    assert.ok(!directory.has('capability', 'a'))
    assert.deepEqual([directory.providerCount, directory.cellCount], [0, 0])
  })
})

describe('news', () => {
  it('is a higher sequence of the same page, never an equal or lower one', async (t) => {
    const { directory, announce, clock } = await open(t)
    const now = clock.now()
    await directory.accept(announce('c', ['a']))
    assert.ok(!directory.isNews(announce('c', ['b'])))
    assert.ok(!directory.isNews(announce('c', ['b'], { sequence: now - 1 })))
    assert.ok(directory.isNews(announce('c', ['b'], { sequence: now + LIMITS.announcementIntervalMs })))
    assert.ok(directory.isNews(announce('c', ['b'], { page: 1, sequence: now - 1 })))
    assert.ok(directory.isNews(announce('d', ['b'], { sequence: now - 1 })))
  })

  it('is never what this node announced itself', async (t) => {
    const { directory, announce, providers } = await open(t)
    const own = announce(SELF, ['a'])
    await directory.keep(own)
    assert.ok(!directory.isNews({ ...own, sequence: own.sequence + 1 }))
    assert.deepEqual(providers('a'), [])
    assert.equal(directory.keptSequence(SELF, 0), own.sequence)
    assert.equal(directory.keptSequence(SELF, 1), 0)
  })

  it('is not what a shorter-lived successor replaced, also after that has expired and was swept', async (t) => {
    const { folder, directory, announce, store, clock } = await open(t)
    const replaced = announce('c', ['a'], { lifetime: LIMITS.announcementLifetimeMs })
    await directory.accept(replaced)
    clock.advance(1)
    await directory.accept(announce('c', [], { lifetime: MINUTE_MS }))
    clock.advance(MINUTE_MS)
    await directory.sweep()
    assert.ok(replaced.expires_at > clock.now())
    assert.ok(!directory.isNews(replaced))
    await store.close()
    const again = await open(t, { folder, clock })
    await again.directory.load()
    assert.ok(!again.directory.isNews(replaced))
    clock.advance(LIMITS.announcementLifetimeMs)
    await again.directory.sweep()
    assert.deepEqual(announcementsOf(await again.directory.page(undefined, page)), [])
    assert.equal(again.directory.keptSequence('c', 0), 0)
  })
})

describe('limits', () => {
  it('of one provider and of all are kept, and replacing counts the difference', async (t) => {
    const { directory, announce, clock } = await open(t, { limits: { maxCells: 5, maxCellsPerProvider: 3 } })
    assert.ok(!directory.hasRoom(announce('c', ['1', '2', '3', '4'])))
    await directory.accept(announce('c', ['1', '2', '3']))
    assert.ok(!directory.hasRoom(announce('c', ['4'], { page: 1 })))
    clock.advance(1)
    assert.ok(directory.hasRoom(announce('c', ['4', '5', '6'])))
    assert.ok(!directory.hasRoom(announce('d', ['1', '2', '3'])))
    await directory.accept(announce('d', ['1', '2']))
    assert.ok(!directory.hasRoom(announce('e', ['1'])))
    await directory.accept(announce('c', []))
    assert.ok(directory.hasRoom(announce('e', ['1', '2'])))
  })

  it('hold for empty pages too, and a withdrawal always has room', async (t) => {
    const { directory, announce } = await open(t, { limits: { maxCells: 3, maxCellsPerProvider: 2 } })
    await directory.accept(announce('c', [], { page: 0 }))
    await directory.accept(announce('c', [], { page: 1 }))
    assert.ok(!directory.hasRoom(announce('c', [], { page: 2 })))
    await directory.accept(announce('d', ['a']))
    assert.ok(!directory.hasRoom(announce('e', [])))
    assert.ok(directory.hasRoom(announce('d', [])))
  })

  it('what is swept gives its room back', async (t) => {
    const { directory, announce, clock } = await open(t, { limits: { maxCells: 2 } })
    await directory.accept(announce('c', ['a', 'b']))
    clock.advance(LIMITS.announcementLifetimeMs)
    await directory.sweep()
    assert.ok(directory.hasRoom(announce('d', ['a', 'b'])))
  })
})

describe('after a restart', () => {
  it('the federation is known, and no old sequence is news', async (t) => {
    const { folder, directory, announce, store, clock } = await open(t)
    const old = announce('c', ['old'])
    clock.advance(10)
    await directory.accept(announce('c', ['a']))
    await directory.accept(announce('d', ['gone'], { lifetime: 5 }))
    await directory.keep(announce(SELF, ['own']))
    await store.close()
    clock.advance(100)
    const again = await open(t, { folder, clock })
    await again.directory.load()
    assert.deepEqual(again.providers('a'), ['c'])
    assert.deepEqual(again.providers('own'), [])
    assert.deepEqual([again.directory.providerCount, again.directory.cellCount], [1, 1])
    assert.ok(!again.directory.isNews(old))
    assert.equal(again.directory.keptSequence(SELF, 0), clock.now() - 100)
  })

  it('what arrived before the reading was done stands', async (t) => {
    const { folder, directory, announce, store, clock } = await open(t)
    await directory.accept(announce('c', ['before']))
    await store.close()
    clock.advance(1)
    const again = await open(t, { folder, clock })
    const accepted = again.directory.accept(announce('c', ['after'], { sequence: clock.now() }))
    await again.directory.load()
    await accepted
    assert.deepEqual([again.providers('before'), again.providers('after')], [[], ['c']])
  })

  it('an old announcement is no news before the reading is done either, and replaces nothing', async (t) => {
    const { folder, directory, announce, store, clock } = await open(t)
    const [old, other] = [announce('c', ['old']), announce('d', ['other'])]
    clock.advance(10)
    const current = announce('c', ['current'])
    await directory.accept(current)
    await store.close()
    const again = await open(t, { folder, clock })
    assert.ok(!again.directory.isNews(old))
    assert.ok(!again.directory.isNews(current))
    assert.ok(again.directory.isNews(other))
    await again.directory.keep(old)
    assert.deepEqual(again.directory.kept('c', 0), current)
    await again.directory.load()
    assert.deepEqual([again.providers('old'), again.providers('current')], [[], ['c']])
  })
})

const announcementsOf = ({ json }: { json: string }): Announcement[] => JSON.parse(json) as Announcement[]

describe('pages for joiners', () => {
  it('hold every announcement that counts, once, own ones included', async (t) => {
    const { directory, announce, clock } = await open(t)
    await directory.accept(announce('gone', ['x'], { lifetime: 1 }))
    clock.advance(1)
    for (const provider of ['c', 'd', 'e']) {
      await directory.accept(announce(provider, ['a']))
      await directory.accept(announce(provider, ['b'], { page: 1 }))
    }
    await directory.keep(announce(SELF, ['own']))
    const all: string[] = []
    const sizes: number[] = []
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const answer = await directory.page(after, { ...page, maxCount: 3 })
      sizes.push(announcementsOf(answer).length)
      for (const { provider_id, page } of announcementsOf(answer)) all.push(`${provider_id}/${page}`)
      after = answer.next
    }
    assert.deepEqual(all.sort(), ['c/0', 'c/1', 'd/0', 'd/1', 'e/0', 'e/1', 'self/0'])
    assert.ok(sizes.every((size) => size <= 3))
  })

  it('are bounded in bytes, but never empty while there is more', async (t) => {
    const { directory, announce } = await open(t)
    for (const provider of ['c', 'd']) await directory.accept(announce(provider, ['a', 'b', 'c']))
    const first = await directory.page(undefined, { maxBytes: 10, maxCount: 64 })
    assert.equal(announcementsOf(first).length, 1)
    assert.ok(first.next)
    const second = await directory.page(first.next, { maxBytes: 10, maxCount: 64 })
    assert.equal(announcementsOf(second).length, 1)
    assert.equal(second.next, undefined)
  })
})
