import { ASSURANCE_LIMITS, type QueryPayload } from '../../../protocol/assurance.ts'
import type { Operator } from '../../../protocol/operators.ts'
import type { Approvals } from '../../domain/assurance/approvals.ts'
import { type BoundConstraint, isTooMuch, structured } from '../../domain/assurance/constraint.ts'
import type { ConstraintBook } from '../../domain/assurance/constraint-book.ts'
import { type Corpus, corpusOf } from '../../domain/assurance/corpus.ts'
import { checkDraft } from '../../domain/assurance/draft.ts'
import { assuranceFailure } from '../../domain/assurance/errors.ts'
import {
  confidenceOf,
  type FoundPassage,
  type RankedSentence,
  rankSentences,
} from '../../domain/assurance/rank-sentences.ts'
import { brokenBy, cite, found, hallucinated, listed, type Said, violated } from '../../domain/assurance/said.ts'
import { SourceText } from '../../domain/assurance/source-text.ts'
import type { DocumentCell, Documents } from '../../domain/cells/documents.ts'
import { BudgetMap } from '../../kernel/base/budget-map.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import type { BlobStore } from '../../kernel/plugins/packages/blob-stores.ts'
import type { Composition, Llm, QuotableSource } from '../../kernel/plugins/packages/llms.ts'
import { RANKER } from '../../kernel/text/bm25.ts'
import { BusyError, type Found, type PassageIndex } from '../../kernel/text/passage-index.ts'
import { quoted, SEGMENTER } from '../../kernel/text/sentences.ts'
import { queryTokens } from '../../kernel/text/tokens.ts'
import type { Answered, Answerer, AnswerStep } from '../assurance-api.ts'
import type { NodeParts } from '../parts.ts'
import { type DocumentIndexer, readBlob } from './index-documents.ts'

/** Passages whose sentences are looked at. */
const PASSAGES = 8
/** Sentences that an answer is composed from. */
const SENTENCES = 64
/** UTF-16 code units of documents that stay cut into sentences: the 5,000 usual ones that were asked about last. */
const TEXT_BUDGET = 32 * 1024 * 1024
/** Corpora that are remembered: one for each domain and jurisdiction that is asked about, and those of constraints. */
const MAX_CORPORA = 32
/** Times that a question is begun again when documents came or went while it was answered. */
const ATTEMPTS = 3

type Parts = Pick<NodeParts, 'yanks' | 'publishers'> & {
  readonly documents: Documents
  readonly approvals: Approvals
  readonly constraints: Pick<ConstraintBook, 'find'>
  readonly passages: PassageIndex
  readonly indexer: Pick<DocumentIndexer, 'caughtUp'>
  readonly blobs: Pick<BlobStore, 'open'>
  readonly llm: Llm
}

/** How one question is answered. */
interface Way {
  readonly signal: AbortSignal
  /** Past every cache. */
  readonly cold: boolean
  /** The draft of the pass before: a model may say something else the second time. */
  readonly draft?: string | undefined
}

/** A corpus, under the key by which the index remembers it. */
interface KnownCorpus {
  readonly corpus: Corpus
  /** Of its cells. */
  readonly ids: readonly string[]
  readonly key: string
}

/** One pass. */
interface Pass {
  readonly answered: Answered
  readonly draft: string | undefined
}

/** Documents came or went meanwhile. */
class ChangedError extends Error {}

/**
 * Answers questions with whole sentences of documents, in steps that a proof can name: normalise, bind the constraints, retrieve, compose, verify. The same
 * question gives the same answer wherever the same documents are. protocol/README.md, "Assurance".
 */
