import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ShownStatus } from '../../protocol/annotations.ts'
import { LIMITS } from '../../protocol/limits.ts'
import type { Candidate } from '../../src/domain/cells/candidate.ts'
import type { CellQuery } from '../../src/domain/cells/query.ts'
import { best, compare } from '../../src/domain/cells/resolver.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import type { DirectoryEntry } from '../../src/domain/federation/directory.ts'
import { fieldOf, unbeaten } from '../../src/node/flows/field.ts'
import { RANKERS } from '../support/rankers.ts'
import { NO_VULNERABILITIES } from '../support/vulnerabilities.ts'
import { yanksOf } from '../support/yanks.ts'

const QUERY: CellQuery = { by: 'capability', name: 'parse' }

const entryOf = (publisher: string, offered: string, status: ShownStatus = 'active'): DirectoryEntry => ({
  provider: 'c',
  offered,
  announcedAt: 0,
  cell: { manifest_digest: offered, publisher, cell_type: 't', version: offered, capabilities: [], status },
  expiresAt: 1,
})

const candidateOf = (publisher: string, offered: string, registered: boolean): Candidate => ({
  id: `${publisher}-${offered}`,
  publisher,
  cellType: 't',
  version: offered,
  offered,
  status: 'active',
  registered,
})

const partsOf = (here: readonly Candidate[], entries: readonly DirectoryEntry[], accept: 'any' | 'pinned' = 'any') => ({
  index: { candidates: () => [...here] },
  directory: { find: () => entries.values() as Generator<DirectoryEntry> },
  trust: new TrustPolicy({ pinned: ['pinned'], self: 'self', accept }),
  rankers: RANKERS,
  yanks: yanksOf('1.1.0', 'pinned-2.0.0'),
  vulnerabilities: NO_VULNERABILITIES,
})

describe('what is here', () => {
  it('is the answer exactly when nothing announced is better', () => {
    const publisher = fc.constantFrom('pinned', 'self', 'a', 'b')
    const status = fc.constantFrom('active' as const, 'deprecated' as const, 'yanked' as const)
    const version = fc.constantFrom('1.0.0', '1.1.0', '1.2.0-rc.1', '2.0.0')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(publisher, version, fc.boolean()), { maxLength: 4 }),
        fc.array(fc.tuple(publisher, version, status), { maxLength: 4 }),
        fc.constantFrom(undefined, '^1.0.0', '2.0.0'),
        fc.constantFrom('any' as const, 'pinned' as const),
        (held, announced, range, accept) => {
          const query = { ...QUERY, range }
          const here = held.map((args) => candidateOf(...args))
          const parts = partsOf(
            here,
            announced.map((args) => entryOf(...args)),
            accept,
          )
          const field = fieldOf(query, parts)
          const own = best(query, here, parts, field.floor)
          const other = best(query, field.announced, parts, field.floor)
          const isBeaten = own !== undefined && other !== undefined && compare(query, other, own, parts) < 0
          assert.deepEqual(unbeaten(query, here, parts), isBeaten ? undefined : own)
        },
      ),
    )
  })

  it('is not beaten at high by an announced version with an open critical vulnerability', () => {
    const here = [candidateOf('pinned', '1.0.0', true)]
    const openCritical = ({ version }: { version: string }) => (version === '2.0.0' ? 'CVE-2026-1' : undefined)
    const parts = { ...partsOf(here, [entryOf('pinned', '2.0.0')]), vulnerabilities: { openCritical } }
    assert.equal(unbeaten({ ...QUERY, securityLevel: 'high' }, here, parts)?.candidate.id, 'pinned-1.0.0')
    assert.equal(unbeaten(QUERY, here, parts), undefined)
  })

  it('is found fast, however much is announced under the name', (t) => {
    const crowd = (of: (i: number) => DirectoryEntry) =>
      Array.from({ length: LIMITS.announcedPerName }, (_, i) => of(i))
    const cases = {
      'unknown publishers': partsOf(
        [candidateOf('a', '1.0.0', true)],
        crowd((i) => entryOf(`p${i}`, `9.${i}.0`)),
      ),
      'lower versions': partsOf(
        [candidateOf('a', '9.0.0', false)],
        crowd((i) => entryOf(`p${i}`, `1.${i}.0`)),
      ),
      'versions out of range': partsOf(
        [candidateOf('a', '1.0.0', false)],
        crowd((i) => entryOf(`p${i}`, `9.${i}.0`)),
      ),
    }
    for (const [name, parts] of Object.entries(cases)) {
      const query = { ...QUERY, range: name === 'versions out of range' ? '^1.0.0' : undefined }
      const times: number[] = []
      for (let i = 0; i < 50; i++) {
        const startedAt = performance.now()
        assert.ok(unbeaten(query, parts.index.candidates(), parts))
        times.push(performance.now() - startedAt)
      }
      const median = times.sort((a, b) => a - b)[25]!
      t.diagnostic(`${name}: ${median.toFixed(3)} ms`)
      // Far above what it takes, and far below what looking at everything took.
      assert.ok(median < 20, `${name}: ${median} ms`)
    }
  })
})
