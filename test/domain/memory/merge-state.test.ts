import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeState } from '../../../src/domain/memory/merge-state.ts'
import { withCode } from '../../support/memory.ts'

test('the example of the document gives the fields that it lists', () => {
  const state = {
    personality_traits: { analytical_depth: 0.8, supportive_tone: 0.7 },
    learned_patterns: [{ pattern: 'a' }],
  }
  const update = { personality_traits: { analytical_depth: 0.85 }, new_learned_pattern: { pattern: 'b' } }
  assert.deepEqual(mergeState(state, update), {
    state: {
      personality_traits: { analytical_depth: 0.85, supportive_tone: 0.7 },
      learned_patterns: [{ pattern: 'a' }, { pattern: 'b' }],
    },
    changed: ['personality_traits', 'learned_patterns'],
  })
})

test('fields are merged as RFC 7396 says in its appendix', () => {
  const cases: [object, object, object][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [state, update, merged] of cases) {
    assert.deepEqual(mergeState(state as never, update as never).state, merged)
  }
})

test('only what changed is listed', () => {
  const state = { a: { b: 1 }, c: 2 }
  assert.deepEqual(mergeState(state, { a: { b: 1 }, c: 2, d: null }).changed, [])
  assert.deepEqual(mergeState(state, { c: 3, a: { b: null } }).changed, ['c', 'a'])
})

test('an item goes to the list of its own name, else to the one of its plural, which is made', () => {
  assert.deepEqual(mergeState({}, { new_note: 'a' }).state, { notes: ['a'] })
  assert.deepEqual(mergeState({ memory: [] }, { new_memory: 'a' }).state, { memory: ['a'] })
  assert.deepEqual(mergeState({}, { new_: 'a', new_x: null }).state, { new_: 'a' })
  assert.throws(() => mergeState({ notes: 'text' }, { new_note: 'a' }), withCode('INVALID_REQUEST'))
})

test('no name of a field reaches what objects inherit', () => {
  const { state } = mergeState({}, JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"x": 1}}}'))
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
  assert.deepEqual(Object.keys(state), ['__proto__', 'constructor'])
  assert.equal(Object.getPrototypeOf(state), Object.prototype)
})
