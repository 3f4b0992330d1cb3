import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MAX_SNIPPET, snippetOf } from '../../../src/domain/memory/snippet.ts'

const FILLER = 'word '.repeat(200)

describe('a snippet', () => {
  it('is the whole of a short text, with runs of space as one', () => {
    assert.equal(snippetOf('  The\n\nkettle\tboils. ', ['kettle']), 'The kettle boils.')
    assert.equal(snippetOf('', ['kettle']), '')
  })

  it('is around the words that were looked for, whatever their ending', () => {
    const found = snippetOf(`${FILLER}the kettles boiled over ${FILLER}`, ['kettle', 'boiling'])
    assert.match(found, /^… (?:word )+the kettles boiled over (?:word )+…$/)
  })

  it('is where most of the words stand', () => {
    const found = snippetOf(`kettle ${FILLER} the kettle boils ${FILLER}`, ['kettle', 'boils'])
    assert.match(found, /the kettle boils/)
  })

  it('is the beginning where none of the words stands in the text', () => {
    assert.match(snippetOf(`First ${FILLER}`, ['kettle']), /^First word .* …$/)
  })

  it('does not take a part of a word for the word', () => {
    assert.match(snippetOf(`mistaken ${FILLER} taken ${FILLER}`, ['taken']), /word taken word/)
  })

  it('keeps markup as text', () => {
    assert.equal(snippetOf('<b>kettle</b> & *star*', ['kettle']), '<b>kettle</b> & *star*')
  })

  it('is found in scripts without spaces, and cuts no character', () => {
    const found = snippetOf(`${'雨'.repeat(500)}東京${'雪'.repeat(500)}`, ['東', '京'])
    assert.match(found, /東京/)
    assert.ok(snippetOf('🙂'.repeat(500), ['x']).isWellFormed())
  })

  it('of any text is short and well formed', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 2000 }),
        fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 5 }), { maxLength: 5 }),
        (text, terms) => {
          const snippet = snippetOf(text, terms)
          return snippet.length <= MAX_SNIPPET + 4 && snippet.isWellFormed()
        },
      ),
    )
  })
})
