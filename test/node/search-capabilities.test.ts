import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it, type TestContext } from 'node:test'
import type { Annotations } from '../../protocol/annotations.ts'
import type { CapabilitySearch } from '../../protocol/discovery.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import { Directory } from '../../src/domain/federation/directory.ts'
import { Receipts } from '../../src/domain/federation/receipts.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { searchCapabilities } from '../../src/node/flows/search-capabilities.ts'
import { manifestOf, newPublisher, openCells, signedCell, staged, TestClock } from '../support/cells.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { hasPeers, knowsProviders, nodeInProcess, registerBytes } from '../support/node-pairs.ts'

const alice = newPublisher()
const BYTES = new TextEncoder().encode('a package')

async function open(t: TestContext, accept: 'any' | 'pinned' = 'any') {
  const clock = new TestClock()
  const cells = await openCells(t, { clock })
  const { store, index, repository, blobs, cache, yanks } = cells
  const limits = { maxCells: 10_000, maxCellsPerProvider: 5000 }
  const directory = new Directory({ store, clock, limits, self: 'self' })
  const trust = new TrustPolicy({ pinned: [], self: 'self', accept })
  const receipts = new Receipts({ clock, self: 'self', counts: () => false })
  const parts = { index, directory, trust, yanks, receipts, keys: { providerId: 'self' } }
  const cellOf = async (version: string, annotations: Annotations, overrides: Partial<Manifest> = {}) => {
    const writer = await staged(blobs, BYTES)
    const capabilities = [{ name: 'parse', version }]
    const manifest = manifestOf(alice.publisher, writer.summary, { version, capabilities, ...overrides })
    return { writer, cell: { ...signedCell(alice, manifest), annotations } }
  }
  return {
    cache,
    cellOf,
    search: (search: Partial<CapabilitySearch> = {}) => {
      const { capabilities } = searchCapabilities({ capability: 'parse', ...search }, parts)
      assert.ok(capabilities.length <= 1)
      return capabilities[0]
    },
    register: async (version: string, annotations: Annotations = {}, overrides: Partial<Manifest> = {}) => {
      const { writer, cell } = await cellOf(version, annotations, overrides)
      return repository.register(cell, { credential: 'key', report: null }, writer)
    },
    announce: (provider: string, offers: readonly (readonly [id: string, offered: string])[], page = 0) =>
      directory.accept({
        type: 'announcement',
        provider_id: provider,
        page,
        sequence: clock.now(),
        expires_at: clock.now() + 60_000,
        addresses: [],
        cells: offers.map(([id, version]) => ({
          manifest_digest: id,
          publisher: 'stranger',
          cell_type: `type-${id}`,
          version,
          capabilities: [{ name: 'parse', version }],
        })),
        signature: 'checked elsewhere',
      }),
  }
}

describe('a search for a capability', () => {
  it('finds nothing where nobody offers it', async (t) => {
    const { search } = await open(t)
    assert.equal(search(), undefined)
  })

  it('lists own and announced cells by falling version, each with its provider, and each version once', async (t) => {
    const { search, register, announce } = await open(t)
    await register('1.9.0')
    await register('1.10.0')
    await announce('c', [
      ['x', '1.10.0'],
      ['y', '2.0.0-rc.1'],
      ['z', '1.2.0'],
    ])
    const found = search()
    assert.deepEqual(found?.versions, ['2.0.0-rc.1', '1.10.0', '1.9.0', '1.2.0'])
    assert.deepEqual([found.version_count, found.cell_type_count], [4, 5])
    const rows = found.cell_types.map((row) => [row.cell_type, row.capability_version, row.source, row.provider_id])
    // Cells of the same version stand in the order of their ids.
    assert.deepEqual(rows.sort(), [
      ['parser', '1.10.0', 'local', 'self'],
      ['parser', '1.9.0', 'local', 'self'],
      ['type-x', '1.10.0', 'federated', 'c'],
      ['type-y', '2.0.0-rc.1', 'federated', 'c'],
      ['type-z', '1.2.0', 'federated', 'c'],
    ])
  })

  it("is narrowed by a range over the capability's version, not the cell's", async (t) => {
    const { search, register, announce } = await open(t)
    await register('9.0.0', {}, { capabilities: [{ name: 'parse', version: '1.5.0' }] })
    await announce('c', [
      ['x', '1.0.0'],
      ['y', '2.0.0'],
      ['z', '1.6.0-beta'],
    ])
    assert.deepEqual(search({ version: '^1.0.0' })?.versions, ['1.5.0', '1.0.0'])
    assert.deepEqual(
      search({ version: '1.5.0' })?.cell_types.map(({ version }) => version),
      ['9.0.0'],
    )
    assert.deepEqual(search({ version: '1.6.0-beta' })?.versions, ['1.6.0-beta'])
    assert.equal(search({ version: '>=3' }), undefined)
  })

  it('refuses a version that is no range', async (t) => {
    const { search } = await open(t)
    assert.throws(
      () => search({ version: 'newest' }),
      (error) => {
        assert.ok(error instanceof ProviderError)
        assert.deepEqual([error.code, error.status], ['PROV_001', 400])
        assert.match(error.message, /^version: found "newest", allowed is an npm semver range/)
        return true
      },
    )
  })

  it('says more on request: what is not known of an announced cell is null', async (t) => {
    const { search, register, announce } = await open(t)
    const link = 'https://cells.example/parser'
    const own = await register('2.0.0', { description: 'Reads.', documentation_url: link })
    await announce('c', [['x', '1.0.0']])
    const found = search({ include_details: true })
    assert.equal(found?.documentation_url, link)
    const details = found.cell_types.map(({ description, publisher, digest }) => ({ description, publisher, digest }))
    assert.deepEqual(details, [
      { description: 'Reads.', publisher: alice.publisher, digest: own.manifest.package.digest },
      { description: null, publisher: 'stranger', digest: null },
    ])
    assert.ok(search()?.cell_types.every((row) => !('description' in row) && !('publisher' in row)))
  })
})

