import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { RecallIndex, type RecallQuery, type RecallText, searchTerms } from '../../../src/kernel/text/recall-index.ts'
import { RecallTables } from '../../../src/kernel/text/recall-tables.ts'
import { recency } from '../../../src/kernel/text/relevance.ts'

const NOW = Date.parse('2026-05-01T12:00:00Z')
const HOUR = 3_600_000
const SIGNAL = AbortSignal.timeout(60_000)

const text = (thread: string, position: number, words: string, more: Partial<RecallText> = {}): RecallText => ({
  key: `${thread}!${position}`,
  thread,
  position,
  author: 'ada',
  at: NOW - HOUR,
  text: words,
  ...more,
})
const query = (words: string, more: Partial<RecallQuery> = {}): RecallQuery => ({
  terms: searchTerms(words),
  meaning: undefined,
  now: NOW,
  from: undefined,
  to: undefined,
  thread: undefined,
  author: undefined,
  threshold: 0,
  limit: 10,
  ...more,
})
const unit = (...values: number[]): Float32Array => Float32Array.from(values, (value) => value / Math.hypot(...values))

function tables(t: TestContext, texts: readonly RecallText[], maxBytes = 100_000_000): RecallTables {
  const made = new RecallTables(maxBytes)
  t.after(() => made.close())
  made.begin('s')
  assert.ok(made.put('s', texts))
  return made
}
const keys = (made: RecallTables, asked: RecallQuery, group = 's'): string[] | undefined =>
  made.search(group, asked)?.hits.map(({ key }) => key)

describe('words of texts', () => {
  it('are found by their stems, without accents, whatever their case', (t) => {
    const made = tables(t, [
      text('a', 1, 'The kettle is boiling in the CAFÉ.'),
      text('a', 3, 'We went for a walk.'),
      text('b', 1, 'Nothing of that kind.'),
    ])
    assert.deepEqual(keys(made, query('boil')), ['a!1'])
    assert.deepEqual(keys(made, query('cafe')), ['a!1'])
    assert.deepEqual(keys(made, query('walking')), ['a!3'])
    assert.deepEqual(keys(made, query('aeroplane')), [])
  })

  it('are found in scripts without spaces', (t) => {
    const made = tables(t, [text('a', 1, '昨日は東京で雨が降りました。'), text('b', 1, '大阪は晴れ')])
    assert.deepEqual(keys(made, query('東京')), ['a!1'])
    assert.deepEqual(keys(made, query('晴れ')), ['b!1'])
  })

  it('are no syntax: operators, quotes, columns and stars are looked for or left out', (t) => {
    const made = tables(t, [
      text('a', 1, 'cats AND dogs, near the words: of a NOT so small house'),
      text('b', 1, 'rain'),
    ])
    for (const odd of [
      'AND OR NOT NEAR',
      '"cats" AND (dogs',
      'words:cats*',
      'NEAR(cats dogs, 2)',
      "cats'; DROP TABLE",
      '^cats + dogs',
    ]) {
      assert.deepEqual(keys(made, query(odd)), ['a!1'], odd)
    }
    for (const nothing of ['"', '*', '🙂', '()', '- - -', '']) assert.deepEqual(keys(made, query(nothing)), [], nothing)
  })

  it('of any search fail nothing', (t) => {
    const made = tables(t, [text('a', 1, 'cats and dogs'), text('b', 1, 'rain')])
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (words) => keys(made, query(words)) !== undefined),
    )
    assert.deepEqual(keys(made, query('dogs '.repeat(819))), ['a!1'])
  })

  it('are the first different ones of a search, without those that say nothing unless there are no others', () => {
    assert.deepEqual(searchTerms('What did you say about the boiler, the BOILER?'), ['say', 'boiler'])
    assert.deepEqual(searchTerms('who is it'), ['who', 'is', 'it'])
    assert.equal(searchTerms(Array.from({ length: 4000 }, (_, at) => `w${at}`).join(' ')).length, 24)
  })

  it('count by how rare they are, also where there are two texts', (t) => {
    const made = tables(t, [text('a', 1, 'the green boat'), text('b', 1, 'the green house')])
    const { hits } = made.search('s', query('green boat'))!
    assert.deepEqual(
      hits.map(({ key }) => key),
      ['a!1', 'b!1'],
    )
    assert.ok(hits[0]!.score > 2 * hits[1]!.score && hits[0]!.score > 0.5, JSON.stringify(hits))
  })
})

