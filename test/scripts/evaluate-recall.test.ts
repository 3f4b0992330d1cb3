import assert from 'node:assert/strict'
import { it } from 'node:test'
import { CATEGORIES, HARD, readEvaluationSet } from '../../scripts/recall/evaluation-set.ts'
import { measure, together } from '../../scripts/recall/measures.ts'
import { bm25, hybrid, wordOverlap } from '../../scripts/recall/rankings.ts'
import { createEnglishEmbeddings } from '../../src/providers/embeddings/english.ts'

const skip = process.env.LONG_TESTS === undefined ? 'a quarter of a minute of a processor: npm run test:long' : false

it('the search in sessions finds what was said, better than by words alone, on the evaluation set', {
  skip,
}, async (t) => {
  const whole = await readEvaluationSet()
  const set = { ...whole, queries: whole.queries.filter(({ category }) => category !== HARD) }
  assert.ok(
    set.texts.length >= 400 && set.queries.length >= 200,
    `${set.texts.length} turns, ${set.queries.length} queries`,
  )
  const embeddings = createEnglishEmbeddings()
  t.after(() => embeddings.close())
  const search = await hybrid(set, embeddings)
  t.after(() => search.close())
  const [overlap, words, ours] = [
    await measure(set, wordOverlap(set, { decays: false })),
    await measure(set, bm25(set)),
    await measure(set, search.rank),
  ]
  const all = (measures: typeof ours): number => together([...measures.values()]).recallAt5
  assert.ok(all(ours) >= 0.8 && all(ours) >= all(words), `${all(ours)} in all, BM25 ${all(words)}`)
  for (const category of CATEGORIES) {
    const found = ours.get(category)!.recallAt5
    assert.ok(found >= words.get(category)!.recallAt5, `${category}: ${found}, BM25 ${words.get(category)!.recallAt5}`)
  }
  // Without the decay, which forgets nearly all of them.
  const [paraphrases, overlapping] = [ours.get('paraphrase')!.recallAt5, overlap.get('paraphrase')!.recallAt5]
  assert.ok(paraphrases >= 2 * overlapping, `paraphrases: ${paraphrases}, word overlap ${overlapping}`)
})
