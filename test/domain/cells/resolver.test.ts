import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Candidate } from '../../../src/domain/cells/candidate.ts'
import type { CellQuery } from '../../../src/domain/cells/query.ts'
import { best, rank } from '../../../src/domain/cells/resolver.ts'
import { TIERS, TrustPolicy } from '../../../src/domain/cells/trust.ts'
import { RANKERS } from '../../support/rankers.ts'
import { NO_VULNERABILITIES } from '../../support/vulnerabilities.ts'
import { yanksOf } from '../../support/yanks.ts'

const PINNED = 'a'.repeat(64)
const STRANGER = 'b'.repeat(64)
const SELF = 'c'.repeat(64)
const trust = new TrustPolicy({ pinned: [PINNED], self: SELF, accept: 'any' })
const policy = { trust, rankers: RANKERS, yanks: yanksOf('yanked'), vulnerabilities: NO_VULNERABILITIES }

const QUERY: CellQuery = { by: 'capability', name: 'parse' }

const candidate = (id: string, overrides: Partial<Candidate> = {}): Candidate => ({
  id,
  publisher: STRANGER,
  cellType: 'parser',
  version: '1.0.0',
  offered: '1.0.0',
  status: 'active',
  registered: true,
  ...overrides,
})

const winner = (query: Partial<CellQuery>, ...candidates: Candidate[]) =>
  best({ ...QUERY, ...query }, candidates, policy)?.candidate.id

const reasons = (query: Partial<CellQuery>, ...candidates: Candidate[]) =>
  rank({ ...QUERY, ...query }, candidates, policy).rejected.map(({ reason }) => reason)

describe('publisher tiers', () => {
  const newest = candidate('stranger', { registered: false, offered: '9.0.0' })
  const known = candidate('known', { offered: '5.0.0' })
  const pinned = candidate('pinned', { publisher: PINNED, registered: false, offered: '3.0.0' })
  const requested = candidate('requested', { publisher: 'd'.repeat(64), registered: false, offered: '1.0.0' })
  const pinRequested = { publishers: ['d'.repeat(64)] }

  it('come before versions', () => {
    assert.equal(winner(pinRequested, newest, known, pinned, requested), 'requested')
    assert.equal(winner({}, newest, known, pinned), 'pinned')
    assert.equal(winner({}, newest, known), 'known')
    assert.equal(winner({}, newest), 'stranger')
  })

  it('are named in the answer', () => {
    const { fitting } = rank({ ...QUERY, ...pinRequested }, [known, requested, pinned], policy)
    assert.deepEqual(
      fitting.map(({ tier }) => TIERS[tier]),
      ['pinned_by_request', 'pinned_by_operator', 'known'],
    )
    assert.equal(best(QUERY, [newest], policy)?.tier, TIERS.indexOf('unknown'))
  })

  it('an unknown publisher wins only where nobody better offers the name, in whatever version', () => {
    assert.equal(winner({ range: '^9.0.0' }, newest, known), undefined)
    assert.deepEqual(reasons({ range: '^9.0.0' }, newest, known), [
      'its publisher is unknown, and a publisher that this node knows offers parse',
      'version 5.0.0 is outside ^9.0.0',
    ])
    assert.equal(winner({ range: '^9.0.0' }, newest), 'stranger')
  })

  it('what this node signs is known', () => {
    assert.equal(policy.trust.tierOf({ publisher: SELF, registered: false }, QUERY), TIERS.indexOf('known'))
  })
})

describe('versions', () => {
  it('the highest in the range wins', () => {
    const list = ['1.2.0', '1.10.0', '2.0.0'].map((offered) => candidate(offered, { offered }))
    assert.equal(winner({}, ...list), '2.0.0')
    assert.equal(winner({ range: '^1.0.0' }, ...list), '1.10.0')
    assert.equal(winner({ range: '<1.5.0' }, ...list), '1.2.0')
    assert.equal(winner({ range: '3.x' }, ...list), undefined)
  })

  it('prereleases fit only a range that names one', () => {
    const list = ['1.0.0', '2.0.0-rc.1'].map((offered) => candidate(offered, { offered }))
    assert.equal(winner({}, ...list), '1.0.0')
    assert.equal(winner({ range: '>=1.0.0' }, ...list), '1.0.0')
    assert.equal(winner({ range: '>=2.0.0-rc.0' }, ...list), '2.0.0-rc.1')
    assert.equal(winner({}, list[1]!), undefined)
  })

  it('the highest cell version decides between equal capability versions, then the smaller id', () => {
    const old = candidate('a')
    const recent = candidate('c', { version: '1.1.0' })
    assert.equal(winner({}, old, recent, candidate('b', { version: '1.1.0' })), 'b')
    assert.equal(winner({}, recent, old), 'c')
  })
})

