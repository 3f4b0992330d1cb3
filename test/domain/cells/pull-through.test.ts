import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { PullThroughCache } from '../../../src/domain/cells/pull-through.ts'
import type { CellRecord } from '../../../src/domain/cells/records.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import type { PublisherKeys } from '../../../src/kernel/identity/manifest-signer.ts'
import { filesOf, manifestOf, newPublisher, openCells, packageFile, signedCell, staged } from '../../support/cells.ts'

type Cells = Awaited<ReturnType<typeof openCells>>

const alice = newPublisher()
const bob = newPublisher()
const CREATED = '2026-01-01T00:00:00.000Z'

/** A cell named after its content, of `size` bytes. */
async function written(cells: Cells, name: string, size: number, publisher: PublisherKeys) {
  const writer = await staged(cells.blobs, Buffer.alloc(size, name))
  const manifest = manifestOf(publisher.publisher, writer.summary, {
    cell_type: name,
    capabilities: [{ name, version: '1.0.0' }],
  })
  return { writer, cell: signedCell(publisher, manifest) }
}

async function keep(cells: Cells, name: string, size: number, publisher = alice): Promise<string[]> {
  const { writer, cell } = await written(cells, name, size, publisher)
  try {
    const { evicted } = await cells.cache.keep(cell, 'peer', CREATED, writer)
    return evicted.map(({ manifest }) => manifest.cell_type)
  } finally {
    await writer.discard()
  }
}

async function register(cells: Cells, name: string, size: number, publisher = alice): Promise<CellRecord> {
  const { writer, cell } = await written(cells, name, size, publisher)
  const record = await cells.repository.register(cell, { credential: 'key', report: null }, writer)
  await writer.discard()
  cells.cache.release(record.id)
  return record
}

const held = (cells: Cells, ...names: string[]) =>
  names.filter((name) => cells.index.candidates('cell_type', name).length > 0)

const digestOf = (cells: Cells, name: string): string => {
  const [candidate] = cells.index.candidates('cell_type', name)
  return cells.index.get(candidate!.id)!.manifest.package.digest.slice('sha256:'.length)
}

const budget = (maxBytes: number, maxBytesPerPublisher = maxBytes) => ({ budget: { maxBytes, maxBytesPerPublisher } })

describe('what is kept', () => {
  it('is a cached cell with its source, findable and announced', async (t) => {
    const cells = await openCells(t)
    await keep(cells, 'a', 10)
    const record = cells.index.get(cells.index.candidates('capability', 'a')[0]!.id)!
    assert.equal(record.origin, 'cached')
    assert.equal(record.source, 'peer')
    assert.equal(record.created_at, CREATED)
    assert.equal(cells.index.candidates('capability', 'a')[0]?.registered, false)
    assert.equal((await cells.catalogue.page(record.page))[0]?.manifest_digest, record.id)
    assert.ok(existsSync(packageFile(cells, digestOf(cells, 'a'))))
    assert.equal(cells.cache.bytes, 10)
  })

  it('counts once, however often it comes', async (t) => {
    const cells = await openCells(t)
    await Promise.all([keep(cells, 'a', 10), keep(cells, 'a', 10), keep(cells, 'a', 10)])
    assert.equal(cells.cache.bytes, 10)
    assert.equal(cells.index.candidates('capability', 'a').length, 1)
    assert.equal(cells.index.count('cells'), 0, 'a copy is not counted as registered')
    assert.equal((await filesOf(cells.blobs, cells.directory)).digests.length, 1)
  })

  it('what is larger than the budget or its publisher’s share is not admitted', async (t) => {
    const { cache } = await openCells(t, budget(100, 40))
    assert.deepEqual(
      [40, 41, 101].map((size) => cache.admits(size)),
      [true, false, false],
    )
    const { cache: none } = await openCells(t, budget(0))
    assert.ok(!none.admits(1))
  })
})

