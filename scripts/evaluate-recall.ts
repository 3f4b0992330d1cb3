import { createEnglishEmbeddings } from '../src/providers/embeddings/english.ts'
import { CATEGORIES, HARD, readEvaluationSet } from './recall/evaluation-set.ts'
import { type Measures, measure, together } from './recall/measures.ts'
import { bm25, hybrid, wordOverlap } from './recall/rankings.ts'

/** How well the search in sessions finds what was said: `npm run evaluate:recall`. */
async function main(): Promise<void> {
  const set = await readEvaluationSet()
  const embeddings = createEnglishEmbeddings()
  const search = await hybrid(set, embeddings)
  try {
    const rankings = [
      ['word overlap with a decay over 24 hours', wordOverlap(set, { decays: true })],
      ['word overlap', wordOverlap(set, { decays: false })],
      ['BM25', bm25(set)],
      ['hybrid', search.rank],
    ] as const
    console.log(`${set.texts.length} turns, ${set.queries.length} queries; those with ${HARD} are no part of the sum\n`)
    console.log(
      '| ranking | queries | number | recall@5 | MRR | p50 ms | p99 ms |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |',
    )
    for (const [name, rank] of rankings) {
      const measures = await measure(set, rank)
      const asked = CATEGORIES.map((category) => measures.get(category)!)
      print(name, 'all', together(asked))
      for (const [category, one] of measures) print(name, category, one)
    }
  } finally {
    await search.close()
    await embeddings.close()
  }
}

function print(name: string, category: string, { queries, recallAt5, reciprocalRank, p50, p99 }: Measures): void {
  const figures = [recallAt5.toFixed(3), reciprocalRank.toFixed(3), p50.toFixed(2), p99.toFixed(2)]
  console.log(`| ${[name, category, queries, ...figures].join(' | ')} |`)
}

await main()