describe('a cell that several offer', () => {
  it('is listed once: as the own one, else under the smallest provider id', async (t) => {
    const { search, register, announce } = await open(t)
    const own = await register('1.0.0')
    for (const provider of ['d', 'c', 'e']) {
      await announce(provider, [
        [own.id, '1.0.0'],
        ['x', '0.9.0'],
      ])
    }
    assert.deepEqual(
      search()?.cell_types.map(({ cell_id, source, provider_id }) => [cell_id, source, provider_id]),
      [
        [own.id, 'local', 'self'],
        ['x', 'federated', 'c'],
      ],
    )
  })

  it('is not believed to offer a version that its manifest here does not have', async (t) => {
    const { search, register, announce } = await open(t)
    const own = await register('1.0.0')
    await announce('c', [[own.id, '99.0.0']])
    assert.deepEqual(search()?.versions, ['1.0.0'])
  })

  it('counts as federated while only a copy of it is here', async (t) => {
    const { search, cellOf, cache, announce } = await open(t)
    const { writer, cell } = await cellOf('1.0.0', { description: 'Copied.' })
    await cache.keep(cell, 'origin', '2026-01-01T00:00:00.000Z', writer)
    const row = () => search({ include_details: true })?.cell_types[0]
    assert.deepEqual([row()?.source, row()?.provider_id, row()?.description], ['federated', 'origin', 'Copied.'])
    await announce('c', [[cell.id, '1.0.0']])
    assert.deepEqual([row()?.source, row()?.provider_id, row()?.cell_type], ['federated', 'c', 'parser'])
  })
})

it('cells of publishers whom this node takes nothing from are not listed', async (t) => {
  const { search, announce } = await open(t, 'pinned')
  await announce('c', [['x', '1.0.0']])
  assert.equal(search(), undefined)
})

it('no announcements make an answer long; it says how much there is', async (t) => {
  const { search, announce } = await open(t)
  for (const provider of ['c', 'd', 'e']) {
    await announce(
      provider,
      Array.from({ length: 60 }, (_, i) => [`${provider}${i}`, `1.${i}.0`] as const),
    )
  }
  const found = search()
  assert.deepEqual([found?.cell_types.length, found?.cell_type_count], [100, 180])
  assert.deepEqual([found?.versions.length, found?.version_count], [60, 60])
})

it('what a peer registers is found here, and there it is its own', async (t) => {
  const origin = await nodeInProcess(t)
  const other = await nodeInProcess(t, { seeds: [origin.node.addresses[0]!] })
  await hasPeers(other.node, 1)
  const metadata = { cell_type: 'adder', version: '2.0.0', capabilities: [{ name: 'add', version: '1.4.0' }] }
  await registerBytes(origin.node, new Uint8Array(await readFile(SMALL_MODULE)), { metadata })
  await knowsProviders(other.node, 1)
  for (const [{ node }, source] of [
    [origin, 'local'],
    [other, 'federated'],
  ] as const) {
    const [found] = node.searchCapabilities({ capability: 'add', version: '^1.2.0' }).capabilities
    assert.deepEqual(found?.versions, ['1.4.0'])
    const [cell] = found.cell_types
    assert.deepEqual([cell?.cell_type, cell?.source, cell?.provider_id], ['adder', source, origin.node.providerId])
    assert.equal((await node.componentHealth()).components.length, 5)
    assert.equal((await node.info()).status, 'active')
  }
})