describe('status', () => {
  const active = candidate('active', { offered: '1.0.0' })
  const deprecated = candidate('deprecated', { offered: '2.0.0', status: 'deprecated' })
  const testing = candidate('testing', { offered: '3.0.0', status: 'in_testing' })

  it('deprecated cells win only where no active one fits', () => {
    assert.equal(winner({}, deprecated, active), 'active')
    assert.equal(winner({ range: '^2.0.0' }, deprecated, active), 'deprecated')
  })

  it('cells in testing need their exact version', () => {
    assert.equal(winner({}, testing), undefined)
    assert.equal(winner({ range: '^3.0.0' }, testing), undefined)
    assert.equal(winner({ range: '3.0.0' }, testing, active), 'testing')
    assert.deepEqual(reasons({}, testing), ['is in testing: ask for its exact version'])
  })
})

describe('device', () => {
  const needs = { platforms: ['linux', 'windows'], memory_gb: 4, cpu_cores: 2, gpu: true }
  const demanding = candidate('demanding', { offered: '2.0.0', requirements: needs })
  const modest = candidate('modest')
  const enough = { platform: 'linux', memory_gb: 4, cpu_cores: 2, gpu_available: true }

  it('a cell that does not run there is passed over', () => {
    assert.equal(winner({ device: enough }, demanding, modest), 'demanding')
    for (const lacking of [
      { platform: 'macos' },
      { memory_gb: 3.9 },
      { cpu_cores: 1 },
      { gpu_available: false },
    ] as const) {
      assert.equal(winner({ device: { ...enough, ...lacking } }, demanding, modest), 'modest')
    }
  })

  it('what the device does not say rules nothing out', () => {
    assert.equal(winner({}, demanding), 'demanding')
    assert.equal(winner({ device: {} }, demanding), 'demanding')
    assert.equal(winner({ device: { platform: 'windows' } }, demanding), 'demanding')
  })

  it('no platforms means any', () => {
    assert.equal(winner({ device: { platform: 'beos' } }, candidate('any', { requirements: { platforms: [] } })), 'any')
  })

  it('the reason says what is needed', () => {
    assert.deepEqual(reasons({ device: { memory_gb: 1 } }, demanding), ['needs 4 GB of memory, the device has 1'])
    assert.deepEqual(reasons({ device: { platform: 'macos' } }, demanding), ['runs on linux, windows, not on macos'])
  })
})

describe('priority', () => {
  it('decides between equal capability versions, before the cell version', () => {
    const small = candidate('small', { memory: 10, compileMs: 90, size: 500 })
    const fast = candidate('fast', { memory: 90, compileMs: 10, size: 900, version: '2.0.0' })
    assert.equal(winner({ priority: 'memory' }, small, fast), 'small')
    assert.equal(winner({ priority: 'speed' }, small, fast), 'fast')
    assert.equal(winner({ priority: 'battery' }, small, fast), 'small')
    assert.equal(winner({}, small, fast), 'fast')
    assert.equal(winner({ priority: 'memory' }, small, { ...fast, offered: '1.0.1' }), 'fast')
  })

  it('what was measured comes before what is declared, however good that sounds', () => {
    const measured = candidate('measured', { compileMs: 5000 })
    const boaster = candidate('boaster', { declaredStartupMs: 0, version: '9.0.0' })
    const modest = candidate('modest', { declaredStartupMs: 100 })
    const silent = candidate('silent', { version: '9.9.9' })
    const { fitting } = rank({ ...QUERY, priority: 'speed' }, [silent, modest, boaster, measured], policy)
    assert.deepEqual(
      fitting.map(({ candidate: { id } }) => id),
      ['measured', 'boaster', 'modest', 'silent'],
    )
  })
})

