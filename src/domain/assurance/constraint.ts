import { RE2JS } from 're2js'
import { Type } from 'typebox'
import { Check } from 'typebox/schema'
import { type Citation, ConstraintId, OperatorId } from '../../../protocol/assurance.ts'
import { CONSTRAINT_LIMITS, Constraint } from '../../../protocol/constraints.ts'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { fromBase64Url, toHex, utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import { sha256 } from '../../kernel/base/hash.ts'
import { plainSchemaProblem } from '../../kernel/base/plain-schema.ts'
import { schemaFinding } from '../../kernel/base/schema-findings.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { verifyObject } from '../../kernel/identity/signed.ts'
import type { SignatureVerifier } from '../../kernel/identity/verify-pure.ts'
import type { SourceCell } from './corpus.ts'

/** What a constraint is applied to. */
interface Question {
  readonly query: string
  readonly jurisdiction: string | undefined
}

/** What an answer to it says. */
interface Draft {
  readonly result: string
  readonly citations: readonly Pick<Citation, 'cell_id' | 'cell_type' | 'publisher'>[]
}

/** A constraint that was verified, ready to be applied. */
export interface BoundConstraint {
  readonly id: string
  readonly version: number
  /** SHA-256 of its canonical text. */
  readonly digest: string
  /** What is wrong with the question, in words; undefined when nothing is, or only the answer can tell. */
  question(question: Question): string | undefined
  /** Whether the question's jurisdiction is at odds with it, which has an error of its own. */
  readonly isJurisdiction: boolean
  /** Whether a cell may be a source. */
  allows(cell: SourceCell): boolean
  /** UTF-16 code units of a result. */
  readonly maximum: number
  /** Instructions that an expression takes for each character of what it is looked for in. */
  readonly instructions: { readonly query: number; readonly result: number }
  /** What is wrong with an answer, in words. */
  answer(draft: Draft): string | undefined
}

const schema = checkerOf(Constraint)
const ids = checkerOf(ConstraintId)

/** SHA-256 of the constraint's RFC 8785 text, with its signature. */
export const constraintDigest = (constraint: Constraint): string => toHex(sha256(utf8(canonicalJson(constraint))))

const order = checkerOf(
  Type.Object({ constraint: Type.Unknown(), operator_id: Type.Optional(OperatorId) }, { additionalProperties: false }),
)

/** Who a constraint is for, from a body that nobody has checked; the constraint itself is not looked at. Throws `PROV_001`. */
export function readOrder(json: unknown): { readonly constraint: unknown; readonly operatorId: string | undefined } {
  if (!order.Check(json)) throw malformed(schemaFinding('body', json, order.Errors(json)))
  return { constraint: json.constraint, operatorId: json.operator_id }
}

/** A constraint from parsed JSON, its form and its signature checked. Throws `PROV_001`, and `PROV_005` for a signature that does not hold. */
export function readConstraint(json: unknown, network: string, verifier: SignatureVerifier): Constraint {
  if (!isOne(json)) throw malformed(findingOf(json))
  const bytes = Buffer.byteLength(canonicalJson(json))
  if (bytes > CONSTRAINT_LIMITS.bytes)
    throw malformed(`the constraint has ${bytes} bytes; at most ${CONSTRAINT_LIMITS.bytes} are allowed`)
  // Whatever cannot be applied is refused here.
  bindConstraint(json)
  if (!verifyObject(verifier, keyOf(json), network, CONTEXTS.constraint, json, json.signature)) {
    throw new ProviderError('PROV_005', `the constraint ${json.constraint_id} is not signed by its public_key`)
  }
  return json
}

const isOne = (json: unknown): json is Constraint => schema.Check(json)

/** Of the alternatives of a union only those of the constraint's kind say anything. */
function findingOf(json: unknown): string {
  if (typeof json !== 'object' || json === null) return 'a constraint is an object'
  const { kind, constraint_id: id } = json as { kind?: unknown; constraint_id?: unknown }
  const kinds = Constraint.anyOf.map((one) => one.properties.kind.const)
  const own = Constraint.anyOf.find((one) => one.properties.kind.const === kind)
  if (own === undefined)
    return `constraint.kind: found ${JSON.stringify(kind)?.slice(0, 80)}, allowed are ${kinds.join(', ')}`
  if (!ids.Check(id)) return `constraint.constraint_id: found ${JSON.stringify(id)?.slice(0, 80)}`
  return schemaFinding('constraint', json, checkerOf(own).Errors(json))
}

function keyOf({ public_key: key }: Constraint): Uint8Array {
  try {
    return fromBase64Url(key)
  } catch {
    return new Uint8Array()
  }
}

/** What every kind does where it says nothing else. */
const IDLE = {
  question: () => undefined,
  isJurisdiction: false,
  allows: () => true,
  maximum: Number.POSITIVE_INFINITY,
  instructions: { query: 0, result: 0 },
  answer: () => undefined,
} as const

/** Makes a constraint ready to be applied. Throws `PROV_001` for one that cannot be. */
export function bindConstraint(constraint: Constraint): BoundConstraint {
  const { constraint_id: id, version } = constraint
  return { ...IDLE, id, version, digest: constraintDigest(constraint), ...ruleOf(constraint) }
}

type Rule = Partial<
  Pick<BoundConstraint, 'question' | 'isJurisdiction' | 'allows' | 'maximum' | 'instructions' | 'answer'>
>

function ruleOf(constraint: Constraint): Rule {
  switch (constraint.kind) {
    case 'json_schema':
      return jsonRule(constraint.parameters.schema)
    case 'required_pattern':
      return patternRule(constraint.parameters, (found) => (found ? undefined : 'what is required is not in'))
    case 'forbidden_pattern':
      return patternRule(constraint.parameters, (found) => (found ? 'what is forbidden is in' : undefined))
    case 'required_citation':
      return citationRule(constraint.parameters)
    case 'jurisdiction_match':
      return jurisdictionRule(constraint.parameters.jurisdictions)
    case 'maximum_length':
      return lengthRule(constraint.parameters.characters)
    case 'allowed_sources':
      return sourcesRule(constraint.parameters)
  }
}

function jsonRule(allowed: Readonly<Record<string, unknown>>): Rule {
  const problem = plainSchemaProblem(allowed, { who: 'constraints', arrays: true })
  if (problem !== undefined) throw inapplicable(`constraint.parameters.${problem}`)
  return {
    question({ query }) {
      const value = structured(query)
      if (value === undefined) return 'the query is not JSON'
      return Check(allowed, value) ? undefined : 'the query does not fulfil the schema'
    },
  }
}

/** Structured input; undefined for words. */
export function structured(query: string): unknown {
  try {
    return parseStrictJson(query)
  } catch {
    return undefined
  }
}

function patternRule(
  parameters: { readonly pattern: string; readonly target: 'query' | 'result'; readonly case_insensitive?: boolean },
  verdict: (found: boolean) => string | undefined,
): Rule {
  const { target, case_insensitive: folds = false } = parameters
  const pattern = compiled(parameters.pattern, folds)
  const problem = (text: string): string | undefined => {
    const words = verdict(pattern.test(text))
    return words && `${words} the ${target}`
  }
  const size = pattern.programSize()
  return target === 'query'
    ? { question: ({ query }) => problem(query), instructions: { query: size, result: 0 } }
    : { answer: ({ result }) => problem(result), instructions: { query: 0, result: size } }
}

/** RE2 never goes back, so a search takes time as the text is long; how long for a character, its program decides, which is bounded too. */
function compiled(pattern: string, folds: boolean): RE2JS {
  let made: RE2JS
  try {
    made = RE2JS.compile(pattern, folds ? RE2JS.CASE_INSENSITIVE : 0)
  } catch (error) {
    throw inapplicable(`constraint.parameters.pattern: ${errorMessage(error).slice(0, 200)}`)
  }
  const size = made.programSize()
  if (size > CONSTRAINT_LIMITS.program) {
    throw inapplicable(
      `constraint.parameters.pattern: it takes ${size} instructions, at most ${CONSTRAINT_LIMITS.program} are allowed`,
    )
  }
  return made
}

function citationRule(parameters: {
  readonly minimum?: number
  readonly publisher?: string
  readonly cell_type?: string
}): Rule {
  const { minimum = 1, publisher, cell_type: cellType } = parameters
  return {
    answer({ citations }) {
      const fitting = citations.filter(
        (cited) =>
          (publisher === undefined || cited.publisher === publisher) &&
          (cellType === undefined || cited.cell_type === cellType),
      )
      const count = new Set(fitting.map(({ cell_id }) => cell_id)).size
      return count >= minimum ? undefined : `${count} of the required sources are cited, at least ${minimum} have to be`
    },
  }
}

const jurisdictionRule = (jurisdictions: readonly string[]): Rule => ({
  isJurisdiction: true,
  question({ jurisdiction }) {
    if (jurisdiction !== undefined && jurisdictions.includes(jurisdiction)) return undefined
    const found = jurisdiction === undefined ? 'none' : jurisdiction
    return `the question is for ${found}, and the constraint for ${jurisdictions.join(', ')}`
  },
})

const lengthRule = (characters: number): Rule => ({
  maximum: characters,
  answer: ({ result }) =>
    result.length <= characters
      ? undefined
      : `the result has ${result.length} characters, at most ${characters} are allowed`,
})

function sourcesRule({
  publishers = [],
  cells = [],
}: {
  readonly publishers?: string[]
  readonly cells?: string[]
}): Rule {
  const isAllowed = (publisher: string, cellType: string): boolean =>
    publishers.includes(publisher) || cells.includes(`${publisher}/${cellType}`)
  return {
    allows: ({ publisher, cellType }) => isAllowed(publisher, cellType),
    answer: ({ citations }) =>
      citations.every(({ publisher, cell_type: cellType }) => isAllowed(publisher, cellType))
        ? undefined
        : 'a source is cited that is not allowed',
  }
}

/** Instructions of all expressions of one question, each for every character: some tenths of a second at worst. */
const MAX_WORK = 2_000_000

/** Whether looking for all expressions in a text would take too long. */
export const isTooMuch = (bound: readonly BoundConstraint[], target: 'query' | 'result', text: string): boolean =>
  text.length * bound.reduce((sum, { instructions }) => sum + instructions[target], 0) > MAX_WORK

const malformed = (message: string): ProviderError => new ProviderError('PROV_001', message)

/** It has the right form, and means nothing here. */
const inapplicable = (message: string): ProviderError => new ProviderError('PROV_001', message, { status: 422 })