describe('room', () => {
  it('is made by dropping the least recently used', async (t) => {
    const cells = await openCells(t, budget(100))
    for (const name of ['a', 'b', 'c']) assert.deepEqual(await keep(cells, name, 30), [])
    const dropped = packageFile(cells, digestOf(cells, 'b'))
    cells.cache.touch(digestOf(cells, 'a'))
    assert.deepEqual(await keep(cells, 'd', 30), ['b'])
    assert.deepEqual(await keep(cells, 'e', 60), ['c', 'a'])
    assert.deepEqual(held(cells, 'a', 'b', 'c', 'd', 'e'), ['d', 'e'])
    assert.equal(cells.cache.bytes, 90)
    assert.ok(!existsSync(dropped))
  })

  it('a publisher over its share displaces only itself', async (t) => {
    const cells = await openCells(t, budget(100, 50))
    await keep(cells, 'b1', 40, bob)
    await keep(cells, 'a1', 25)
    await keep(cells, 'a2', 25)
    assert.deepEqual(await keep(cells, 'a3', 25), ['a1'])
    assert.deepEqual(held(cells, 'b1', 'a1', 'a2', 'a3'), ['b1', 'a2', 'a3'])
    assert.equal(cells.cache.bytes, 90)
  })

  it('of a full cache goes to a publisher below its share at the cost of the oldest', async (t) => {
    const cells = await openCells(t, budget(100, 60))
    await keep(cells, 'a1', 50)
    await keep(cells, 'b1', 50, bob)
    assert.deepEqual(await keep(cells, 'b2', 10, bob), ['a1'])
  })

  it('takes nothing of others while the publisher’s own has to go anyway', async (t) => {
    const cells = await openCells(t, budget(100, 50))
    await keep(cells, 'b1', 50, bob)
    await keep(cells, 'a1', 50)
    assert.deepEqual(await keep(cells, 'a2', 20), ['a1'])
    assert.deepEqual(held(cells, 'a1', 'a2', 'b1'), ['a2', 'b1'])
  })

  it('is not made for a cell that is held already', async (t) => {
    const cells = await openCells(t, budget(100))
    await keep(cells, 'a', 50)
    await keep(cells, 'b', 50, bob)
    assert.deepEqual(await keep(cells, 'a', 50), [])
    await register(cells, 'mine', 60)
    assert.deepEqual(await keep(cells, 'mine', 60), [])
    assert.deepEqual(held(cells, 'a', 'b', 'mine'), ['a', 'b', 'mine'])
    assert.equal(cells.cache.bytes, 100)
  })

  it('registered cells stay, and do not count', async (t) => {
    const cells = await openCells(t, budget(100))
    await register(cells, 'mine', 90)
    await keep(cells, 'a', 60)
    await register(cells, 'a', 60)
    assert.equal(cells.cache.bytes, 0)
    await keep(cells, 'b', 60)
    assert.deepEqual(await keep(cells, 'c', 60), ['b'])
    assert.deepEqual(held(cells, 'mine', 'a', 'b', 'c'), ['mine', 'a', 'c'])
    assert.equal((await filesOf(cells.blobs, cells.directory)).digests.length, 3)
  })

  it('a package that a registered cell also uses keeps its file', async (t) => {
    const cells = await openCells(t, budget(100))
    const { writer, cell } = await written(cells, 'same', 50, alice)
    const other = signedCell(bob, { ...cell.manifest, publisher: bob.publisher, cell_type: 'other' })
    await cells.repository.register(other, { credential: 'key', report: null }, writer)
    await writer.discard()
    await keep(cells, 'same', 50)
    assert.deepEqual(await keep(cells, 'next', 60), ['same'])
    assert.ok(existsSync(packageFile(cells, writer.summary.digest)))
  })

  it('is never given twice to packages that arrive together', async (t) => {
    const cells = await openCells(t, budget(100, 70))
    const names = Array.from({ length: 12 }, (_, i) => `cell-${i}`)
    await Promise.all(names.map((name, i) => keep(cells, name, 30, i % 2 === 0 ? alice : bob)))
    const kept = held(cells, ...names)
    assert.equal(cells.cache.bytes, 30 * kept.length)
    assert.ok(cells.cache.bytes <= 100, `${cells.cache.bytes} bytes`)
    assert.equal((await filesOf(cells.blobs, cells.directory)).digests.length, kept.length)
  })
})