describe('meanings of texts', () => {
  const meaning = (vector: Float32Array): Partial<RecallQuery> => ({ meaning: { vector, unrelated: 0.1 } })

  it('find what has none of the words', (t) => {
    const made = tables(t, [text('a', 1, 'a vessel'), text('b', 1, 'a tree')])
    made.setVectors('s', [
      ['a!1', unit(1, 0.1, 0)],
      ['b!1', unit(0, 0, 1)],
      ['gone!1', unit(1, 0, 0)],
    ])
    assert.deepEqual(keys(made, query('boat', meaning(unit(1, 0, 0)))), ['a!1'])
    assert.deepEqual(keys(made, query('boat')), [])
  })

  it('and words together put first what has both', (t) => {
    const made = tables(t, [text('a', 1, 'boat'), text('b', 1, 'boat'), text('c', 1, 'ship')])
    made.setVectors('s', [
      ['a!1', unit(0, 1)],
      ['b!1', unit(1, 0.2)],
      ['c!1', unit(1, 0.2)],
    ])
    assert.equal(keys(made, query('boat', meaning(unit(1, 0))))![0], 'b!1')
  })

  it('of a model with other dimensions, or of an older text, do not count', (t) => {
    const made = tables(t, [text('a', 1, 'ship')])
    made.setVectors('s', [['a!1', unit(1, 0)]])
    assert.deepEqual(keys(made, query('boat', meaning(unit(1, 0, 0)))), [])
    made.put('s', [text('a', 1, 'tree')])
    assert.deepEqual(keys(made, query('boat', meaning(unit(1, 0)))), [])
  })
})

describe('the order of what is found', () => {
  it('is by score, then newest, then by key', (t) => {
    const same = ['d', 'b', 'c', 'a'].map((thread) => text(thread, 1, 'boat'))
    const made = tables(t, [...same, text('e', 1, 'boat', { at: NOW })])
    assert.deepEqual(keys(made, query('boat')), ['e!1', 'a!1', 'b!1', 'c!1', 'd!1'])
    assert.deepEqual(keys(made, query('boat', { limit: 2 })), ['e!1', 'a!1'])
    assert.equal(made.search('s', query('boat', { limit: 2 }))!.total, 5)
  })

  it('forgets nothing for its age: what was said ten years ago keeps four fifths of its score', (t) => {
    assert.equal(recency(0), 1)
    assert.equal(recency(-HOUR), 1)
    assert.ok(recency(87_600 * HOUR) >= 0.8 && recency(87_600 * HOUR) < recency(HOUR))
    const made = tables(t, [text('a', 1, 'the red boat of Henning', { at: 0 }), text('b', 1, 'a boat', { at: NOW })])
    assert.equal(keys(made, query('red boat Henning'))![0], 'a!1')
  })

  it('heeds what stands before and after', (t) => {
    const made = tables(t, [
      text('a', 1, 'boat'),
      text('b', 1, 'the name of our boat'),
      text('b', 2, 'Pancake, a name that she insists on'),
      text('c', 1, 'a name'),
    ])
    const found = keys(made, query('name boat'))!
    assert.ok(found.indexOf('b!2') < found.indexOf('c!1'), found.join())
    made.remove('s', ['b!1'])
    made.put('s', [text('b', 1, 'rain')])
    const alone = made.search('s', query('name boat'))!.hits
    assert.ok(alone.find(({ key }) => key === 'b!2')!.score < 0.6, JSON.stringify(alone))
  })

  it('leaves out what is below the threshold', (t) => {
    const made = tables(t, [
      text('a', 1, 'red boat'),
      text('b', 1, 'red house with a garden and a long wall around it'),
    ])
    const all = made.search('s', query('red boat'))!
    assert.equal(all.total, 2)
    const { hits, total } = made.search('s', query('red boat', { threshold: all.hits[0]!.score }))!
    assert.deepEqual([hits.length, total], [1, 1])
  })
})