export class AnswerEngine implements Answerer {
  readonly #parts: Parts
  readonly #texts = new BudgetMap<string, SourceText>(TEXT_BUDGET)
  readonly #corpora = new BudgetMap<string, KnownCorpus>(MAX_CORPORA)

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async answer(
    operator: Operator,
    payload: QueryPayload,
    { signal, cold = false }: { readonly signal: AbortSignal; readonly cold?: boolean },
  ): Promise<Answered> {
    return await this.#steadily(signal, async () => {
      const first = await this.#pass(operator, payload, { signal, cold })
      if ((payload.verification_mode ?? 'standard') === 'standard') return first.answered
      const revision = this.#revision
      const second = await this.#pass(operator, payload, { signal, cold: true, draft: first.draft })
      if (canonicalJson(first.answered) === canonicalJson(second.answered)) return first.answered
      throw revision === this.#revision
        ? assuranceFailure(550, 'a second pass gave another answer')
        : new ChangedError('between two passes')
    })
  }

  /**
   * Sentences that fit a question, of all documents that the operator of this node approved for their domains: the document of the best sentence first.
   * Throws `ProviderError` with status 503.
   */
  async quotable(question: string, signal: AbortSignal): Promise<QuotableSource[]> {
    const tokens = queryTokens(quoted(question))
    if (tokens.length === 0) return []
    return await this.#steadily(signal, async () => {
      const corpus = this.#corpus(undefined, undefined, [], false)
      return sourcesOf((await this.#retrieve(corpus, tokens, { signal, cold: false }, () => undefined)).ranked)
    })
  }

  /** What `pass` resolves with, as soon as no document comes or goes meanwhile. */
  async #steadily<Result>(signal: AbortSignal, pass: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await pass()
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof BusyError) throw assuranceFailure(503, 'too many questions wait already', error)
        if (!(error instanceof ChangedError)) throw error
      }
      if (attempt === ATTEMPTS)
        throw assuranceFailure(503, 'the sources are not all indexed yet, or change all the time')
    }
  }

  /** Another text whenever a question may have another answer. */
  get #revision(): string {
    const { documents, yanks, publishers, approvals } = this.#parts
    return `${documents.revision}.${yanks.revision}.${publishers.revision}.${approvals.revision}`
  }

  async #pass(operator: Operator, payload: QueryPayload, way: Way): Promise<Pass> {
    const { query, context, verification_mode: mode = 'standard' } = payload
    const { domain, jurisdiction, constraints: ids = [] } = context
    const steps: AnswerStep[] = []
    const step = (name: string, input: unknown, output: unknown): void => void steps.push({ step: name, input, output })

    const text = quoted(wordsOf(query))
    const tokens = queryTokens(text)
    if (tokens.length === 0) throw assuranceFailure(422, 'the query has no words')
    step('normalize', { query }, { text, tokens })

    const bound = ids.map((id) => this.#bind(operator, id))
    assertBounded(bound, 'query', query)
    const broken = brokenBy(bound, (constraint) => constraint.question({ query, jurisdiction }))
    const conflict = broken.find(({ constraint }) => constraint.isJurisdiction)
    if (conflict !== undefined) throw assuranceFailure(603, `${conflict.constraint.id}: ${conflict.problem}`)
    const names = bound.map(({ id, version, digest }) => ({ id, version, digest }))
    step(
      'constraint',
      { constraints: ids, query, jurisdiction: jurisdiction ?? null },
      { bound: names, broken: listed(broken) },
    )

    const known = this.#corpus(domain, jurisdiction, bound, way.cold)
    const { corpus } = known
    if (corpus.cells.length === 0 && corpus.hasOthers) {
      throw assuranceFailure(603, `no source for ${domain} is for ${jurisdiction}, or for every jurisdiction`)
    }
    const binding = { root: corpus.root, cells: corpus.cells.length, ranker: RANKER, segmenter: SEGMENTER }
    const layers = ['normalization', 'constraint', 'retrieval', 'hallucination']
    const finish = (said: Said, draft?: string): Pass => {
      const answer = {
        ...said.answer,
        corpus: binding,
        metadata: {
          model_version: this.#parts.llm.model,
          verification_layers: mode === 'standard' ? layers : [...layers, 'consistency'],
        },
      }
      step('envelope', { domain, jurisdiction: jurisdiction ?? null, mode }, answer)
      return { answered: { status: said.status, payload: answer, errors: said.errors, steps }, draft }
    }
    if (broken.length > 0) return finish(violated(broken, []))

    const { ranked, weights } = await this.#retrieve(known, tokens, way, (output) =>
      step('retrieve', { tokens, corpus: binding }, output),
    )
    const maximum = Math.min(ASSURANCE_LIMITS.result, ...bound.map((constraint) => constraint.maximum))
    const draft = way.draft ?? (await this.#compose(text, ranked, maximum, way.signal))
    const model = this.#parts.llm.model
    step(
      'compose',
      { question: text, model, sentences: ranked.map(({ cell, sentence }) => [cell.id, sentence.start]) },
      { draft },
    )

    const checked = checkDraft(
      draft,
      ranked.map(({ quote }) => quote),
    )
    const { result, citations, quotes } = cite(checked, ranked)
    step('verify', { draft }, { citations, unsupported: checked.unsupported })
    if (quotes.length === 0 && checked.unsupported.length > 0) return finish(hallucinated(), draft)
    assertBounded(bound, 'result', result)
    const failed = brokenBy(bound, (constraint) => constraint.answer({ result, citations }))
    const passed = bound.map(({ id }) => id).filter((id) => !failed.some(({ constraint }) => constraint.id === id))
    if (failed.length > 0) return finish(violated(failed, passed), draft)
    const confidence = confidenceOf(quotes, tokens, weights)
    return finish(found({ result, citations, confidence, passed, unsupported: checked.unsupported.length }), draft)
  }

  #bind(operator: Operator, id: string): BoundConstraint {
    const constraint = this.#parts.constraints.find(operator.operator_id, id)
    if (constraint === undefined) throw assuranceFailure(422, `there is no constraint ${id}`)
    return constraint
  }

  #corpus(
    domain: string | undefined,
    jurisdiction: string | undefined,
    bound: readonly BoundConstraint[],
    cold: boolean,
  ): KnownCorpus {
    const { documents, yanks, publishers, approvals } = this.#parts
    const question = JSON.stringify([domain ?? null, jurisdiction ?? null, ...bound.map(({ digest }) => digest)])
    const key = `${this.#revision} ${question}`
    const known = cold ? undefined : this.#corpora.get(question)
    if (known?.key === key) return known
    const isTrusted = trustIn(publishers)
    const corpus = corpusOf(documents.all(), {
      domain,
      jurisdiction,
      approved: (cell) => cell.domain !== undefined && approvals.covers(cell.domain, cell),
      isWithdrawn: (cell) => yanks.isWithdrawn(cell) || !isTrusted(cell as DocumentCell),
      allows: (cell) => bound.every((constraint) => constraint.allows(cell)),
    })
    const made = { corpus, ids: corpus.cells.map(({ id }) => id), key }
    this.#corpora.set(question, made)
    return made
  }

  async #retrieve(
    corpus: KnownCorpus,
    tokens: readonly string[],
    way: Way,
    note: (output: unknown) => void,
  ): Promise<{ readonly ranked: RankedSentence[]; readonly weights: readonly number[] }> {
    if (corpus.ids.length === 0) {
      note({ weights: [], passages: [] })
      return { ranked: [], weights: tokens.map(() => 0) }
    }
    const { hits, weights } = await this.#search(corpus, tokens, way)
    note({ weights, passages: hits.map(({ id, passage, score }) => [id, passage, score]) })
    const found = await Promise.all(
      hits.map(async ({ id, passage, score }): Promise<FoundPassage> => {
        const cell = this.#parts.documents.get(id)
        const text = cell && (await this.#text(cell, way.cold))
        if (text === undefined) throw new ChangedError(`the document of ${id} is not here any more`)
        return { cell: cell!, text, passage, score }
      }),
    )
    return { ranked: rankSentences(found, tokens, weights).slice(0, SENTENCES), weights }
  }

  async #search({ ids, key }: KnownCorpus, tokens: readonly string[], way: Way): Promise<Found> {
    const { passages, indexer } = this.#parts
    const { signal, cold } = way
    const found = cold ? undefined : await passages.search(key, tokens, { limit: PASSAGES, cold, signal })
    if (found !== undefined) return found
    if (!(await passages.select(key, ids, signal))) {
      await indexer.caughtUp()
      if (!(await passages.select(key, ids, signal))) throw new ChangedError('not every source is indexed')
    }
    const again = await passages.search(key, tokens, { limit: PASSAGES, cold, signal })
    if (again === undefined) throw new ChangedError('the index was made anew')
    return again
  }

  async #text({ digest, size }: DocumentCell, cold: boolean): Promise<SourceText | undefined> {
    const known = cold ? undefined : this.#texts.get(digest)
    if (known !== undefined) return known
    const bytes = await readBlob(this.#parts.blobs, digest, size)
    if (bytes === undefined) return undefined
    const text = SourceText.read(bytes, digest)
    if (text === undefined) throw assuranceFailure(550, `the document ${digest} on disk is not what was registered`)
    this.#texts.set(digest, text, text.weight)
    return text
  }

  async #compose(
    question: string,
    ranked: readonly RankedSentence[],
    maxCharacters: number,
    signal: AbortSignal,
  ): Promise<string> {
    if (ranked.length === 0) return ''
    const composition: Composition = {
      question,
      sources: sourcesOf(ranked),
      maxSentences: ASSURANCE_LIMITS.sentences,
      maxCharacters,
    }
    try {
      return await this.#parts.llm.compose(composition, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ProviderError) throw error
      throw assuranceFailure(503, `${this.#parts.llm.model} composes nothing: ${errorMessage(error)}`, error)
    }
  }
}

