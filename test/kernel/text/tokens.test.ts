import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { log2, shareOf, weightOf } from '../../../src/kernel/text/bm25.ts'
import { ABBREVIATIONS } from '../../../src/kernel/text/sentences.ts'
import { queryTokens, STOP_WORDS, tokensOf } from '../../../src/kernel/text/tokens.ts'

test('words are letters and digits, folded, without their plural ending', () => {
  assert.deepEqual(tokensOf("The LICENSES' holders, 2 copies_of x86-64."), [
    'the',
    'license',
    'holder',
    '2',
    'copy',
    'of',
    'x86',
    '64',
  ])
  assert.deepEqual(
    tokensOf('\u00c4NDERUNG \u0394\u0399\u039a\u0397 \u0414\u041e\u0413\u041e\u0412\u041e\u0420 caf\u00e9s'),
    ['\u00e4nderung', '\u03b4\u03b9\u03ba\u03b7', '\u0434\u043e\u0433\u043e\u0432\u043e\u0440', 'caf\u00e9'],
  )
  assert.deepEqual(tokensOf('status class shoes bees dies ties gas'), [
    'status',
    'class',
    'shoes',
    'bees',
    'dy',
    'ty',
    'gas',
  ])
  assert.deepEqual(tokensOf('\u5951\u7d04x'), ['\u5951', '\u7d04', 'x'])
  assert.equal(tokensOf('x'.repeat(1000))[0]?.length, 64)
})

test('a question is searched by its telling words, each once, and by all when none is telling', () => {
  assert.deepEqual(queryTokens('What does the licence say about the licence of a patent?'), [
    'licence',
    'say',
    'patent',
  ])
  assert.deepEqual(queryTokens('What is it about?'), ['what', 'is', 'it', 'about'])
  assert.equal(queryTokens('?! …').length, 0)
  assert.ok(queryTokens(Array.from({ length: 100 }, (_, at) => `word${at}`).join(' ')).length <= 32)
})

test('logarithms are exact at powers of two, whole, and never fall', () => {
  for (let exponent = 0; exponent < 50; exponent++) assert.equal(log2(2 ** exponent), 256 * exponent)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (value) => {
      assert.ok(Number.isInteger(log2(value)))
      assert.ok(log2(value) <= log2(value + 1))
      assert.ok(Math.abs(log2(value) / 256 - Math.log2(value)) < 0.1)
    }),
  )
})

test('a rarer word weighs more, and a word that is there more often has more of its weight; both are whole numbers', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 1000 }),
      (total, count, length) => {
        const found = 1 + (length % total)
        const weight = weightOf(total, found)
        assert.ok(Number.isInteger(weight) && weight >= 0)
        assert.ok(weightOf(total, Math.max(1, found - 1)) >= weight)
        const share = shareOf(count, length, total, total * 100)
        assert.ok(Number.isInteger(share) && share >= 0 && share < 2253)
        assert.ok(shareOf(count + 1, length, total, total * 100) >= share)
        assert.ok(shareOf(count, length + 1, total, total * 100) <= share)
      },
    ),
  )
})

test('the contract lists the same words', async () => {
  const contract = await readFile(new URL('../../../protocol/README.md', import.meta.url), 'utf8')
  for (const list of [STOP_WORDS, ABBREVIATIONS]) assert.ok(contract.includes(`\`${list.join(' ')}\``), list.join(' '))
})
