import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import { packageDigest } from '../../../src/domain/cells/cell-index.ts'
import { cellDetails } from '../../../src/domain/cells/details.ts'
import type { CellRecord } from '../../../src/domain/cells/records.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import type { PublisherKeys } from '../../../src/kernel/identity/manifest-signer.ts'
import {
  collected,
  filesOf,
  manifestOf,
  newPublisher,
  openCells,
  packageFile,
  signedCell,
  staged,
} from '../../support/cells.ts'
import { NO_VULNERABILITIES } from '../../support/vulnerabilities.ts'

type Cells = Awaited<ReturnType<typeof openCells>>
type Overrides = Partial<Omit<Manifest, 'publisher' | 'package'>>

const alice = newPublisher()
const bob = newPublisher()
const utf8 = new TextEncoder()

interface Registering extends Overrides {
  readonly by?: PublisherKeys
  readonly credential?: string
  readonly signedBy?: 'publisher' | 'provider'
  readonly bytes?: string
}

/** Signs and registers a cell. */
async function register(cells: Cells, { by = alice, credential = 'key', signedBy, bytes, ...overrides }: Registering) {
  const writer = await staged(cells.blobs, utf8.encode(bytes ?? `${overrides.cell_type}@${overrides.version}`))
  try {
    const cell = signedCell(by, manifestOf(by.publisher, writer.summary, overrides))
    const registrant = { credential, report: null }
    return await cells.repository.register({ ...cell, signedBy: signedBy ?? 'publisher' }, registrant, writer)
  } finally {
    await writer.discard()
  }
}

/** Keeps a cell as one that was pulled through. */
async function cache(cells: Cells, { by = alice, bytes, ...overrides }: Registering): Promise<CellRecord> {
  const writer = await staged(cells.blobs, utf8.encode(bytes ?? `${overrides.cell_type}@${overrides.version}`))
  const cell = signedCell(by, manifestOf(by.publisher, writer.summary, overrides))
  const { record } = await cells.cache.keep(cell, 'peer', '2026-01-01T00:00:00.000Z', writer)
  await writer.discard()
  return record
}

const fails = (promise: Promise<unknown>, code: ErrorCode, status: number, message: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ProviderError, String(error))
    assert.deepEqual([error.code, error.status], [code, status])
    assert.match(error.message, message)
    return true
  })

const counts = ({ index }: Cells) => ({
  cells: index.count('cells'),
  types: index.count('types'),
  capabilities: index.count('capabilities'),
})

const needs = (capability: string, range: string) => [{ capability, version_constraint: range }]
const offers = (name: string, version: string) => [{ name, version }]

