import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sampleAnswers } from '../../../scripts/vectors/answers.ts'
import { NETWORK } from '../../../scripts/vectors/seeds.ts'
import { canonicalJson } from '../../../src/kernel/base/canonical-json.ts'
import { sha256 } from '../../../src/kernel/base/hash.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { checkedAnswer, verifyProvenAnswer } from '../../../src/kernel/log/verify-answer.ts'
import { inPython, pythonVerdicts, withoutPython } from '../../support/python.ts'

type Path = readonly (string | number)[]
interface Mutant {
  readonly about: string
  readonly text: string
}

const samples = sampleAnswers()
const native = { verifier: nativeVerifier, records: nativeVerifier, sha256 }

const verdictOf = async (text: string): Promise<string> => {
  try {
    await verifyProvenAnswer(native, checkedAnswer(JSON.parse(text)), { network: NETWORK })
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

/** Paths of all values inside a value, the containers' too. */
function* paths(value: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path
  if (typeof value !== 'object' || value === null) return
  for (const key of Object.keys(value)) {
    yield* paths((value as Record<string, unknown>)[key], [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/** An object or an array, as it is changed. */
type Container = Record<string | number, unknown>

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((inner, key) => (Object(inner) as Container)[key], value)

/** The value with another one at that path; undefined removes it. */
function changed(value: object, path: Path, to: (from: unknown, container: unknown[]) => unknown): string {
  const copy = structuredClone(value)
  const container = at(copy, path.slice(0, -1)) as Container & unknown[]
  const key = path.at(-1)!
  const next = to(container[key as number], container)
  if (next !== undefined) (container as Container)[key] = next
  else if (Array.isArray(container)) container.splice(Number(key), 1)
  else delete (container as Container)[key]
  return JSON.stringify(copy)
}

/** Another value of the same kind. */
function another(value: unknown): unknown {
  if (typeof value === 'number') return value + 1
  if (typeof value === 'boolean') return !value
  if (typeof value === 'string') {
    const middle = Math.floor(value.length / 2)
    return value.slice(0, middle) + (value[middle] === 'A' ? 'B' : 'A') + value.slice(middle + 1)
  }
  return value === null ? {} : null
}

/** Each value of an answer changed, removed, doubled, exchanged with its neighbour and with the other answer's. */
function mutants(answer: object, other: object): Mutant[] {
  const all: Mutant[] = []
  const add = (about: string, path: Path, text: string) => {
    if (text !== JSON.stringify(answer)) all.push({ about: `${about} ${path.join('.')}`, text })
  }
  for (const path of paths(answer)) {
    add('changed', path, changed(answer, path, another))
    add(
      'removed',
      path,
      changed(answer, path, () => undefined),
    )
    const foreign = at(other, path)
    if (foreign !== undefined)
      add(
        'swapped',
        path,
        changed(answer, path, () => foreign),
      )
    const key = path.at(-1)
    if (typeof key !== 'number') continue
    const doubled = (from: unknown, container: unknown[]): unknown => {
      container.splice(key, 0, from)
      return from
    }
    add('doubled', path, changed(answer, path, doubled))
    const exchanged = (from: unknown, container: unknown[]): unknown => {
      if (key === 0) return from
      const before = container[key - 1]
      container[key - 1] = from
      return before
    }
    add('exchanged with the one before', path, changed(answer, path, exchanged))
  }
  for (const path of [[], ...paths(answer)] as Path[]) {
    const value = at(answer, path)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue
    add('with a further member', path, changed({ answer }, ['answer', ...path, 'zz'], () => 'x').slice(10, -1))
  }
  return all
}

const all = samples.flatMap(({ answer }, i) => mutants(answer, samples[(i + 1) % samples.length]!.answer))

test('the answers hold as they are', async () => {
  for (const { about, answer } of samples) assert.equal(await verdictOf(JSON.stringify(answer)), '', about)
})

test('an answer that is changed anywhere is refused', async () => {
  assert.ok(all.length > 600, `${all.length} mutants`)
  const held: string[] = []
  for (const { about, text } of all) if ((await verdictOf(text)) === '') held.push(about)
  assert.deepEqual(held, [])
})

test('the same in Python', { skip: withoutPython }, async () => {
  const verdicts = await pythonVerdicts(all, NETWORK)
  assert.deepEqual(
    all.filter((_, i) => verdicts[i] === '').map(({ about }) => about),
    [],
  )
})

test('the canonical form is the same in Python, for any JSON', { skip: withoutPython }, async () => {
  const values = [
    ...fc.sample(fc.jsonValue({ maxDepth: 4 }), { numRuns: 2000, seed: 7 }),
    ...fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), { numRuns: 5000, seed: 7 }),
    ...fc
      .sample(fc.string({ unit: 'binary' }), { numRuns: 2000, seed: 7 })
      .map((name) => ({ [name]: name, a: 1, '\u{10000}': 2 })),
  ]
    .map((value) => JSON.stringify(value))
    .filter((text) => text.isWellFormed() && !text.includes('__proto__'))
  const texts = await inPython<string>(
    'def call(text): return verify_answer.canonical(verify_answer.parse(text))',
    values,
  )
  for (const [i, text] of texts.entries()) assert.equal(text, canonicalJson(JSON.parse(values[i]!)), values[i])
})
