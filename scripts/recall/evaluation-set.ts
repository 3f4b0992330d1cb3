import { readdir, readFile } from 'node:fs/promises'
import type { MemoryText } from '../../src/domain/memory/recall.ts'

const FOLDER = new URL('./conversations/', import.meta.url)
const HOUR_MS = 3_600_000
/** Milliseconds between two turns of a conversation. */
const TURN_MS = 120_000

/** Kinds of queries: how each differs from the turns that answer it. */
export const CATEGORIES = ['paraphrase', 'morphology', 'topic shift', 'long gap'] as const
/** Queries that avoid every telling word of their answers: harder than what people ask about their own talks. Reported apart, no part of the sum. */
export const HARD = 'synonyms only'
export type Category = (typeof CATEGORIES)[number] | typeof HARD

/** By letter; how many hours after its conversation a query is asked, unless it names days. */
const KINDS: Readonly<Record<string, { readonly category: Category; readonly hours: number }>> = {
  p: { category: 'paraphrase', hours: 8 },
  m: { category: 'morphology', hours: 30 },
  t: { category: 'topic shift', hours: 8 },
  g: { category: 'long gap', hours: 24 * 30 },
  s: { category: 'synonyms only', hours: 8 },
}

/** A query with the keys of the texts that answer it. */
export interface LabelledQuery {
  readonly category: Category
  readonly text: string
  /** Unix milliseconds. */
  readonly askedAt: number
  readonly answers: ReadonlySet<string>
}

export interface EvaluationSet {
  readonly texts: readonly MemoryText[]
  readonly queries: readonly LabelledQuery[]
}

/**
 * Conversations and queries about them; all are searched as one session. A file of `conversations/` holds for each `# <start> | <title>`, then its
 * turns, `<agent>: <text>`, then its queries, `? <kind> | <query> | <numbers of the turns that answer it>`; `g60`: asked sixty days afterwards.
 */
export async function readEvaluationSet(): Promise<EvaluationSet> {
  const texts: MemoryText[] = []
  const queries: LabelledQuery[] = []
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.txt')).sort()
  let conversation = 0
  for (const file of files) {
    let start = 0
    let turns = 0
    let conversationId = ''
    for (const line of (await readFile(new URL(file, FOLDER), 'utf8')).split('\n')) {
      const at = start + turns * TURN_MS
      const heading = /^# (\S+) \| /.exec(line)
      const query = /^\? ([pmtgs])(\d*) \| (.+) \| ([\d ]+)$/.exec(line)
      const turn = /^([a-z]+): (.+)$/.exec(line)
      if (heading !== null) {
        start = Date.parse(heading[1]!)
        turns = 0
        conversationId = `conv_${String(++conversation).padStart(32, '0')}`
      } else if (query !== null) {
        const [, kind, days, text, numbers] = query
        const { category, hours } = KINDS[kind!]!
        const askedAt = at + (days === '' ? hours : 24 * Number(days)) * HOUR_MS
        const answers = new Set(numbers!.split(' ').map((number) => `${conversationId}!${number}`))
        for (const key of answers) {
          if (!texts.some((text) => text.key === key))
            throw new Error(`${file}: "${text}" is answered by ${key}, which is no turn`)
        }
        queries.push({ category, text: text!, askedAt, answers })
      } else if (turn !== null) {
        const turnNumber = ++turns
        texts.push({
          key: `${conversationId}!${turnNumber}`,
          conversationId,
          turnNumber,
          agent: turn[1]!,
          at,
          text: turn[2]!,
        })
      } else if (line !== '') {
        throw new Error(`${file}: neither a heading, a turn nor a query: ${line}`)
      }
    }
  }
  return { texts, queries }
}
