import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import { follows, matches, newestFirst, policyId, policyProblem } from '../../../src/domain/cells/follow.ts'

const PUBLISHER = 'ab'.repeat(32)
const cellOf = (more: Partial<AnnouncedCell> = {}): AnnouncedCell => ({
  manifest_digest: 'cd'.repeat(32),
  publisher: PUBLISHER,
  cell_type: 'parser',
  version: '1.2.0',
  capabilities: [{ name: 'sql.parse', version: '1.0.0' }],
  ...more,
})

test('a pattern is what the same regular expression is', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 10 })
  fc.assert(
    fc.property(letters, name, (pattern, text) => {
      const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`)
      assert.equal(matches(pattern, text), expression.test(text), `${pattern} ${text}`)
    }),
    { numRuns: 2000 },
  )
})

test('a pattern that no regular expression would survive takes no time', () => {
  assert.equal(matches(`${'*a'.repeat(60)}b`, 'a'.repeat(128)), false)
})

test('a policy is about what it names', () => {
  const max_bytes = 1
  assert.equal(follows({ publisher: PUBLISHER, max_bytes }, cellOf(), 'p'), true)
  assert.equal(follows({ publisher: 'ef'.repeat(32), max_bytes }, cellOf(), 'p'), false)
  assert.equal(follows({ capability: 'sql.*', max_bytes }, cellOf(), 'p'), true)
  assert.equal(follows({ capability: 'sql', max_bytes }, cellOf(), 'p'), false)
  assert.equal(follows({ partner: 'p', max_bytes }, cellOf(), 'p'), true)
  assert.equal(follows({ partner: 'p', max_bytes }, cellOf(), 'other'), false)
  assert.equal(follows({ partner: 'p', max_bytes }, cellOf({ copy: true }), 'p'), false, 'a copy is not its own')
  assert.equal(follows({ publisher: PUBLISHER, versions: '^1.0.0', max_bytes }, cellOf(), 'p'), true)
  assert.equal(follows({ publisher: PUBLISHER, versions: '^2.0.0', max_bytes }, cellOf(), 'p'), false)
})

test('of every type the newest version comes first, then the one before', () => {
  const cells = [
    ...['1.0.0', '1.10.0', '1.9.0'].map((version) => cellOf({ version })),
    ...['0.1.0', '0.2.0'].map((version) => cellOf({ version, cell_type: 'writer' })),
  ]
  assert.deepEqual(
    newestFirst(cells).map(({ cell_type, version }) => `${cell_type}@${version}`),
    ['parser@1.10.0', 'writer@0.2.0', 'parser@1.9.0', 'writer@0.1.0', 'parser@1.0.0'],
  )
})

test('a policy has the same id whatever its budget, and another one for other cells', () => {
  const policy = { capability: 'sql.*', max_bytes: 1 }
  assert.match(policyId(policy), /^[0-9a-f]{12}$/)
  assert.equal(policyId({ ...policy, max_bytes: 2 }), policyId(policy))
  assert.notEqual(policyId({ ...policy, versions: '1' }), policyId(policy))
  assert.equal(policyProblem({ ...policy, versions: '^1.0.0' }), undefined)
  assert.match(policyProblem({ ...policy, versions: 'newest' }) ?? '', /versions: found "newest", allowed is/)
})
