import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Documents } from '../../../src/domain/cells/documents.ts'
import { jsonKeyspace, KEYSPACES } from '../../../src/kernel/storage/keyspaces.ts'
import { manifestOf, newPublisher, openCells, signedCell, staged } from '../../support/cells.ts'

const alice = newPublisher()
type Cells = Awaited<ReturnType<typeof openCells>>

async function opened(t: TestContext): Promise<{ cells: Cells; documents: Documents; told: () => number }> {
  const cells = await openCells(t)
  const documents = new Documents(cells.store)
  await documents.load()
  let told = 0
  documents.watch(() => {
    told++
  })
  cells.index.watch((cell) => documents.changed(cell))
  return { cells, documents, told: () => told }
}

async function register(cells: Cells, cellType: string, packaging_format = 'document') {
  const writer = await staged(cells.blobs, Buffer.from(`This is about ${cellType}.`))
  try {
    const manifest = manifestOf(alice.publisher, writer.summary, {
      cell_type: cellType,
      packaging_format,
      media_type: 'text/plain',
      labels: { domain: 'legal', jurisdiction: 'EU' },
    })
    return await cells.repository.register(signedCell(alice, manifest), { credential: 'key', report: null }, writer)
  } finally {
    await writer.discard()
  }
}

test('documents are listed as they come, change and go, and nothing else is', async (t) => {
  const { cells, documents, told } = await opened(t)
  const { id, manifest } = await register(cells, 'lease')
  await register(cells, 'module', 'wasm')
  assert.deepEqual(
    [...documents.all()],
    [
      {
        id,
        publisher: alice.publisher,
        cellType: 'lease',
        version: '1.0.0',
        digest: manifest.package.digest,
        size: manifest.package.size,
        mediaType: 'text/plain',
        domain: 'legal',
        jurisdiction: 'EU',
        status: 'active',
        keyRecords: 1,
      },
    ],
  )
  const before = documents.revision
  await cells.repository.annotate('lease', '1.0.0', { status: 'deprecated' })
  assert.equal(documents.get(id)?.status, 'deprecated')
  assert.notEqual(documents.revision, before)
  await cells.repository.delete('lease', '1.0.0')
  assert.equal(documents.size, 0)
  assert.equal(told(), 3)
})

test('they are there after a restart, and in a store that is older than the list', async (t) => {
  const { cells, documents } = await opened(t)
  await register(cells, 'lease')
  await register(cells, 'policy')
  const again = new Documents(cells.store)
  await again.load()
  assert.deepEqual(new Set(again.all()), new Set(documents.all()))
  await cells.store.transact((tx) => {
    for (const { id } of documents.all()) tx.delete(jsonKeyspace(KEYSPACES.documents), id)
    tx.delete(jsonKeyspace(KEYSPACES.meta), 'documents:noted')
  })
  const older = new Documents(cells.store)
  await older.load()
  assert.deepEqual(new Set(older.all()), new Set(documents.all()))
})