describe('security level', () => {
  const pinned = candidate('pinned', { publisher: PINNED })
  const known = candidate('known', { offered: '2.0.0' })

  it('high takes publishers that the operator pinned, and a pin in the request is not his', () => {
    assert.equal(winner({ securityLevel: 'high' }, pinned, known), 'pinned')
    assert.equal(winner({ securityLevel: 'high', publishers: [STRANGER] }, known), undefined)
    assert.equal(winner({ securityLevel: 'standard', publishers: [STRANGER] }, known), 'known')
  })

  it('high and maximum refuse an open critical vulnerability, and say which; standard does not ask', () => {
    const other = candidate('other', { publisher: PINNED })
    const openCritical = ({ id }: { id: string }) => (id === 'pinned' ? 'CVE-2026-1' : undefined)
    const aware = { ...policy, vulnerabilities: { openCritical } }
    const chosen = (securityLevel: 'standard' | 'high' | 'maximum') =>
      rank({ ...QUERY, securityLevel }, [pinned, other], aware)
    const { fitting, rejected } = chosen('high')
    assert.deepEqual(
      fitting.map(({ candidate: { id } }) => id),
      ['other'],
    )
    assert.match(rejected[0]!.reason, /security level high .* it has CVE-2026-1/)
    assert.match(chosen('maximum').rejected.find(({ candidate: { id } }) => id === 'pinned')!.reason, /CVE-2026-1/)
    assert.equal(chosen('standard').fitting.length, 2)
    assert.equal(best({ ...QUERY, securityLevel: 'high' }, [pinned, other], aware)?.candidate.id, 'other')
  })

  it('maximum needs a hybrid signature and a log as well, where both are known', () => {
    const maximum = (facts: Partial<Candidate>) => winner({ securityLevel: 'maximum' }, { ...pinned, ...facts })
    assert.equal(maximum({ hybrid: true, logged: true }), pinned.id)
    assert.equal(maximum({}), pinned.id)
    assert.equal(maximum({ hybrid: false, logged: true }), undefined)
    assert.equal(maximum({ hybrid: true, logged: false }), undefined)
    assert.equal(winner({ securityLevel: 'maximum' }, { ...known, hybrid: true, logged: true }), undefined)
  })
})

describe('accept', () => {
  it('pinned takes only pinned publishers and this node itself', () => {
    const strict = new TrustPolicy({ pinned: [PINNED], self: SELF, accept: 'pinned' })
    assert.deepEqual(
      [PINNED, SELF, STRANGER].map((publisher) => strict.accepts(publisher)),
      [true, true, false],
    )
    assert.ok(policy.trust.accepts(STRANGER))
  })
})

describe('any candidates', () => {
  const version = fc.constantFrom('1.0.0', '1.0.1', '1.1.0-beta.2', '2.0.0')
  const measure = fc.option(fc.constantFrom(1, 2, 3), { nil: undefined })
  const anyCandidate = fc.record({
    id: fc.stringMatching(/^[0-9a-f]{4}$/),
    publisher: fc.constantFrom(PINNED, STRANGER, SELF),
    cellType: fc.constant('parser'),
    version,
    offered: version,
    status: fc.constantFrom('active' as const, 'deprecated' as const, 'in_testing' as const),
    registered: fc.boolean(),
    memory: measure,
    compileMs: measure,
    size: measure,
    declaredMemoryMb: measure,
    declaredStartupMs: measure,
    requirements: fc.option(fc.record({ memory_gb: fc.constantFrom(1, 4) }), { nil: undefined }),
  })
  const anyQuery: fc.Arbitrary<CellQuery> = fc.record({
    by: fc.constant('capability' as const),
    name: fc.constant('parse'),
    range: fc.constantFrom(undefined, '*', '^1.0.0', '1.0.0', '>=1.1.0-beta.0'),
    priority: fc.constantFrom(undefined, 'memory' as const, 'speed' as const, 'battery' as const),
    securityLevel: fc.constantFrom(undefined, 'standard' as const, 'high' as const),
    publishers: fc.constantFrom(undefined, [STRANGER]),
    device: fc.constantFrom(undefined, { memory_gb: 2 }),
  })
  const shuffled = fc
    .uniqueArray(anyCandidate, { maxLength: 12, selector: ({ id }) => id })
    .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })))

  it('rank the same in every order, and the best is the first', () => {
    fc.assert(
      fc.property(anyQuery, shuffled, (query, [list, other]) => {
        const { fitting, rejected } = rank(query, list, policy)
        assert.deepEqual(rank(query, other, policy).fitting, fitting)
        assert.deepEqual(best(query, other, policy), fitting[0])
        assert.equal(fitting.length + rejected.length, list.length)
        const tiers = fitting.map(({ tier }) => tier)
        assert.deepEqual(tiers, tiers.toSorted())
      }),
    )
  })
})

describe('a yanked cell', () => {
  const yanked = candidate('yanked', { publisher: PINNED, offered: '2.0.0' })
  const announced = candidate('announced', { status: 'yanked', registered: false, offered: '2.0.0' })

  it('is never the answer, not even by its exact version, and says why', () => {
    const older = candidate('older', { offered: '1.0.0' })
    assert.equal(winner({}, yanked, announced, older), 'older')
    assert.equal(winner({ range: '2.0.0' }, yanked, announced), undefined)
    assert.deepEqual(reasons({}, yanked, announced, older), ['was yanked: broken', 'was yanked, says who announces it'])
  })

  it('keeps no unknown publisher from winning', () => {
    assert.equal(winner({}, yanked, candidate('stranger', { registered: false })), 'stranger')
    const known = candidate('known', { status: 'yanked' })
    assert.equal(winner({}, known, candidate('stranger', { registered: false })), 'stranger')
  })
})