describe('register', () => {
  it('makes a cell findable, and its package stay', async (t) => {
    const cells = await openCells(t)
    const record = await register(cells, { cell_type: 'parser', version: '1.0.0' })
    assert.ok(existsSync(packageFile(cells, packageDigest(record))))
    assert.deepEqual(cells.repository.find('parser'), record)
    for (const [by, name] of [
      ['cell_type', 'parser'],
      ['capability', 'parse'],
    ] as const) {
      assert.deepEqual(
        cells.index.candidates(by, name).map(({ id, registered }) => [id, registered]),
        [[record.id, true]],
      )
    }
    assert.deepEqual(await cells.index.cellOfPackage(packageDigest(record)), record)
    assert.deepEqual(counts(cells), { cells: 1, types: 1, capabilities: 1 })
  })

  it('the same version twice is 409, and the first one stands', async (t) => {
    const cells = await openCells(t)
    const first = await register(cells, { version: '1.0.0', bytes: 'first' })
    await fails(register(cells, { version: '1.0.0', bytes: 'second' }), 'PROV_007', 409, /parser@1.0.0 exists already/)
    await fails(register(cells, { version: '1.0.0', bytes: 'first' }), 'PROV_007', 409, /exists already/)
    assert.deepEqual(await filesOf(cells.blobs, cells.directory), { digests: [packageDigest(first)], incoming: [] })
    assert.deepEqual(counts(cells), { cells: 1, types: 1, capabilities: 1 })
  })

  it('of one version by many at once, one wins and nothing of the others is left', async (t) => {
    const cells = await openCells(t)
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => register(cells, { version: '1.0.0', bytes: `package ${i}` })),
    )
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    const { digests, incoming } = await filesOf(cells.blobs, cells.directory)
    assert.deepEqual(digests, [packageDigest(cells.repository.find('parser'))])
    assert.deepEqual(incoming, [])
    assert.deepEqual(counts(cells), { cells: 1, types: 1, capabilities: 1 })
  })

  it("somebody else's name is 403", async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0' })
    await fails(register(cells, { by: bob, version: '2.0.0' }), 'PROV_015', 403, /parser belongs to the publisher/)
    await register(cells, { version: '2.0.0', credential: 'another key of the same publisher' })
  })

  it('a name that this node signs for belongs to the credential', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0', signedBy: 'provider', credential: 'one' })
    await fails(
      register(cells, { version: '2.0.0', signedBy: 'provider', credential: 'two' }),
      'PROV_015',
      403,
      /belongs to/,
    )
    await register(cells, { version: '2.0.0', signedBy: 'provider', credential: 'one' })
  })

  it('a name is free again when its last version is gone', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0' })
    await cells.repository.delete('parser', '1.0.0')
    await register(cells, { by: bob, version: '1.0.0' })
  })

  it('one package may belong to many cells, and goes with the last', async (t) => {
    const cells = await openCells(t)
    const record = await register(cells, { cell_type: 'a', bytes: 'shared' })
    await register(cells, { cell_type: 'b', bytes: 'shared' })
    const path = packageFile(cells, packageDigest(record))
    assert.equal(cells.index.package(packageDigest(record))?.refs, 2)
    await cells.repository.delete('a', '1.0.0')
    assert.ok(existsSync(path))
    await cells.repository.delete('b', '1.0.0')
    assert.ok(!existsSync(path))
    assert.deepEqual(counts(cells), { cells: 0, types: 0, capabilities: 0 })
  })
})

describe('a publisher key', () => {
  const mine = { credential: 'key:mine', isAdmin: false }
  const other = { credential: 'key:other', isAdmin: false }
  const admin = { credential: 'key:boss', isAdmin: true }

  it('deletes and annotates what it registered, and nothing else', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0', credential: 'key:mine' })
    // The same publisher's, but another credential's.
    await register(cells, { version: '2.0.0', credential: 'key:other' })
    const { repository } = cells
    const foreign = /parser@2\.0\.0 was registered by another credential/
    await fails(repository.annotate('parser', '2.0.0', { tags: ['x'] }, mine), 'PROV_015', 403, foreign)
    await fails(repository.delete('parser', '2.0.0', mine), 'PROV_015', 403, foreign)
    assert.deepEqual(repository.find('parser', '2.0.0').annotations, {})
    assert.deepEqual((await repository.annotate('parser', '1.0.0', { tags: ['x'] }, mine)).annotations.tags, ['x'])
    await repository.delete('parser', '1.0.0', mine)
    await repository.annotate('parser', '2.0.0', { status: 'deprecated' }, admin)
    await repository.delete('parser', '2.0.0', other)
  })

  it('does not keep what it deleted and somebody else registered again', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0', credential: 'key:mine' })
    await cells.repository.delete('parser', '1.0.0', mine)
    await register(cells, { version: '1.0.0', credential: 'key:other' })
    await fails(cells.repository.delete('parser', '1.0.0', mine), 'PROV_015', 403, /another credential/)
  })
})