function assertBounded(bound: readonly BoundConstraint[], target: 'query' | 'result', text: string): void {
  if (!isTooMuch(bound, target, text)) return
  throw assuranceFailure(
    422,
    `the expressions of its constraints take too long over a ${target} of ${text.length} characters`,
  )
}

/** Whether the keys that signed a document count; each publisher's are looked at once. */
function trustIn(publishers: Parts['publishers']): (cell: DocumentCell) => boolean {
  const trusted = new Map<string, boolean>()
  return ({ publisher, keyRecords }) => {
    const key = `${publisher}.${keyRecords}`
    let known = trusted.get(key)
    if (known === undefined) {
      known = !publishers.isFrozen(publisher) && !publishers.hasRevoked(publisher, keyRecords)
      trusted.set(key, known)
    }
    return known
  }
}

/** The words of structured input are those of its texts; the names of its fields say nothing. */
function wordsOf(query: string): string {
  const value = /^\s*[[{]/.test(query) ? structured(query) : undefined
  if (value === undefined) return query
  const texts: string[] = []
  const walk = (part: unknown): void => {
    if (typeof part === 'string') texts.push(part)
    else if (typeof part === 'object' && part !== null) for (const inner of Object.values(part)) walk(inner)
  }
  walk(value)
  return texts.join('\n')
}

/** The document of the best sentence first; sentences in the order of their document. */
function sourcesOf(ranked: readonly RankedSentence[]): QuotableSource[] {
  const byCell = new Map<string, RankedSentence[]>()
  for (const one of ranked) {
    const own = byCell.get(one.cell.id)
    if (own === undefined) byCell.set(one.cell.id, [one])
    else own.push(one)
  }
  return [...byCell.values()].map((own) => {
    const { publisher, cellType, version } = own[0]!.cell
    const sentences = own.sort((a, b) => a.sentence.start - b.sentence.start)
    return {
      publisher,
      cell_type: cellType,
      version,
      sentences: sentences.map(({ quote, score }) => ({ text: quote, score })),
    }
  })
}
