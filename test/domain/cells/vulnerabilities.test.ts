import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { VULNERABILITY_LIMITS, type VulnerabilityEntry } from '../../../protocol/vulnerabilities.ts'
import { Vulnerabilities, type VulnerabilityWitness } from '../../../src/domain/cells/vulnerabilities.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { TestClock, temporaryFolder } from '../../support/cells.ts'

const DIGEST = `sha256:${'d'.repeat(64)}`
const ALICE = 'a'.repeat(64)
const BOB = 'b'.repeat(64)

const entry = (id: string, more: Partial<VulnerabilityEntry> = {}): VulnerabilityEntry => ({
  id,
  cell_type: 'parser',
  affected: '<2.0.0',
  severity: 'critical',
  description: 'reads beyond its memory',
  ...more,
})

const cell = (more: { version?: string; publisher?: string; digest?: string; id?: string } = {}) => ({
  id: 'cell',
  cellType: 'parser',
  publisher: ALICE,
  version: '1.5.0',
  ...more,
})

async function open(t: TestContext) {
  const store = await Store.open(await temporaryFolder(t), { createIfMissing: true })
  t.after(() => store.close())
  const clock = new TestClock()
  const acts: string[] = []
  const witness: VulnerabilityWitness = (_tx, act, { id }) => void acts.push(`${act} ${id}`)
  const digestOf = (id: string) => (id === 'held' ? DIGEST : undefined)
  const fresh = async () => {
    const known = new Vulnerabilities({ store, clock, digestOf })
    await known.load()
    return known
  }
  const known = await fresh()
  const record = (...entries: VulnerabilityEntry[]) => known.record(entries, 'admin', witness)
  const remove = (id: string) => known.remove('parser', id, witness)
  return { known, record, remove, acts, clock, fresh }
}

const fails = (promise: Promise<unknown>, code: string, status: number, message: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ProviderError)
    assert.deepEqual([error.code, error.status], [code, status])
    assert.match(error.message, message)
    return true
  })

describe('a vulnerability', () => {
  it('affects the versions of its range, prereleases included, of its publisher, with its package', async (t) => {
    const { known, record } = await open(t)
    await record(entry('RANGE'))
    assert.equal(known.openCritical(cell()), 'RANGE')
    assert.equal(known.openCritical(cell({ version: '1.5.0-rc.1' })), 'RANGE')
    assert.equal(known.openCritical(cell({ version: '2.0.0' })), undefined)
    assert.equal(known.openCritical({ ...cell(), cellType: 'printer' }), undefined)

    await record(entry('RANGE', { publisher: BOB }))
    assert.equal(known.openCritical(cell()), undefined)
    assert.equal(known.openCritical(cell({ publisher: BOB })), 'RANGE')

    await record({ ...entry('PACKAGE', { digest: DIGEST }), affected: '>=3' })
    assert.equal(known.openCritical(cell({ version: '3.0.0' })), undefined)
    assert.equal(known.openCritical(cell({ version: '3.0.0', digest: DIGEST })), 'PACKAGE')
    assert.equal(known.openCritical(cell({ version: '3.0.0', id: 'held' })), 'PACKAGE')
    assert.equal(known.openCritical(cell({ version: '2.5.0', digest: DIGEST })), undefined)
  })

  it('that is mitigated is listed, and decides nothing', async (t) => {
    const { known, record } = await open(t)
    await record(entry('OLD', { mitigated: true }), entry('MILD', { severity: 'low' }))
    assert.equal(known.openCritical(cell()), undefined)
    assert.equal(known.worstOpen(cell()), 'low')
    assert.deepEqual(
      known.of(cell()).map(({ id, mitigated }) => [id, mitigated]),
      [
        ['MILD', false],
        ['OLD', true],
      ],
    )
  })

  it('is there after a restart, and gone after it was removed', async (t) => {
    const { known, record, remove, fresh, acts } = await open(t)
    await record(entry('CVE-1'))
    assert.equal((await fresh()).openCritical(cell()), 'CVE-1')
    assert.equal((await remove('CVE-1')).id, 'CVE-1')
    assert.equal(known.worstOpen(cell()), undefined)
    assert.equal(known.list({}).total, 0)
    assert.equal((await fresh()).list({}).total, 0)
    assert.deepEqual(acts, ['vulnerability_recorded CVE-1', 'vulnerability_removed CVE-1'])
    await fails(remove('CVE-1'), 'PROV_001', 404, /no vulnerability CVE-1 of parser/)
  })
})

describe('a batch', () => {
  it('sent again changes nothing, and logs nothing', async (t) => {
    const { known, record, acts, clock } = await open(t)
    assert.deepEqual(await record(entry('A'), entry('B')), { recorded: 2, unchanged: 0 })
    clock.advance(1000)
    const again = await record(entry('A'), entry('B', { mitigated: true }), entry('C', { cell_type: 'printer' }))
    assert.deepEqual(again, { recorded: 2, unchanged: 1 })
    assert.equal(acts.length, 4)
    const [a, b] = known.of(cell())
    assert.ok(a !== undefined && b !== undefined && a.recorded_at < b.recorded_at)
  })

  it('is recorded as a whole or not at all', async (t) => {
    const { known, record, acts } = await open(t)
    const wrong: [VulnerabilityEntry, RegExp][] = [
      [entry('X', { affected: 'soon' }), /affected is "soon", allowed is an npm semver range/],
      [entry('A'), /A of parser is named twice/],
    ]
    for (const [bad, message] of wrong) await fails(record(entry('A'), bad), 'PROV_001', 400, message)
    const { affected: _, ...nothing } = entry('X')
    await fails(record(entry('A'), nothing), 'PROV_001', 400, /names no cells/)
    const many = Array.from({ length: VULNERABILITY_LIMITS.perCellType + 1 }, (_, n) => entry(`N-${n}`))
    await fails(record(entry('A', { cell_type: 'printer' }), ...many), 'PROV_014', 507, /at most 200 are kept/)
    assert.equal(known.list({}).total, 0)
    assert.deepEqual(acts, [])
  })
})

it('a list has pages across cell types', async (t) => {
  const { known, record } = await open(t)
  for (const type of ['b', 'a', 'c']) {
    await record(entry('2', { cell_type: type }), entry('1', { cell_type: type }))
  }
  const names = (query: Parameters<Vulnerabilities['list']>[0]) =>
    known.list(query).vulnerabilities.map(({ cell_type, id }) => cell_type + id)
  assert.deepEqual(names({}), ['a1', 'a2', 'b1', 'b2', 'c1', 'c2'])
  assert.deepEqual(names({ limit: 3, offset: 1 }), ['a2', 'b1', 'b2'])
  assert.deepEqual(names({ cell_type: 'b', offset: 1 }), ['b2'])
  assert.deepEqual(known.list({ limit: 2, offset: 5 }).total, 6)
  assert.deepEqual(names({ offset: 6 }), [])
})