describe('a cached copy that is registered', () => {
  it('becomes a registered cell on the same page, counted once, and leaves the cache', async (t) => {
    const cells = await openCells(t)
    const cached = await cache(cells, { version: '1.0.0' })
    assert.equal(cached.origin, 'cached')
    assert.deepEqual((await cells.repository.list({})).cells, [])
    const record = await register(cells, { version: '1.0.0' })
    cells.cache.release(record.id)
    assert.equal(record.id, cached.id)
    assert.equal(record.page, cached.page)
    assert.equal(cells.cache.bytes, 0)
    assert.deepEqual(counts(cells), { cells: 1, types: 1, capabilities: 1 })
    assert.equal(cells.index.package(packageDigest(record))?.refs, 1)
    assert.ok(cells.index.candidates('capability', 'parse').every(({ registered }) => registered))
    assert.equal((await cells.catalogue.page(record.page)).length, 1)
    await cells.repository.delete('parser', '1.0.0')
    assert.deepEqual((await filesOf(cells.blobs, cells.directory)).digests, [])
  })

  it('gives its publisher no claim to the name', async (t) => {
    const cells = await openCells(t)
    await cache(cells, { version: '1.0.0' })
    await register(cells, { by: bob, version: '1.0.0' })
    assert.equal(cells.repository.find('parser').manifest.publisher, bob.publisher)
  })
})

describe('list', () => {
  async function filled(t: TestContext): Promise<Cells> {
    const cells = await openCells(t)
    for (const cell_type of ['d', 'b', 'a', 'c']) {
      for (const version of ['1.0.0', '1.10.0', '1.9.0']) {
        await register(cells, { cell_type, version, capabilities: offers(`cap-${cell_type < 'c' ? 1 : 2}`, version) })
      }
    }
    await register(cells, { cell_type: 'only-two', version: '2.0.0', capabilities: offers('cap-1', '2.0.0') })
    await cache(cells, { cell_type: 'zz-cached', capabilities: offers('cap-1', '1.0.0') })
    return cells
  }
  const names = async (cells: Cells, query: Parameters<Cells['repository']['list']>[0]) => {
    const { cells: items, total_count, limit, offset } = await cells.repository.list(query)
    return { names: items.map(({ cell_type }) => cell_type), total_count, limit, offset }
  }

  it('pages through the names in order, with the whole number', async (t) => {
    const cells = await filled(t)
    const all = ['a', 'b', 'c', 'd', 'only-two']
    assert.deepEqual(await names(cells, {}), { names: all, total_count: 5, limit: 50, offset: 0 })
    assert.deepEqual(await names(cells, { limit: 2, offset: 1 }), {
      names: ['b', 'c'],
      total_count: 5,
      limit: 2,
      offset: 1,
    })
    assert.deepEqual((await names(cells, { offset: 5 })).names, [])
    assert.deepEqual((await names(cells, { limit: 9, offset: 4 })).names, ['only-two'])
  })

  it('shows the versions highest first, and the capabilities of the highest', async (t) => {
    const cells = await filled(t)
    const [item] = (await cells.repository.list({ limit: 1 })).cells
    assert.deepEqual(
      item?.versions.map(({ version }) => version),
      ['1.10.0', '1.9.0', '1.0.0'],
    )
    assert.deepEqual(item?.capabilities, offers('cap-1', '1.10.0'))
  })

  it('filters by capability and by version; cached copies are not listed', async (t) => {
    const cells = await filled(t)
    assert.deepEqual(await names(cells, { capability: 'cap-1' }), {
      names: ['a', 'b', 'only-two'],
      total_count: 3,
      limit: 50,
      offset: 0,
    })
    assert.deepEqual((await names(cells, { version: '2.0.0' })).names, ['only-two'])
    assert.deepEqual(await names(cells, { version: '1.9.0', limit: 1, offset: 2 }), {
      names: ['c'],
      total_count: 4,
      limit: 1,
      offset: 2,
    })
    assert.deepEqual((await names(cells, { capability: 'cap-2', version: '1.0.0' })).names, ['c', 'd'])
    assert.deepEqual((await names(cells, { capability: 'cap-2', version: '2.0.0' })).names, [])
    assert.deepEqual((await names(cells, { capability: 'none' })).total_count, 0)
  })
})

