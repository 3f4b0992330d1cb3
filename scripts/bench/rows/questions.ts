import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Operator } from '../../../protocol/operators.ts'
import { Approvals } from '../../../src/domain/assurance/approvals.ts'
import type { DocumentCell, Documents } from '../../../src/domain/cells/documents.ts'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { PassageIndex } from '../../../src/kernel/text/passage-index.ts'
import { quoted, sentencesOf } from '../../../src/kernel/text/sentences.ts'
import { queryTokens } from '../../../src/kernel/text/tokens.ts'
import { AnswerEngine } from '../../../src/node/flows/answer-query.ts'
import { createFileBlobStore } from '../../../src/providers/blob-stores/file.ts'
import { createExtractiveLlm } from '../../../src/providers/llms/extractive.ts'
import { alternate, compared } from '../measure.ts'
import { newStore } from '../new-store.ts'
import { documentTexts, numbers } from '../prose.ts'
import type { Row, RowContext } from '../row.ts'

const DOCUMENTS = 10_000
const QUESTIONS = 500
/** Questions under way at once, here and in the index alone. */
const AT_ONCE = 8
/** Words of a question that say something. */
const WORDS = 4
const BATCH = 200
const PUBLISHER = 'd'.repeat(64)
const ATOP = 5
const LEAST = 0.5

export const questions: Row = {
  name: 'questions',
  title: 'questions over 10,000 documents, answered and verified',
  async run(context) {
    const texts = documentTexts(context.quick ? 200 : DOCUMENTS)
    const asked = questionsAbout(texts, context.quick ? 50 : QUESTIONS)
    const { engine, passages, ids } = await engineOver(context, texts)
    const search = fullTextSearch(texts)
    const signal = new AbortController().signal
    await passages.select('all', ids, signal)

    const rate = async (ask: (question: string) => Promise<unknown> | undefined): Promise<number> => {
      const since = performance.now()
      let next = 0
      const client = async (): Promise<void> => {
        for (let at = next++; at < asked.length; at = next++) await ask(asked[at]!)
      }
      await Promise.all(Array.from({ length: AT_ONCE }, client))
      return (1000 * asked.length) / (performance.now() - since)
    }
    const payload = { context: { domain: 'general' } } as const
    const { ours, index, fts5 } = await alternate(context.rounds, {
      ours: () => rate((query) => engine.answer(OPERATOR, { ...payload, query }, { signal })),
      index: () => rate((query) => passages.search('all', queryTokens(query), { limit: 8, cold: false, signal })),
      fts5: () => rate((query) => search(queryTokens(query))),
    })
    const size = `${texts.length} documents, ${(texts.join('').length / 1e6).toFixed(0)} MB`
    return [
      compared(
        questions.title,
        'queries/s',
        ours,
        fts5,
        LEAST,
        `${size}; baseline: SQLite FTS5, the best ${ATOP} by BM25 of the same words`,
      ),
      compared(
        `${questions.title}, to this node's own index alone`,
        'queries/s',
        ours,
        index,
        LEAST,
        'the same questions, without reading, composing and verifying',
      ),
    ]
  },
}

const OPERATOR: Operator = {
  operator_id: 'bench',
  algorithm: 'ed25519',
  public_key: null,
  permissions: [{ domain: 'general', jurisdictions: null }],
  tier: 'enterprise',
  status: 'active',
  created_at: '2026-01-01T00:00:00.000Z',
  rotated_at: null,
}

/** Some words of sentences that are there. */
export function questionsAbout(texts: readonly string[], count: number): string[] {
  const next = numbers(2)
  const asked: string[] = []
  while (asked.length < count) {
    const text = texts[Math.floor(next() * texts.length)]!
    const sentences = sentencesOf(text).filter(({ isQuotable }) => isQuotable)
    const sentence = sentences[Math.floor(next() * sentences.length)]
    if (sentence === undefined) continue
    const words = quoted(text.slice(sentence.start, sentence.end)).split(' ')
    const tokens = queryTokens(words.filter(() => next() < 0.5).join(' ')).slice(0, WORDS)
    if (tokens.length > 1) asked.push(`What about ${tokens.join(' ')}?`)
  }
  return asked
}

async function engineOver(context: RowContext, texts: readonly string[]) {
  const folder = await context.folder('questions')
  const blobs = await createFileBlobStore(new AbortController().signal, { directory: join(folder, 'blobs') })
  context.defer(() => blobs.close())
  const passages = new PassageIndex(join(folder, 'passages.sqlite'))
  context.defer(() => passages.close())
  const { store } = await newStore(join(folder, 'data'))
  context.defer(() => store.close())
  const approvals = new Approvals(store, systemClock)
  await approvals.put({ domain: 'general', publisher: PUBLISHER }, 'bench', () => undefined)
  const cells = new Map<string, DocumentCell>()
  for (let at = 0; at < texts.length; at += BATCH) {
    const batch = []
    for (const [number, text] of texts.slice(at, at + BATCH).entries()) {
      const bytes = Buffer.from(text)
      const writer = blobs.create()
      await writer.write(bytes)
      const { digest } = await writer.finish()
      await blobs.keep(
        writer,
        () => true,
        async () => undefined,
      )
      const id = sha256Hex(`cell ${at + number}`)
      cells.set(id, {
        id,
        publisher: PUBLISHER,
        cellType: `document-${at + number}`,
        version: '1.0.0',
        digest: `sha256:${digest}`,
        size: bytes.length,
        mediaType: 'text/markdown',
        domain: 'general',
        status: 'active',
        keyRecords: 1,
      })
      batch.push({ id, digest: `sha256:${digest}`, bytes })
    }
    await passages.write(batch, [])
  }
  const documents = {
    revision: 0,
    all: () => cells.values(),
    get: (id: string) => cells.get(id),
  } as unknown as Documents
  const engine = new AnswerEngine({
    documents,
    blobs,
    passages,
    approvals,
    constraints: { find: () => undefined },
    indexer: { caughtUp: async () => undefined },
    llm: createExtractiveLlm(),
    yanks: { revision: 0, isWithdrawn: () => false },
    publishers: { revision: 0, isFrozen: () => false, hasRevoked: () => false },
  } as unknown as ConstructorParameters<typeof AnswerEngine>[0])
  return { engine, passages, ids: [...cells.keys()] }
}

/** What whoever wants nothing but hits would write. */
function fullTextSearch(texts: readonly string[]): (tokens: readonly string[]) => undefined {
  const db = new DatabaseSync(':memory:')
  db.exec("CREATE VIRTUAL TABLE texts USING fts5(text, content = '')")
  const insert = db.prepare('INSERT INTO texts (rowid, text) VALUES (?, ?)')
  db.exec('BEGIN')
  for (const [at, text] of texts.entries()) insert.run(at + 1, text)
  db.exec('COMMIT')
  const search = db.prepare(`SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ${ATOP}`)
  return (tokens) => {
    search.all(tokens.map((token) => `"${token}"`).join(' OR '))
  }
}
