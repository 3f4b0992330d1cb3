import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CellAnswer } from '../../protocol/cells.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { inRange } from '../../src/domain/cells/resolver.ts'
import { resolveDependencies } from '../../src/node/flows/resolve-dependencies.ts'

/** `name@version` and what it needs, as `capability range`. A cell offers its own name. */
type Shelf = Readonly<Record<string, readonly string[]>>

function cellOf(key: string, needs: readonly string[]): CellAnswer {
  const [name, version] = key.split('@') as [string, string]
  const dependencies = needs.map((need) => {
    const end = need.indexOf(' ')
    return { capability: need.slice(0, end), version_constraint: need.slice(end + 1) }
  })
  const cell = {
    cell_id: `id of ${key}`,
    cell_type: name,
    version,
    digest: `digest of ${key}`,
    publisher: 'p',
    publisher_trust: 'known',
    packaging_format: 'wasm',
    size_bytes: 1,
    manifest: { cell_type: name, version, capabilities: [{ name, version }], dependencies },
  }
  return cell as unknown as CellAnswer
}

/** Resolves from a shelf, the highest version first, and remembers what was looked for. */
async function resolve(rootKey: string, shelf: Shelf) {
  const asked: string[] = []
  const result = await resolveDependencies(cellOf(rootKey, shelf[rootKey]!), async (capability, range) => {
    asked.push(`${capability} ${range}`)
    const versions = Object.keys(shelf).filter((key) => key.startsWith(`${capability}@`))
    const best = versions.sort().findLast((key) => inRange(key.split('@')[1]!, range))
    if (best !== undefined) {
      const text = JSON.stringify(cellOf(best, shelf[best]!))
      return { status: 'success', source: 'local', cell: { before: text, after: '' } }
    }
    const coverage = { sources: [], peers: [], oldest_answer_ms: 0 }
    const alternatives = versions.map((key) => ({
      capability,
      cell_type: capability,
      version: key.split('@')[1]!,
      compatibility_notes: 'outside',
    }))
    return { status: 'not_found', code: versions.length > 0 ? 'PROV_002' : 'PROV_003', alternatives, coverage }
  })
  return { asked, result }
}

const chosen = (result: Awaited<ReturnType<typeof resolveDependencies>>): string[] => {
  assert('lock' in result, JSON.stringify(result))
  return result.lock.map(({ cell_type, version }) => `${cell_type}@${version}`).sort()
}

const conflicts = (result: Awaited<ReturnType<typeof resolveDependencies>>) => {
  assert('conflicts' in result, JSON.stringify(result))
  return result.conflicts
}

describe('a lock', () => {
  it('is empty where nothing is needed', async () => {
    const { result, asked } = await resolve('app@1.0.0', { 'app@1.0.0': [] })
    assert.deepEqual(result, { lock: [] })
    assert.deepEqual(asked, [])
  })

  it('holds the closure, each with its digest and who needs it', async () => {
    const { result } = await resolve('app@1.0.0', {
      'app@1.0.0': ['web ^1.0.0', 'log *'],
      'web@1.4.0': ['log ^2.0.0'],
      'web@2.0.0': [],
      'log@2.3.0': [],
    })
    assert.deepEqual(chosen(result), ['log@2.3.0', 'web@1.4.0'])
    assert('lock' in result)
    const log = result.lock.find(({ capability }) => capability === 'log')
    assert.equal(log?.digest, 'digest of log@2.3.0')
    assert.deepEqual(log?.required_by, [
      { cell_type: 'app', version: '1.0.0', version_constraint: '*' },
      { cell_type: 'web', version: '1.4.0', version_constraint: '^2.0.0' },
    ])
  })

  it('has one cell for a capability, which suits everybody who needs it', async () => {
    const { result } = await resolve('app@1.0.0', {
      'app@1.0.0': ['web *', 'log >=1.0.0'],
      'web@1.0.0': ['log 1.0.0 - 1.9.9 || ^3.0.0'],
      'log@1.5.0': [],
      'log@2.0.0': [],
    })
    assert.deepEqual(chosen(result), ['log@1.5.0', 'web@1.0.0'])
  })

  it('leaves out what only a cell needed that was replaced', async () => {
    const { result } = await resolve('app@1.0.0', {
      'app@1.0.0': ['web *', 'log *'],
      'web@1.0.0': ['log ^1.0.0'],
      'log@1.0.0': [],
      'log@2.0.0': ['rare *'],
      'rare@1.0.0': [],
    })
    assert.deepEqual(chosen(result), ['log@1.0.0', 'web@1.0.0'])
  })

  it('ends where cells need each other, and at the cell itself', async () => {
    const { result } = await resolve('app@1.0.0', {
      'app@1.0.0': ['a *'],
      'a@1.0.0': ['b *', 'app ^1.0.0'],
      'b@1.0.0': ['a *'],
    })
    assert.deepEqual(chosen(result), ['a@1.0.0', 'b@1.0.0'])
  })
})

