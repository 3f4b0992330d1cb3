import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Manifest } from '../../protocol/manifest.ts'
import { CellNames } from '../../src/domain/cells/cell-names.ts'
import type { CellQuery } from '../../src/domain/cells/query.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import { AnnouncedNames } from '../../src/domain/federation/announced-names.ts'
import { Directory } from '../../src/domain/federation/directory.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { MerkleLog } from '../../src/kernel/log/merkle-log.ts'
import { BusyError, TextIndex } from '../../src/kernel/text/text-index.ts'
import { CloseNames } from '../../src/node/flows/close-names.ts'
import { searchCells } from '../../src/node/flows/search-cells.ts'
import { silentLogger } from '../network/nodes.ts'
import { manifestOf, newPublisher, openCells, signedCell, staged, TestClock } from '../support/cells.ts'
import { RANKERS } from '../support/rankers.ts'
import { NO_VULNERABILITIES } from '../support/vulnerabilities.ts'
import { NO_YANKS } from '../support/yanks.ts'

const alice = newPublisher()
/** Long enough for any machine: these tests are about what is found. */
const PATIENT_MS = 60_000

async function open(t: TestContext) {
  const clock = new TestClock()
  const cells = await openCells(t, { clock })
  const { store, index, repository, blobs, directory: folder } = cells
  const directory = new Directory({ store, clock, limits: { maxCells: 1000, maxCellsPerProvider: 1000 }, self: 'self' })
  const text = new TextIndex(join(folder, 'text', 'index.sqlite'))
  const cellNames = new CellNames({ store, log: new MerkleLog(store, ''), text, logger: silentLogger })
  const announcedNames = new AnnouncedNames({ directory, text, logger: silentLogger })
  t.after(async () => {
    await Promise.all([cellNames.stop(), announcedNames.stop()])
    await text.close()
  })
  const trust = new TrustPolicy({ pinned: [], self: 'self', accept: 'any' })
  const policy = { trust, rankers: RANKERS, yanks: NO_YANKS, vulnerabilities: NO_VULNERABILITIES }
  const parts = { ...policy, clock, logger: silentLogger, index, directory, cellNames, announcedNames }
  const closeNames = new CloseNames(parts, PATIENT_MS)
  return {
    ...cells,
    parts,
    clock,
    text,
    alternatives: (name: string, query: Partial<CellQuery> = {}, most = 10) =>
      closeNames.alternatives({ by: 'capability', name, ...query }, most),
    list: (search: string, query: object = {}) => searchCells({ search, ...query }, { index, repository, cellNames }),
    register: async (
      cell_type: string,
      capability: string,
      { overrides = {}, tags = [] }: { overrides?: Partial<Manifest>; tags?: string[] } = {},
    ) => {
      const version = overrides.version ?? '1.0.0'
      const writer = await staged(blobs, new TextEncoder().encode(`${cell_type} ${version}`))
      const manifest = { cell_type, capabilities: [{ name: capability, version }], ...overrides }
      const cell = {
        ...signedCell(alice, manifestOf(alice.publisher, writer.summary, manifest)),
        annotations: { tags },
      }
      return repository.register(cell, { credential: 'key', report: null }, writer)
    },
    announce: (provider: string, capability: string, version = '1.0.0') =>
      directory.accept({
        type: 'announcement',
        provider_id: provider,
        page: 0,
        sequence: clock.now(),
        expires_at: clock.now() + 60_000,
        addresses: [],
        cells: [
          {
            manifest_digest: `${capability}@${version}`,
            publisher: 'stranger',
            cell_type: 'elsewhere',
            version,
            capabilities: [{ name: capability, version }],
          },
        ],
        signature: 'checked elsewhere',
      }),
  }
}