describe('filters', () => {
  it('are of time, thread and author', (t) => {
    const made = tables(t, [
      text('a', 1, 'boat', { author: 'sam', at: NOW - 3 * HOUR }),
      text('a', 2, 'boat', { at: NOW - 2 * HOUR }),
      text('b', 1, 'boat', { author: null, at: NOW - HOUR }),
    ])
    assert.deepEqual(keys(made, query('boat', { from: NOW - 2 * HOUR, to: NOW - 2 * HOUR })), ['a!2'])
    assert.deepEqual(keys(made, query('boat', { thread: 'b' })), ['b!1'])
    assert.deepEqual(keys(made, query('boat', { author: 'sam' })), ['a!1'])
    assert.deepEqual(keys(made, query('boat', { author: 'sam', thread: 'b' })), [])
    assert.deepEqual(keys(made, query('boat', { from: NOW })), [])
  })
})

describe('a group', () => {
  it('loses texts by their keys and by their threads, and takes new ones in their place', (t) => {
    const made = tables(t, [text('a', 1, 'boat'), text('a', 2, 'boat'), text('b', 1, 'boat')])
    made.remove('s', ['a!2', 'nothing'])
    assert.deepEqual(keys(made, query('boat')), ['a!1', 'b!1'])
    made.remove('s', ['a'])
    assert.deepEqual(keys(made, query('boat')), ['b!1'])
    made.put('s', [text('c', 1, 'ship'), text('b', 1, 'ship')])
    assert.deepEqual(keys(made, query('boat')), [])
    assert.deepEqual(keys(made, query('ship')), ['b!1', 'c!1'])
  })

  it('knows nothing of another one', (t) => {
    const made = tables(t, [text('a', 1, 'boat')])
    made.begin('other')
    made.put('other', [text('x', 1, 'boat house')])
    assert.deepEqual(keys(made, query('boat')), ['a!1'])
    assert.deepEqual(keys(made, query('boat'), 'other'), ['x!1'])
    made.drop('s')
    assert.equal(keys(made, query('boat')), undefined)
    assert.deepEqual(keys(made, query('boat'), 'other'), ['x!1'])
    assert.deepEqual([made.put('s', []), made.remove('s', []), made.setVectors('s', [])], [false, false, false])
  })

  it('makes room for those that were used later, and stays while it is in use', (t) => {
    const long = Array.from({ length: 50 }, (_, at) =>
      text('a', at + 1, `boat ${'words that take some room '.repeat(20)}`),
    )
    const made = tables(t, long)
    const one = made.bytes
    const few = new RecallTables(3.5 * one)
    t.after(() => few.close())
    for (const id of ['1', '2', '3']) {
      few.begin(id)
      few.put(id, long)
    }
    few.search('1', query('boat'))
    few.begin('4')
    few.put('4', long)
    assert.deepEqual(
      ['1', '2', '3', '4'].map((id) => few.search(id, query('boat')) !== undefined),
      [true, false, true, true],
    )
    assert.ok(few.bytes <= 3.5 * one)
    const tiny = new RecallTables(1)
    t.after(() => tiny.close())
    tiny.begin('1')
    tiny.put('1', long)
    assert.equal(tiny.search('1', query('boat'))!.total, 50)
  })
})

describe('an index in a thread', () => {
  it('does what is asked in its order, and gives everything up when it is idle', async (t) => {
    const index = new RecallIndex({ maxBytes: 10_000_000, idleMs: 1 })
    t.after(() => index.close())
    const asked = [
      index.begin('s'),
      index.put('s', [text('a', 1, 'boat'), text('b', 1, 'boat')]),
      index.remove('s', ['a!1']),
      index.search('s', query('boat'), SIGNAL),
    ] as const
    const [, isPut, isRemoved, found] = await Promise.all(asked)
    assert.deepEqual([isPut, isRemoved, found?.hits.map(({ key }) => key)], [true, true, ['b!1']])
    while ((await index.search('s', query('boat'), SIGNAL)) !== undefined)
      await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(await index.put('s', []), false)
  })

  it('does nothing for who has given up, and nothing once it is closed', async () => {
    const index = new RecallIndex({ maxBytes: 10_000_000 })
    await assert.rejects(index.search('s', query('boat'), AbortSignal.abort(new Error('given up'))), /given up/)
    await index.close()
    await assert.rejects(index.begin('s'), /was closed/)
  })
})