describe('after a restart', () => {
  it('the cache knows what it holds', async (t) => {
    const before = await openCells(t, budget(100))
    await keep(before, 'a', 40)
    await keep(before, 'b', 40)
    await register(before, 'b', 40)
    await before.store.close()

    const cells = await openCells(t, { ...budget(100), directory: before.directory })
    await cells.cache.load()
    assert.equal(cells.cache.bytes, 40)
    await cells.cache.load()
    assert.equal(cells.cache.bytes, 40)
    assert.deepEqual(await keep(cells, 'c', 70), ['a'])
    assert.deepEqual(held(cells, 'a', 'b', 'c'), ['b', 'c'])
  })
})

describe('a copy that is kept', () => {
  const digestFor = (name: string, size: number) => sha256Hex(Buffer.alloc(size, name))

  it('is outside the budget, and no room is made at its cost', async (t) => {
    const cells = await openCells(t, budget(10))
    cells.cache.claim(digestFor('a', 50), 'policy')
    assert.equal(cells.cache.admits(50, digestFor('a', 50)), true)
    assert.equal(cells.cache.admits(50, digestFor('b', 50)), false)
    assert.deepEqual(await keep(cells, 'a', 50), [])
    cells.cache.unclaim(digestFor('a', 50))
    assert.deepEqual(await keep(cells, 'b', 10), [])
    assert.deepEqual(await keep(cells, 'c', 10), ['b'])
    assert.deepEqual(held(cells, 'a', 'b', 'c'), ['a', 'c'])
    assert.deepEqual([cells.cache.bytes, cells.cache.keptFor('policy')], [10, { cells: 1, bytes: 50 }])
    assert.deepEqual(cells.cache.keptFor('policy', alice.publisher), { cells: 1, bytes: 50 })
    assert.deepEqual(cells.cache.keptFor('policy', bob.publisher), { cells: 0, bytes: 0 })
  })

  it('is so after a restart, until it is let go of: then it needs room like others', async (t) => {
    const cells = await openCells(t, budget(60))
    await keep(cells, 'a', 50)
    const { id } = cells.index.candidates('cell_type', 'a')[0]!
    assert.deepEqual(await cells.cache.assign(id, 'policy'), [])
    assert.deepEqual([cells.cache.bytes, cells.cache.keeperOf(id)], [0, 'policy'])
    const { blobs, catalogue, clock, index, store } = cells
    const parts = { blobs, catalogue, clock, index, store, ...budget(60) }
    const again = new PullThroughCache(parts)
    await again.load()
    assert.deepEqual([...again.kept()], [[id, 'policy']])
    await keep(cells, 'b', 20)
    const gone = await cells.cache.assign(id, undefined)
    assert.deepEqual(
      gone.map(({ manifest }) => manifest.cell_type),
      ['b'],
    )
    assert.deepEqual([cells.cache.bytes, cells.cache.keeperOf(id)], [50, undefined])
  })

  it('can be dropped, and is forgotten when its cell is registered', async (t) => {
    const cells = await openCells(t)
    for (const name of ['a', 'b']) {
      await keep(cells, name, 10)
      await cells.cache.assign(cells.index.candidates('cell_type', name)[0]!.id, 'pin')
    }
    const { id } = cells.index.candidates('cell_type', 'a')[0]!
    assert.equal((await cells.cache.drop(id))?.id, id)
    assert.equal(await cells.cache.drop(id), undefined)
    await register(cells, 'b', 10)
    assert.deepEqual(held(cells, 'a', 'b'), ['b'])
    assert.deepEqual(cells.cache.keptFor('pin'), { cells: 0, bytes: 0 })
  })
})
