import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checkDraft } from '../../../src/domain/assurance/draft.ts'

const SENTENCES = [
  'The lease ends in May.',
  'The lease ends in May.) It is renewed.',
  'Notice is given in writing.',
  'No.',
  'an item without an end',
]

describe('a draft', () => {
  for (const [name, draft, supported, unsupported] of [
    ['of whole sentences is supported', 'The lease ends in May.\nNotice is given in writing.', [0, 2], []],
    ['may have them on one line', 'Notice is given in writing. The lease ends in May.', [2, 0], []],
    ['may space them as it likes', '  The  lease\tends in May. ', [0], []],
    ['may make a list of them', '- The lease ends in May.\n* Notice is given in writing.', [0, 2], []],
    ['says each once', 'No. No. No.', [3], []],
    ['may not add to a sentence', 'The lease ends in May. Or in June.', [0], ['Or in June.']],
    ['may not change one', 'The lease ends in June.', [], ['The lease ends in June.']],
    ['may not shorten one', 'The lease ends', [], ['The lease ends']],
    ['may not go on in one', 'an item without an end, they say', [], ['an item without an end, they say']],
    [
      'may not put something before one',
      'It is false that The lease ends in May.',
      [],
      ['It is false that The lease ends in May.'],
    ],
    ['may not cite in quotes', '"The lease ends in May."', [], ['"The lease ends in May."']],
    ['may be empty', ' \n\n', [], []],
    ['has the longest sentence where two fit', 'The lease ends in May.) It is renewed.', [1], []],
  ] as [string, string, number[], string[]][]) {
    test(name, () => {
      const checked = checkDraft(draft, SENTENCES)
      assert.deepEqual(
        checked.supported,
        supported.map((at) => SENTENCES[at]),
      )
      assert.deepEqual(checked.unsupported, unsupported)
    })
  }
})

test('whatever is written, only whole sentences of the sources stay, and nothing is lost without a word', () => {
  const part = fc.oneof(fc.constantFrom(...SENTENCES), fc.lorem({ mode: 'sentences', maxCount: 2 }), fc.string())
  fc.assert(
    fc.property(fc.array(part), fc.constantFrom(' ', '\n', ''), (parts, glue) => {
      const draft = parts.join(glue)
      const { supported, unsupported } = checkDraft(draft, SENTENCES)
      for (const sentence of supported) assert.ok(SENTENCES.includes(sentence))
      const words = (text: string): string => text.replace(/[\s\u0085\ufeff]+/g, '')
      const kept = new Set([...supported, ...unsupported].map(words).join(''))
      for (const character of words(draft)) assert.ok(kept.has(character) || '-*\u2022'.includes(character))
    }),
  )
})
