import {
  ASSURANCE_LIMITS,
  type AssuranceError,
  type Citation,
  type ResponseStatus,
  type VerificationStatus,
} from '../../../protocol/assurance.ts'
import type { BoundConstraint } from './constraint.ts'
import type { CheckedDraft } from './draft.ts'
import { errorEntry } from './errors.ts'
import type { RankedSentence } from './rank-sentences.ts'

/** Confidence under which an answer is only a part of one. */
const CONFIDENT = 0.5

/** A constraint that does not hold, and why. */
interface Broken {
  readonly constraint: BoundConstraint
  readonly problem: string
}

/** Those that `check` finds something wrong with. */
export function brokenBy(
  bound: readonly BoundConstraint[],
  check: (constraint: BoundConstraint) => string | undefined,
): Broken[] {
  return bound.flatMap((constraint) => {
    const problem = check(constraint)
    return problem === undefined ? [] : [{ constraint, problem }]
  })
}

/** Ids. */
export const listed = (broken: readonly Broken[]): string[] => broken.map(({ constraint }) => constraint.id)

/** Supported sentences, each on its line, as many as there is room for, with where they stand. */
export function cite(
  { supported }: CheckedDraft,
  ranked: readonly RankedSentence[],
): { readonly result: string; readonly citations: Citation[]; readonly quotes: string[] } {
  const byQuote = new Map(ranked.map((one) => [one.quote, one]))
  const citations: Citation[] = []
  const quotes: string[] = []
  let length = 0
  for (const quote of supported.slice(0, ASSURANCE_LIMITS.sentences)) {
    const from = quotes.length === 0 ? 0 : length + 1
    if (from + quote.length > ASSURANCE_LIMITS.result) break
    length = from + quote.length
    quotes.push(quote)
    const { cell, text, sentence } = byQuote.get(quote)!
    citations.push({
      result_start: from,
      result_end: length,
      cell_id: cell.id,
      cell_type: cell.cellType,
      version: cell.version,
      publisher: cell.publisher,
      digest: cell.digest,
      ...text.bytesOf(sentence),
    })
  }
  return { result: quotes.join('\n'), citations, quotes }
}

/** What an answer says, before it is bound to its corpus. */
export interface Said {
  readonly status: ResponseStatus
  readonly errors: readonly AssuranceError[]
  readonly answer: {
    readonly result: string
    readonly verification_status: VerificationStatus
    readonly confidence: number
    readonly constraints_passed: string[]
    readonly constraints_failed: string[]
    readonly citations: Citation[]
  }
}

const refused = (errors: readonly AssuranceError[], passed: string[], failed: string[]): Said => ({
  status: 'failed',
  errors,
  answer: {
    result: '',
    verification_status: 'rejected',
    confidence: 0,
    constraints_passed: passed,
    constraints_failed: failed,
    citations: [],
  },
})

/** The question, or its answer, breaks constraints. */
export const violated = (broken: readonly Broken[], passed: string[]): Said =>
  refused(
    broken.map(({ constraint, problem }) => errorEntry(600, `${constraint.id}: ${problem}`)),
    passed,
    listed(broken),
  )

/** Nothing that was composed is supported. */
export const hallucinated = (): Said =>
  refused([errorEntry(601, 'nothing that was composed stands in a source')], [], [])

/** An answer that may be empty. */
export function found(answer: {
  result: string
  citations: Citation[]
  confidence: number
  passed: string[]
  unsupported: number
}): Said {
  const { result, citations, confidence, passed, unsupported } = answer
  const errors = [
    ...(unsupported === 0
      ? []
      : [
          errorEntry(
            601,
            `${unsupported} pieces of what was composed stand in no source, and were left out`,
            'warning',
          ),
        ]),
    ...(citations.length > 0 ? [] : [errorEntry(404, 'no source says anything about this', 'warning')]),
  ]
  return {
    status: errors.length === 0 && confidence >= CONFIDENT ? 'success' : 'partial',
    errors,
    answer: {
      result,
      verification_status: errors.length === 0 ? 'verified' : 'warning',
      confidence,
      constraints_passed: passed,
      constraints_failed: [],
      citations,
    },
  }
}
