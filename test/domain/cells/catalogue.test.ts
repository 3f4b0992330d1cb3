import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Capability } from '../../../protocol/manifest.ts'
import type { CellRecord } from '../../../src/domain/cells/records.ts'
import { manifestOf, newPublisher, openCells, signedCell, staged } from '../../support/cells.ts'

type Cells = Awaited<ReturnType<typeof openCells>>
const alice = newPublisher()

async function register(cells: Cells, cell_type: string, capabilities?: Capability[]): Promise<CellRecord> {
  const writer = await staged(cells.blobs, new TextEncoder().encode('the same for all'))
  const manifest = manifestOf(alice.publisher, writer.summary, {
    cell_type,
    ...(capabilities === undefined ? {} : { capabilities }),
  })
  const record = await cells.repository.register(
    signedCell(alice, manifest),
    { credential: 'key', report: null },
    writer,
  )
  await writer.discard()
  return record
}

describe('pages', () => {
  it('there are none before the first cell', async (t) => {
    const { catalogue } = await openCells(t)
    assert.equal(catalogue.lastPage(), undefined)
    assert.deepEqual(await catalogue.page(0), [])
  })

  it('are filled in order of arrival, and a cell keeps its page', async (t) => {
    const cells = await openCells(t)
    const names = Array.from({ length: LIMITS.announcementCells + 3 }, (_, i) => `cell-${i}`)
    const records: CellRecord[] = []
    for (const name of names) records.push(await register(cells, name))
    assert.deepEqual(
      records.map(({ page }) => page),
      names.map((_, i) => (i < LIMITS.announcementCells ? 0 : 1)),
    )
    assert.equal(cells.catalogue.lastPage(), 1)
    await cells.repository.delete('cell-5', '1.0.0')
    assert.equal((await cells.catalogue.page(0)).length, LIMITS.announcementCells - 1)
    assert.equal((await register(cells, 'late')).page, 1)
    const second = (await cells.catalogue.page(1)).map(({ cell_type }) => cell_type)
    assert.deepEqual(second.sort(), [...names.slice(LIMITS.announcementCells), 'late'].sort())
  })

  it('are filled again, the lowest first, once half of their cells have gone', async (t) => {
    const cells = await openCells(t)
    const size = LIMITS.announcementCells
    for (let i = 0; i < 2 * size; i++) await register(cells, `cell-${i}`)
    const half = size / 2
    for (let i = 0; i < half - 1; i++) await cells.repository.delete(`cell-${i}`, '1.0.0')
    assert.equal((await register(cells, 'third')).page, 2)
    await cells.repository.delete(`cell-${half}`, '1.0.0')
    const more: number[] = []
    for (let i = 0; i < size + half; i++) more.push((await register(cells, `more-${i}`)).page)
    const expected = [...Array(size - 1).fill(2), ...Array(half).fill(0), 3]
    assert.deepEqual(more, expected)
    assert.equal(cells.catalogue.lastPage(), 3)
    for (const page of [0, 1, 2]) assert.equal((await cells.catalogue.page(page)).length, size)
    // What goes from the page that is being filled makes room on it at once.
    await cells.repository.delete(`more-${size + half - 1}`, '1.0.0')
    for (let i = 0; i < size; i++) assert.equal((await register(cells, `last-${i}`)).page, 3)
    assert.equal((await register(cells, 'beyond')).page, 4)
  })

  it('fit an announcement, however many capabilities the cells have', async (t) => {
    const cells = await openCells(t)
    const capabilities = Array.from({ length: LIMITS.manifestCapabilities }, (_, i) => ({
      name: `capability-${i}-`.padEnd(LIMITS.nameLength, 'x'),
      version: `1.0.0-${'y'.repeat(100)}`,
    }))
    const records: CellRecord[] = []
    for (let i = 0; i < 20; i++) records.push(await register(cells, `cell-${i}`, capabilities))
    const last = cells.catalogue.lastPage()
    assert.ok(last !== undefined && last > 0)
    for (let page = 0; page <= last; page++) {
      const offered = await cells.catalogue.page(page)
      assert.ok(offered.length > 0)
      assert.deepEqual(
        offered.map(({ manifest_digest }) => manifest_digest).sort(),
        records
          .filter((record) => record.page === page)
          .map(({ id }) => id)
          .sort(),
      )
      const announcement: Announcement = {
        type: 'announcement',
        provider_id: '1'.repeat(52),
        page,
        sequence: Number.MAX_SAFE_INTEGER,
        expires_at: Number.MAX_SAFE_INTEGER,
        addresses: Array.from({ length: LIMITS.announcementAddresses }, () => 'a'.repeat(256)),
        cells: offered,
        signature: 's'.repeat(86),
      }
      assert.ok(JSON.stringify(announcement).length <= LIMITS.announcementBytes)
    }
  })
})

it('a page says what status its cells have', async (t) => {
  const cells = await openCells(t)
  await register(cells, 'one')
  await register(cells, 'other')
  await cells.repository.annotate('one', '1.0.0', { status: 'in_testing' })
  const statuses = async () => (await cells.catalogue.page(0)).map(({ cell_type, status }) => `${cell_type} ${status}`)
  assert.deepEqual((await statuses()).sort(), ['one in_testing', 'other undefined'])
  await cells.repository.annotate('one', '1.0.0', { status: 'active' })
  assert.deepEqual((await statuses()).sort(), ['one undefined', 'other undefined'])
})
