import { DatabaseSync } from 'node:sqlite'
import type { MemoryText } from '../../../src/domain/memory/recall.ts'
import { SessionRecall } from '../../../src/domain/memory/session-recall.ts'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import type { Embeddings } from '../../../src/kernel/plugins/packages/embeddings.ts'
import { createLogger } from '../../../src/kernel/telemetry/logger.ts'
import { createMetrics } from '../../../src/kernel/telemetry/metrics.ts'
import { indexedText, searchTerms } from '../../../src/kernel/text/recall-words.ts'
import { createEnglishEmbeddings } from '../../../src/providers/embeddings/english.ts'
import { TextsInMemory } from '../../recall/texts-in-memory.ts'
import { alternate, bounded, compared, quantile } from '../measure.ts'
import { numbers } from '../prose.ts'
import type { Row, RowContext } from '../row.ts'
import { turns, vectorsOf } from '../said.ts'

const TURNS = 1000
const QUERIES = 200
const RESULTS = 5
const WORDS = 5
const SESSIONS = 1000
/** Turns of each of those: 100,000 in all. */
const TURNS_EACH = 100
const SIGNAL = new AbortController().signal

export const recall: Row = {
  name: 'recall',
  title: 'search in a session of 1,000 turns',
  async run(context) {
    const { title } = recall
    const said = turns(context.quick ? 200 : TURNS, 1)
    const queries = queriesOf(said, context.quick ? 10 : QUERIES)
    const english = createEnglishEmbeddings()
    context.defer(() => english.close())
    const whole = await openRecall(context, said, english)
    const words = await openRecall(context, said, { ...english, embed: () => Promise.reject(new Error('no meanings')) })
    const bare = bareSearch(said, english)
    const times: number[] = []
    const rate = async (search: (query: string) => unknown, ms?: number[]): Promise<number> => {
      const since = performance.now()
      for (const query of queries) {
        const started = performance.now()
        await search(query)
        ms?.push(performance.now() - started)
      }
      return (1000 * queries.length) / (performance.now() - since)
    }
    const { hybrid, both, byWords, fts5, touch } = await alternate(context.rounds, {
      hybrid: () => rate(whole.search, times),
      both: () => rate(bare.both),
      byWords: () => rate(words.search),
      fts5: () => rate(bare.words),
      touch: () => firstTouch(said, english),
    })
    const growth = []
    for (let round = 0; round < Math.min(3, context.rounds); round++) {
      const worker = await context.worker('recall')
      growth.push(await worker.call<number>('search', { sessions: context.quick ? 10 : SESSIONS, turns: TURNS_EACH }))
      await worker.stop()
    }
    return [
      bounded(
        `${title}, p99`,
        'ms',
        [quantile(times, 0.99)],
        25,
        'one at a time, by words and meaning, the meaning of the query included',
      ),
      compared(
        `${title}, by words alone`,
        'queries/s',
        byWords,
        fts5,
        0.5,
        'baseline: the best 5 of a bare FTS5 query of the same words, in the same thread',
      ),
      compared(
        `${title}, by words and meaning`,
        'queries/s',
        hybrid,
        both,
        0.7,
        'baseline: the embedding of the query, a bare FTS5 query, and a scan of all vectors, one after the other',
      ),
      bounded(
        `first search in a session of 1,000 turns`,
        'ms',
        touch,
        150,
        'from texts and vectors in memory, as a store would give them',
      ),
      bounded(
        '1,000 sessions with 100,000 turns, all searched, growth of RssAnon',
        'MB',
        growth,
        250,
        'with the model; each round in a fresh process',
      ),
    ]
  },
}

interface Opened {
  readonly search: (query: string) => Promise<unknown>
  readonly recall: SessionRecall
}

/** A session whose index is there, with vectors. */
async function openRecall(
  context: Pick<RowContext, 'defer'>,
  said: readonly MemoryText[],
  embeddings: Embeddings,
): Promise<Opened> {
  const texts = new TextsInMemory()
  texts.add('1', said)
  await texts.keepVectors('1', embeddings.model, vectorsOf(said, embeddings.dimensions))
  const made = new SessionRecall({
    texts,
    embeddings,
    indexBytes: 128 * 1024 * 1024,
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    metrics: createMetrics(),
  })
  context.defer(() => made.close())
  const search = (query: string) => made.search('1', { query, max_results: RESULTS }, SIGNAL)
  await search('anything')
  return { search, recall: made }
}

/** Milliseconds of the first search in a session; the thread runs, and the model is not asked. */
async function firstTouch(said: readonly MemoryText[], { model, dimensions, unrelated }: Embeddings): Promise<number> {
  const ends: (() => Promise<unknown>)[] = []
  const none: Embeddings = {
    model,
    dimensions,
    unrelated,
    embed: async (texts) => texts.map(() => new Float32Array(dimensions).fill(1 / Math.sqrt(dimensions))),
    close: async () => undefined,
  }
  const { recall: made, search } = await openRecall({ defer: (end) => void ends.push(end) }, said, none)
  // The index is dropped; the thread stays.
  made.forget('1')
  const started = performance.now()
  await search('anything')
  const ms = performance.now() - started
  for (const end of ends) await end()
  return ms
}

/** Some words of turns that are there. */
function queriesOf(said: readonly MemoryText[], count: number): string[] {
  const chance = numbers(7)
  return Array.from({ length: count }, () => {
    const words = searchTerms(said[Math.floor(chance() * said.length)]!.text)
    return Array.from({ length: WORDS }, () => words[Math.floor(chance() * words.length)] ?? '').join(' ')
  })
}

/** The same without anything around it. */
function bareSearch(said: readonly MemoryText[], embeddings: Embeddings) {
  const db = new DatabaseSync(':memory:')
  db.exec("CREATE VIRTUAL TABLE texts USING fts5(words, content = '', tokenize = 'porter unicode61')")
  const insert = db.prepare('INSERT INTO texts (rowid, words) VALUES (?, ?)')
  for (const [at, { text }] of said.entries()) insert.run(at + 1, indexedText(text))
  const select = db.prepare(`SELECT rowid, rank FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ${RESULTS}`)
  const vectors = [...vectorsOf(said, embeddings.dimensions).values()]
  const words = (query: string) =>
    select.all(
      searchTerms(query)
        .map((term) => `"${term}"`)
        .join(' OR '),
    )
  return {
    words,
    async both(query: string) {
      const [meaning] = await embeddings.embed([query], SIGNAL)
      const cosines = vectors.map((vector, at) => {
        let sum = 0
        for (let column = 0; column < vector.length; column++) sum += vector[column]! * meaning![column]!
        return { at, sum }
      })
      return [words(query), cosines.sort((a, b) => b.sum - a.sum).slice(0, RESULTS)]
    },
  }
}