describe('a conflict', () => {
  it('names everybody who needs what nothing offers at once, and what there is', async () => {
    const { result } = await resolve('app@1.0.0', {
      'app@1.0.0': ['web *', 'log ^2.0.0'],
      'web@1.0.0': ['log ^1.0.0'],
      'log@1.0.0': [],
      'log@2.0.0': [],
    })
    const [conflict, ...others] = conflicts(result)
    assert.deepEqual(others, [])
    assert.equal(conflict?.capability, 'log')
    assert.deepEqual(
      conflict?.required_by.map(({ cell_type, version_constraint }) => `${cell_type} ${version_constraint}`),
      ['app ^2.0.0', 'web ^1.0.0'],
    )
    assert.match(conflict!.reason, /nothing fits .* at once; there is log 1\.0\.0: outside; log 2\.0\.0: outside/)
  })

  it('is what nobody offers', async () => {
    const { result } = await resolve('app@1.0.0', { 'app@1.0.0': ['web *'], 'web@1.0.0': ['nowhere *'] })
    assert.deepEqual(conflicts(result), [
      {
        capability: 'nowhere',
        required_by: [{ cell_type: 'web', version: '1.0.0', version_constraint: '*' }],
        reason: 'nobody offers it',
      },
    ])
  })

  it('is a closure without end', async () => {
    const shelf: Record<string, string[]> = { 'app@1.0.0': ['n0 *'] }
    for (let n = 0; n <= LIMITS.lockEntries + 1; n++) shelf[`n${n}@1.0.0`] = [`n${n + 1} *`]
    const { result, asked } = await resolve('app@1.0.0', shelf)
    assert.match(conflicts(result)[0]!.reason, /more than 64 capabilities/)
    assert.ok(asked.length <= LIMITS.lockEntries)
  })

  it('is not a long chain', async () => {
    const shelf: Record<string, string[]> = { 'app@1.0.0': ['n1 *'] }
    for (let n = 1; n <= LIMITS.lockEntries; n++) shelf[`n${n}@1.0.0`] = n === LIMITS.lockEntries ? [] : [`n${n + 1} *`]
    assert.equal(chosen((await resolve('app@1.0.0', shelf)).result).length, LIMITS.lockEntries)
  })

  it('is a product of alternatives, which is not multiplied out', async () => {
    const many = Array.from({ length: 64 }, (_, i) => i + 1).join('||')
    const needs = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const parents = Object.fromEntries(needs.map((name) => [`${name}@1.0.0`, [`x ${many}`]]))
    const { asked, result } = await resolve('root@1.0.0', {
      'root@1.0.0': needs.map((name) => `${name} *`),
      'x@1.0.0': [],
      ...parents,
    })
    assert.match(conflicts(result)[0]!.reason, /more than 256 characters/)
    assert.ok(asked.every((text) => text.length < 300))
  })

  it('is a choice that never comes to rest', async () => {
    // Each version of `b` rules out the version of `a` that led to it.
    const { result } = await resolve('app@1.0.0', {
      'app@1.0.0': ['a *', 'b *'],
      'a@1.0.0': ['b 1.0.0'],
      'a@2.0.0': ['b 2.0.0'],
      'b@1.0.0': ['a 2.0.0'],
      'b@2.0.0': ['a 1.0.0'],
    })
    assert.ok(conflicts(result).length > 0)
  })
})
