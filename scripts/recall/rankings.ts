import { DatabaseSync } from 'node:sqlite'
import { SessionRecall } from '../../src/domain/memory/session-recall.ts'
import type { Embeddings } from '../../src/kernel/plugins/packages/embeddings.ts'
import { createLogger } from '../../src/kernel/telemetry/logger.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import { indexedText, searchTerms } from '../../src/kernel/text/recall-words.ts'
import type { EvaluationSet, LabelledQuery } from './evaluation-set.ts'
import { TextsInMemory } from './texts-in-memory.ts'

/** Results of a search that are looked at. */
const RESULTS = 10
const SESSION = `sess_${'0'.repeat(32)}`
const DAY_MS = 24 * 3_600_000

/** Keys of texts, best first. */
export type Rank = (query: LabelledQuery) => Promise<readonly string[]>

/** The part of the query's words that a text has, times a decay that reaches 0 after a day: the reference. Without the decay it forgets nothing. */
export function wordOverlap({ texts }: EvaluationSet, { decays }: { decays: boolean }): Rank {
  const words = texts.map(({ text }) => wordSet(text))
  return async ({ text, askedAt }) => {
    const asked = wordSet(text)
    const scored = texts.map(({ key, at }, index) => {
      const shared = [...asked].filter((word) => words[index]!.has(word)).length
      const decay = decays ? Math.max(0, 1 - Math.max(0, askedAt - at) / DAY_MS) : 1
      return { key, at, score: (shared / asked.size) * decay }
    })
    return best(scored)
  }
}

/** What SQLite's FTS5 finds with the same words and the same tokenizer. */
export function bm25({ texts }: EvaluationSet): Rank {
  const db = new DatabaseSync(':memory:')
  db.exec("CREATE VIRTUAL TABLE texts USING fts5(words, tokenize = 'porter unicode61 remove_diacritics 2')")
  const insert = db.prepare('INSERT INTO texts (rowid, words) VALUES (?, ?)')
  for (const [index, { text }] of texts.entries()) insert.run(index + 1, indexedText(text))
  const select = db.prepare('SELECT rowid, rank FROM texts WHERE texts MATCH ? ORDER BY rank')
  return async ({ text }) => {
    const terms = searchTerms(text).map((term) => `"${term}"`)
    const rows = select.all(terms.join(' OR '))
    return best(rows.map(({ rowid, rank }) => ({ ...texts[Number(rowid) - 1]!, score: -Number(rank) })))
  }
}

/** The node's own search, once all vectors are there. */
export async function hybrid(
  set: EvaluationSet,
  embeddings: Embeddings,
): Promise<{ readonly rank: Rank; close(): Promise<void> }> {
  let now = 0
  const texts = new TextsInMemory()
  texts.add(SESSION, set.texts)
  const recall = new SessionRecall({
    texts,
    embeddings,
    // What is measured here is what is found.
    meaningMs: 60_000,
    indexBytes: 64 * 1024 * 1024,
    clock: { now: () => now },
    logger: createLogger({ level: 'silent' }),
    metrics: createMetrics(),
  })
  recall.added(SESSION, set.texts)
  await recall.idle()
  return {
    async rank({ text, askedAt }) {
      now = askedAt
      const { matches } = await recall.search(
        SESSION,
        { query: text, max_results: RESULTS },
        AbortSignal.timeout(30_000),
      )
      return matches.map(
        ({ conversation_id, turn_id }) => `${conversation_id}!${Number(turn_id?.slice('turn_'.length))}`,
      )
    },
    close: () => recall.close(),
  }
}

const wordSet = (text: string): Set<string> => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu))

function best(scored: readonly { readonly key: string; readonly at: number; readonly score: number }[]): string[] {
  const found = scored.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score || b.at - a.at)
  return found.slice(0, RESULTS).map(({ key }) => key)
}