describe('what is offered instead', () => {
  it('is the best active cell of each close name, and says so', async (t) => {
    const { register, repository, alternatives } = await open(t)
    await register('resizer', 'image-resize', { overrides: { version: '2.0.0' } })
    await register('resizer', 'image-resize', { overrides: { version: '2.1.0' } })
    await register('resizer', 'image-resize', { overrides: { version: '3.0.0' } })
    await repository.annotate('resizer', '3.0.0', { status: 'deprecated' })
    await register('hasher', 'hash')
    assert.deepEqual(await alternatives('imgae-resize', { range: '^9.0.0' }), [
      {
        capability: 'image-resize',
        cell_type: 'resizer',
        version: '2.1.0',
        compatibility_notes: 'another name: offers image-resize 2.1.0',
        source: 'local',
      },
    ])
    assert.deepEqual(await alternatives('nonsense-zzz'), [])
  })

  it('runs on the device of the request, and is no more than there is room for', async (t) => {
    const { register, alternatives } = await open(t)
    await register('large', 'image-resize', { overrides: { requirements: { memory_gb: 64 } } })
    await register('small', 'image-resizer')
    await register('middle', 'image-resizing')
    const types = (query: Partial<CellQuery>, most?: number) =>
      alternatives('image_resize', query, most).then((found) => found.map(({ cell_type }) => cell_type))
    assert.deepEqual(await types({}), ['large', 'small', 'middle'])
    assert.deepEqual(await types({ device: { memory_gb: 1 } }), ['small', 'middle'])
    assert.deepEqual(await types({}, 1), ['large'])
  })

  it('may be announced by others, or have the word in its tags or its type', async (t) => {
    const { register, announce, alternatives } = await open(t)
    await register('renderer', 'text-to-html', { tags: ['markdown'] })
    await register('markdown', 'flatten-text')
    await announce('b', 'markdown-render', '1.2.0')
    const found = await alternatives('markdown')
    assert.deepEqual(
      found.map(({ capability, source, compatibility_notes }) => [capability, source, compatibility_notes]),
      [
        ['flatten-text', 'local', 'another name: offers flatten-text 1.0.0'],
        ['markdown-render', 'federated', 'another name: offers markdown-render 1.2.0'],
        ['text-to-html', 'local', 'its description or tags say so: offers text-to-html 1.0.0'],
      ],
    )
    const [type] = await alternatives('elswhere', { by: 'cell_type' })
    assert.deepEqual([type?.cell_type, type?.capability, type?.source], ['elsewhere', 'markdown-render', 'federated'])
  })

  it('is not what is gone: that is forgotten', async (t) => {
    const { register, repository, alternatives, text } = await open(t)
    await register('resizer', 'image-resize')
    assert.equal((await alternatives('imgae-resize')).length, 1)
    await repository.delete('resizer', '1.0.0')
    assert.deepEqual(await alternatives('image-resise'), [])
    assert.deepEqual(await text.search('cells', 'image-resise', { limit: 10 }), [])
  })

  it('is remembered for a while, by the name that was asked for', async (t) => {
    const { register, alternatives, clock } = await open(t)
    assert.deepEqual(await alternatives('imgae-resize'), [])
    await register('resizer', 'image-resize')
    assert.deepEqual(await alternatives('imgae-resize'), [])
    clock.advance(5000)
    assert.equal((await alternatives('imgae-resize')).length, 1)
  })

  it('is nothing when the index is slow or fails, and few searches run at once', async (t) => {
    const { register, parts } = await open(t)
    await register('resizer', 'image-resize')
    const never = new Promise<never>(() => undefined)
    let searches = 0
    const hanging = {
      ...parts.cellNames,
      caughtUp: () => {
        searches++
        return never
      },
      search: () => never,
      forget: async () => undefined,
    }
    const slow = new CloseNames({ ...parts, cellNames: hanging }, 1)
    const query: CellQuery = { by: 'capability', name: 'imgae-resize' }
    const asked = Array.from({ length: 50 }, (_, at) =>
      slow.alternatives({ ...query, name: `${query.name}-${at}` }, 10),
    )
    assert.deepEqual((await Promise.all(asked)).flat(), [])
    assert.equal(searches, 16)
    const failing = { ...hanging, caughtUp: async () => undefined, search: () => Promise.reject(new Error('broken')) }
    assert.deepEqual(await new CloseNames({ ...parts, cellNames: failing }, PATIENT_MS).alternatives(query, 10), [])
  })
})

describe('a list with a search', () => {
  it('has the cells that fit, best first, in pages, with the other filters', async (t) => {
    const { register, list } = await open(t)
    await register('resizer', 'image-resize')
    await register('shrinker', 'image-resize', { overrides: { version: '2.0.0' } })
    await register('image-viewer', 'view', { tags: ['image resize'] })
    await register('hasher', 'hash')
    const names = async (search: string, query: object = {}) => {
      const { cells, total_count } = await list(search, query)
      return [cells.map(({ cell_type }) => cell_type), total_count]
    }
    assert.deepEqual(await names('imgae-resize'), [['shrinker', 'resizer'], 2])
    assert.deepEqual(await names('image resize'), [['shrinker', 'resizer', 'image-viewer'], 3])
    assert.deepEqual(await names('image resize', { limit: 1, offset: 1 }), [['resizer'], 3])
    assert.deepEqual(await names('image resize', { version: '2.0.0' }), [['shrinker'], 1])
    assert.deepEqual(await names('image resize', { capability: 'view' }), [['image-viewer'], 1])
    assert.deepEqual(await names('image resize', { capability: 'image-resize', version: '1.0.0' }), [['resizer'], 1])
    for (const nothing of [' ', '"*', 'zzzzzz']) assert.deepEqual(await names(nothing), [[], 0])
  })

  it('is refused when too many search at once, and fails when the index does', async (t) => {
    const { parts, repository } = await open(t)
    const failing = (error: Error) => ({
      index: parts.index,
      repository,
      cellNames: { caughtUp: async () => undefined, search: () => Promise.reject(error) },
    })
    await assert.rejects(
      searchCells({ search: 'x' }, failing(new BusyError('full'))),
      (error) => error instanceof ProviderError && error.code === 'PROV_013',
    )
    await assert.rejects(searchCells({ search: 'x' }, failing(new Error('broken'))), /broken/)
  })
})