const detailsOf = (cells: Awaited<ReturnType<typeof openCells>>, cellType: string, version?: string) =>
  cellDetails(cells.repository.find(cellType, version), {
    trust: { isPinned: () => false },
    vulnerabilities: NO_VULNERABILITIES,
    statistics: { totalRequests: null, activeDeployments: null },
    log: null,
    yanks: [],
  })

describe('details', () => {
  it('are of the highest version, or of the one asked for', async (t) => {
    const cells = await openCells(t)
    for (const version of ['1.0.0', '1.10.0', '2.0.0-rc.1', '1.9.0']) await register(cells, { version })
    assert.equal(detailsOf(cells, 'parser').version, '2.0.0-rc.1')
    assert.equal(detailsOf(cells, 'parser', '1.9.0').version, '1.9.0')
    const { metadata, security, statistics, signed_by } = detailsOf(cells, 'parser')
    assert.equal(metadata.created_by, alice.publisher)
    assert.equal(metadata.created_at, new Date(cells.clock.now()).toISOString())
    assert.equal(security.security_rating, null)
    assert.deepEqual(Object.values(statistics), [null, null, null])
    assert.equal(signed_by, 'publisher')
  })

  it('of what is not here say what is', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0' })
    await fails(
      Promise.try(() => cells.repository.find('parser', '3.0.0')),
      'PROV_002',
      404,
      /parser@3.0.0 is not in this repository; it has versions 1.0.0/,
    )
    await fails(
      Promise.try(() => cells.repository.find('other')),
      'PROV_002',
      404,
      /no cell of that type/,
    )
  })
})

describe('delete', () => {
  it('removes a version from every list, and its file', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0' })
    const highest = await register(cells, { version: '2.0.0', capabilities: offers('parse-all', '2.0.0') })
    await cells.repository.delete('parser', '2.0.0')
    assert.equal(cells.repository.find('parser').manifest.version, '1.0.0')
    assert.deepEqual((await cells.repository.list({})).cells[0]?.capabilities, offers('parse', '1.0.0'))
    assert.deepEqual(cells.index.candidates('capability', 'parse-all'), [])
    assert.ok(!existsSync(packageFile(cells, packageDigest(highest))))
    assert.deepEqual(counts(cells), { cells: 1, types: 1, capabilities: 1 })
    await fails(cells.repository.delete('parser', '2.0.0'), 'PROV_002', 404, /versions 1.0.0/)
  })

  it('by two at once succeeds once', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0' })
    const results = await Promise.allSettled([
      cells.repository.delete('parser', '1.0.0'),
      cells.repository.delete('parser', '1.0.0'),
    ])
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    assert.deepEqual(counts(cells), { cells: 0, types: 0, capabilities: 0 })
  })

  it('is 403 while a registered cell depends on it and no other version would do', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0' })
    await register(cells, {
      cell_type: 'reader',
      capabilities: offers('read', '1.0.0'),
      dependencies: needs('parse', '^1.0.0'),
    })
    await fails(
      cells.repository.delete('parser', '1.0.0'),
      'PROV_015',
      403,
      /in use: reader@1.0.0 depends on parse \^1.0.0/,
    )
    await register(cells, { version: '2.0.0', capabilities: offers('parse', '2.0.0') })
    await fails(cells.repository.delete('parser', '1.0.0'), 'PROV_015', 403, /in use/)
    await register(cells, { version: '1.1.0', capabilities: offers('parse', '1.1.0') })
    await cells.repository.delete('parser', '1.0.0')
    await fails(cells.repository.delete('parser', '1.1.0'), 'PROV_015', 403, /in use/)
    await cells.repository.delete('parser', '2.0.0')
    await cells.repository.delete('reader', '1.0.0')
    await cells.repository.delete('parser', '1.1.0')
    assert.deepEqual(counts(cells), { cells: 0, types: 0, capabilities: 0 })
  })

  it('a cached copy neither blocks nor stands in', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0' })
    await cache(cells, {
      cell_type: 'cached-reader',
      capabilities: offers('read', '1.0.0'),
      dependencies: needs('parse', '^1.0.0'),
    })
    await cells.repository.delete('parser', '1.0.0')
    await register(cells, { version: '1.0.0' })
    await register(cells, {
      cell_type: 'reader',
      capabilities: offers('read', '1.0.0'),
      dependencies: needs('parse', '^1.0.0'),
    })
    await cache(cells, { cell_type: 'cached-parser', capabilities: offers('parse', '1.5.0') })
    await fails(cells.repository.delete('parser', '1.0.0'), 'PROV_015', 403, /reader@1.0.0/)
  })

  it('a cell that depends on itself can go', async (t) => {
    const cells = await openCells(t)
    await register(cells, { version: '1.0.0', dependencies: needs('parse', '*') })
    await cells.repository.delete('parser', '1.0.0')
  })
})

