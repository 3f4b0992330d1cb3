import assert from 'node:assert/strict'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { type TextEntry, TextFile } from '../../../src/kernel/text/text-file.ts'
import { temporaryFolder } from '../../support/cells.ts'

const NAMES = ['sql-query', 'image-resizer', 'markdown', 'markup', 'pdf-converter', 'query-cache', 'hash']
const entries = (names: readonly string[]): TextEntry[] => names.map((name) => ({ id: name, name }))

async function open(t: TestContext, path?: string) {
  const file = path ?? join(await temporaryFolder(t), 'text', 'index.sqlite')
  const text = new TextFile(file)
  return { text, file, found: (query: string, limit = 10) => text.search('names', query, limit).map(({ id }) => id) }
}

describe('a search', () => {
  for (const [written, meant] of [
    ['sqlquery', 'sql-query'],
    ['SQL_Query', 'sql-query'],
    ['query-sql', 'sql-query'],
    ['image.resize', 'image-resizer'],
    ['markdwon', 'markdown'],
    ['pdf-convertor', 'pdf-converter'],
    ['márkdown', 'markdown'],
    ['convert', 'pdf-converter'],
  ] as const) {
    it(`finds ${meant} for ${written}`, async (t) => {
      const { text, found } = await open(t)
      text.write('names', entries(NAMES))
      assert.equal(found(written)[0], meant)
      text.close()
    })
  }

  it('finds nothing for what is like no name', async (t) => {
    const { text, found } = await open(t)
    text.write('names', entries(NAMES))
    for (const query of ['zzzzqqqq', '', ' - ', 'h', '"', '*']) assert.deepEqual(found(query), [], query)
    text.close()
  })

  it('finds a name among thousands that begin or end as it does', async (t) => {
    const { text, found } = await open(t)
    for (let page = 0; page < 10; page++) {
      const names = Array.from({ length: 400 }, (_, at) => `markdown-render-${page * 400 + at}`)
      text.write('names', entries([...names, ...names.map((name) => `${name}-image-resize`)]))
    }
    text.write('names', entries(['markdown', 'image-resize']))
    assert.equal(found('markdwon')[0], 'markdown')
    assert.equal(found('markdown')[0], 'markdown')
    assert.equal(found('imgae-resize')[0], 'image-resize')
    assert.equal(found('markdown-rendre-1234')[0], 'markdown-render-1234')
    assert.equal(found('markdown', 3).length, 3)
    text.close()
  })

  it('finds words of a text behind names that have them', async (t) => {
    const { text } = await open(t)
    text.write('names', [
      { id: '1', name: 'flatten', text: 'Turns nested lists into flat ones' },
      { id: '2', name: 'list-of-lists', text: '' },
      { id: '3', name: 'nested', text: 'Nothing of the kind' },
    ])
    const hits = text.search('names', 'lists', 10)
    assert.deepEqual(
      hits.map(({ id, by }) => [id, by]),
      [
        ['2', 'name'],
        ['1', 'text'],
      ],
    )
    assert.deepEqual(
      text.search('names', 'flat on', 10).map(({ id }) => id),
      ['1'],
    )
    text.close()
  })

  it('of any text is answered, and finds what is there under that very text', async (t) => {
    const { text, found } = await open(t)
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.string({
        unit: fc.constantFrom('"', '*', '^', '(', ')', ':', '-', '+', '#', '$', ' ', 'a', 'NOT', 'NEAR', 'OR', '\0'),
      }),
      fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
    )
    fc.assert(
      fc.property(anything, anything, (name, words) => {
        text.write('names', [{ id: 'any', name, text: words }])
        for (const query of [name, words]) {
          if (!/[a-z0-9]/i.test(query)) found(query)
          else assert.deepEqual(found(query), ['any'], JSON.stringify({ name, words, query }))
        }
      }),
      { numRuns: 300 },
    )
    text.close()
  })
})

describe('an entry', () => {
  it('that is put again is found by what it says now only', async (t) => {
    const { text, found } = await open(t)
    text.write('names', [{ id: '1', name: 'markdown', text: 'apples' }])
    text.write('names', [{ id: '1', name: 'sql-query', text: 'pears' }])
    assert.deepEqual([found('markdown'), found('apples'), found('sqlquery'), found('pears')], [[], [], ['1'], ['1']])
    text.write('names', ['1', 'never there'])
    assert.deepEqual([found('sqlquery'), found('pears')], [[], []])
    text.close()
  })

  it('of one collection is none of another', async (t) => {
    const { text, found } = await open(t)
    text.write('others', entries(['markdown']), 'there')
    assert.deepEqual(found('markdown'), [])
    text.write('names', entries(['markdown']), 'here')
    text.clear('others')
    assert.deepEqual(text.search('others', 'markdown', 10), [])
    assert.deepEqual([text.position('others'), text.position('names')], [undefined, 'here'])
    assert.deepEqual(found('markdown'), ['markdown'])
    assert.throws(() => text.write('x"; DROP TABLE names_entries', []), /cannot name a collection/)
    text.close()
  })
})

describe('a file', () => {
  it('that was closed has its entries and position again', async (t) => {
    const { text, file } = await open(t)
    text.write('names', entries(NAMES), '7')
    text.close()
    const again = await open(t, file)
    assert.equal(again.text.position('names'), '7')
    assert.deepEqual(again.found('markdown'), ['markdown', 'markup'])
    again.text.close()
  })

  it('that was not closed is kept when it is whole', async (t) => {
    const { text, file } = await open(t)
    text.write('names', entries(NAMES), '7')
    // A second connection sees what a process that was killed leaves behind.
    const again = await open(t, file)
    assert.equal(again.text.position('names'), '7')
    again.text.close()
    text.close()
  })

  const broken: readonly [what: string, damage: (file: string) => Promise<void> | void][] = [
    [
      'is no database',
      (file) => writeFile(file, 'no database at all, and longer than a header of one hundred bytes'.repeat(9)),
    ],
    ['is cut short', (file) => truncate(file, 10_000)],
    ['is empty', (file) => truncate(file, 0)],
    ['is of another version', (file) => changed(file, 'PRAGMA user_version = 99')],
    [
      'was not closed and has a page of nonsense',
      (file) =>
        changed(
          file,
          "UPDATE state SET value = 'dirty'; UPDATE names_words_data SET block = x'00ff00ff' WHERE id > 10",
        ),
    ],
  ]
  for (const [what, damage] of broken) {
    it(`that ${what} is made anew, at the latest when that is found`, async (t) => {
      const { text, file } = await open(t)
      text.write('names', entries(Array.from({ length: 2000 }, (_, at) => `name-${at}`)), '7')
      text.close()
      await damage(file)
      const again = await open(t, file)
      try {
        again.text.search('names', 'name-17', 10)
        again.text.write('names', entries(NAMES))
      } catch {
        // Found only now.
      }
      assert.equal(again.text.position('names'), undefined)
      again.text.write('names', entries(NAMES), '1')
      assert.equal(again.found('markdwon')[0], 'markdown')
      assert.deepEqual(again.found('name-17'), [])
      again.text.close()
    })
  }
})

function changed(file: string, sql: string): void {
  const db = new DatabaseSync(file, { defensive: false })
  db.exec(sql)
  db.close()
}
