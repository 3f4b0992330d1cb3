import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { passagesOf } from '../../../src/kernel/text/passages.ts'
import { quoted, sentencesOf } from '../../../src/kernel/text/sentences.ts'
import { prose } from '../../support/documents.ts'

/** What a text is cut into, quoted; what may not be cited in brackets. */
const cut = (text: string): string[] =>
  sentencesOf(text).map(({ start, end, isQuotable }) => {
    const quote = quoted(text.slice(start, end))
    return isQuotable ? quote : `[${quote}]`
  })

describe('sentences end', () => {
  for (const [name, text, expected] of [
    [
      'at full stops, question and exclamation marks',
      'This is one. Is this two? It is three!',
      ['This is one.', 'Is this two?', 'It is three!'],
    ],
    [
      'not at abbreviations',
      'See Art. 5 and Sec. 3 of it. Then Dr. Who came, e.g. Monday.',
      ['See Art. 5 and Sec. 3 of it.', 'Then Dr. Who came, e.g. Monday.'],
    ],
    [
      'not at initials',
      'The U.S. Government and J. Smith agree. They sign it.',
      ['The U.S. Government and J. Smith agree.', 'They sign it.'],
    ],
    [
      'not before lower case',
      'It costs approx. five euros. And so on it goes.',
      ['It costs approx. five euros.', 'And so on it goes.'],
    ],
    [
      'not inside numbers and names',
      'Version 2.0.1 of node.js is used. It costs 3.50 in all.',
      ['Version 2.0.1 of node.js is used.', 'It costs 3.50 in all.'],
    ],
    [
      'after quotes and brackets',
      'He said "It is over." Then (he left.) She stayed there.',
      ['He said "It is over."', 'Then (he left.)', 'She stayed there.'],
    ],
    [
      'across lines, but not across paragraphs',
      'This goes\non here. And\n\nthis is another one.',
      ['This goes on here.', '[And]', 'this is another one.'],
    ],
    [
      'at wide marks without a space',
      '\u5951\u7d04\u306f\u7d42\u308f\u308b\u3002\u901a\u77e5\u3059\u308b\u3002',
      ['\u5951\u7d04\u306f\u7d42\u308f\u308b\u3002', '\u901a\u77e5\u3059\u308b\u3002'],
    ],
  ] as [string, string, string[]][]) {
    test(name, () => assert.deepEqual(cut(text), expected))
  }
})

describe('what stands by itself', () => {
  for (const [name, text, expected] of [
    [
      'headings',
      '# The lease ends\n\nIt ends in May.\n\nUnderlined heading\n---\nText of it here.',
      ['[The lease ends]', 'It ends in May.', '[Underlined heading]', 'Text of it here.'],
    ],
    [
      'items of lists, without their marks',
      '- one item of three words\n- another (iv) item here\n1. The first one.\n(a) a lettered item here',
      ['one item of three words', 'another (iv) item here', 'The first one.', 'a lettered item here'],
    ],
    [
      'quotations, line by line',
      '> This is quoted here.\n> And so is this.',
      ['This is quoted here.', 'And so is this.'],
    ],
    [
      'no code',
      'Before the code.\n\n```js\nThis is not a sentence.\n```\n\nAfter the code ends.',
      ['Before the code.', 'After the code ends.'],
    ],
    ['no code to the end', 'Before the code.\n~~~\nNot a sentence here.', ['Before the code.']],
    [
      'no tables, markup and pictures',
      '| This is | a row. |\n<p>This is not text.</p>\n[![A badge here.](x)](y)\n[1]: http://x.y/z.\nBut this is text.',
      ['But this is text.'],
    ],
    [
      'no rules',
      'One of two parts.\n\n* * *\n----------\nTwo of two parts.',
      ['One of two parts.', 'Two of two parts.'],
    ],
    ['short ones, which say nothing', 'Yes! All rights are reserved.', ['[Yes!]', 'All rights are reserved.']],
  ] as [string, string, string[]][]) {
    test(name, () => assert.deepEqual(cut(text), expected))
  }

  test('what is longer than a sentence is, is not cited', () => {
    const [sentence] = sentencesOf(`${'very '.repeat(500)}long.`)
    assert.equal(sentence?.isQuotable, false)
  })
})

test('the sentences of any text are in order, apart, without space at their ends, and the same again', () => {
  const pieces = fc.oneof(
    fc.constantFrom(
      '. ',
      '.\n',
      '\n\n',
      '# ',
      '- ',
      '```\n',
      '"',
      ')',
      '1. ',
      'e.g. ',
      '\r\n',
      '\f',
      '> ',
      '\u3002',
      '\ud83d\ude00',
      '\u00a0',
    ),
    fc.string(),
    fc.lorem(),
  )
  fc.assert(
    fc.property(
      fc.array(pieces).map((parts) => parts.join('')),
      (text) => {
        let before = 0
        for (const { start, end } of sentencesOf(text)) {
          assert.ok(start >= before && end > start && end <= text.length)
          const piece = text.slice(start, end)
          assert.equal(piece, piece.trim())
          assert.doesNotMatch(quoted(piece), /[\n\r\f\t]| {2}/)
          before = end
        }
        assert.deepEqual(sentencesOf(text), sentencesOf(text))
      },
    ),
    { numRuns: 300 },
  )
})

test('passages hold every sentence once, in order', () => {
  for (const { text } of prose(40)) {
    const sentences = sentencesOf(text)
    let next = 0
    for (const { first, end } of passagesOf(sentences)) {
      assert.equal(first, next)
      assert.ok(end > first)
      next = end
    }
    assert.equal(next, sentences.length)
  }
})

test('real prose is cut where people would', async () => {
  const licence = await readFile(new URL('../../../node_modules/typescript/LICENSE.txt', import.meta.url), 'utf8')
  const sentences = cut(licence)
  assert.ok(sentences.includes('Grant of Copyright License.'))
  const granted = sentences.find((sentence) =>
    sentence.startsWith('Subject to the terms and conditions of this License'),
  )
  assert.match(granted ?? '', /in Source or Object form\.$/)
})

test('no text takes long, whatever it repeats', () => {
  for (const piece of ['.', '. ', 'a.', '(', '\n', '# ', '> ', '```\n', '"', 'e.g. ', '[', '1. a\n', 'a\n---\n']) {
    assert.ok(sentencesOf(piece.repeat(Math.ceil(200_000 / piece.length))).length >= 0, piece)
  }
})