describe('after any sequence of operations', () => {
  const operation = fc.record({
    kind: fc.constantFrom('register' as const, 'register' as const, 'delete' as const, 'cache' as const),
    type: fc.constantFrom('a', 'b', 'c'),
    version: fc.constantFrom('1.0.0', '2.0.0'),
  })
  const capability = (type: string) => (type === 'c' ? 'two' : 'one')

  it('counters, lists, pages and files are those of a simple model', async (t) => {
    const cells = await openCells(t)
    const { index, repository, catalogue, blobs, directory } = cells
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 14 }), async (operations) => {
        const model = new Map<string, 'registered' | 'cached'>()
        for (const { kind, type, version } of operations) {
          const key = `${type}@${version}`
          const values = { cell_type: type, version, capabilities: offers(capability(type), version), bytes: `${key}!` }
          if (kind === 'cache') {
            await cache(cells, values)
            model.set(key, model.get(key) ?? 'cached')
          } else if (kind === 'register') {
            const allowed = model.get(key) !== 'registered'
            const result = await register(cells, values).catch((error: unknown) => error)
            assert.equal(result instanceof Error, !allowed)
            if (!(result instanceof Error)) cells.cache.release((result as CellRecord).id)
            model.set(key, 'registered')
          } else {
            const allowed = model.get(key) === 'registered'
            const result = await repository.delete(type, version).catch((error: unknown) => error)
            assert.equal(result instanceof Error, !allowed)
            if (allowed) model.delete(key)
          }
        }
        const registered = [...model].filter(([, origin]) => origin === 'registered').map(([key]) => key)
        const typeOf = (key: string) => key.slice(0, 1)
        assert.deepEqual(counts(cells), {
          cells: registered.length,
          types: new Set(registered.map(typeOf)).size,
          capabilities: new Set(registered.map(typeOf).map(capability)).size,
        })
        const listed = (await repository.list({})).cells.flatMap(({ cell_type, versions }) =>
          versions.map(({ version }) => `${cell_type}@${version}`),
        )
        assert.deepEqual(listed.sort(), registered.sort())
        assert.equal((await filesOf(blobs, directory)).digests.length, model.size)
        const pages = Array.from({ length: (catalogue.lastPage() ?? -1) + 1 }, (_, page) => catalogue.page(page))
        const announced = (await Promise.all(pages)).flat()
        assert.deepEqual(
          announced.map(({ cell_type, version }) => `${cell_type}@${version}`).sort(),
          [...model.keys()].sort(),
        )
        for (const name of ['one', 'two']) {
          const offered = index.candidates('capability', name).map(({ offered }) => offered)
          assert.deepEqual(offered, offered.toSorted().toReversed())
        }

        // The next run starts from nothing: what is cached is registered and deleted.
        for (const key of model.keys()) {
          const [cell_type, version] = key.split('@') as [string, string]
          const values = { cell_type, version, capabilities: offers(capability(cell_type), version), bytes: `${key}!` }
          if (model.get(key) === 'cached') cells.cache.release((await register(cells, values)).id)
          await repository.delete(cell_type, version)
        }
        assert.deepEqual(counts(cells), { cells: 0, types: 0, capabilities: 0 })
        assert.deepEqual(await collected(index.names()), [])
      }),
      { numRuns: 25 },
    )
  })
})
