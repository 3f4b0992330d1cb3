import { Type } from 'typebox'
import { Check } from 'typebox/schema'
import type { ContributionPack } from '../../../protocol/contribution.ts'
import type { Goal, GoalMetrics } from '../../../protocol/goal.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { fromBase64Url } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'

const Count = Type.Integer({ minimum: 0, maximum: 1_000_000 })
const TypeName = Type.Union(
  ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'].map((name) => Type.Literal(name)),
)

/**
 * Keywords of JSON Schema (draft 2020-12) that a goal may use, and what each may say. References, regular expressions and formats are not among
 * them: what they mean differs between libraries, and the goal's author must not decide how long a check takes.
 */
const KEYWORDS = {
  $schema: Type.Literal('https://json-schema.org/draft/2020-12/schema'),
  title: Type.String(),
  description: Type.String(),
  type: Type.Union([TypeName, Type.Array(TypeName, { minItems: 1, uniqueItems: true })]),
  enum: Type.Array(Type.Unknown(), { minItems: 1 }),
  const: Type.Unknown(),
  minimum: Type.Number(),
  maximum: Type.Number(),
  exclusiveMinimum: Type.Number(),
  exclusiveMaximum: Type.Number(),
  minLength: Count,
  maxLength: Count,
  required: Type.Array(Type.String(), { uniqueItems: true }),
  minProperties: Count,
  maxProperties: Count,
} as const
/** Keywords whose value is a schema, a list of schemas, or a map of them. */
const ONE = new Set(['additionalProperties', 'propertyNames', 'not', 'if', 'then', 'else'])
const MANY = new Set(['allOf', 'anyOf', 'oneOf'])
const MAPS = new Set(['properties', 'dependentSchemas'])

/** What is wrong with a goal's schema, in words; undefined when it can be used. */
export function schemaProblem(schema: Readonly<Record<string, unknown>>): string | undefined {
  const bytes = Buffer.byteLength(canonicalJson(schema))
  if (bytes > LIMITS.goalSchemaBytes)
    return `the schema has ${bytes} bytes; at most ${LIMITS.goalSchemaBytes} are allowed`
  return problemAt(schema, 'schema')
}

function problemAt(schema: unknown, place: string): string | undefined {
  if (typeof schema === 'boolean') return undefined
  if (!isObject(schema)) return `${place} is no schema: an object or a boolean is`
  for (const [keyword, value] of Object.entries(schema)) {
    const problem = keywordProblem(keyword, value, `${place}.${keyword}`)
    if (problem !== undefined) return problem
  }
  return undefined
}

function keywordProblem(keyword: string, value: unknown, place: string): string | undefined {
  if (ONE.has(keyword)) return problemAt(value, place)
  if (MANY.has(keyword)) {
    if (!Array.isArray(value) || value.length === 0) return `${place} must be a list of schemas`
    return firstProblem(value.map((schema, i) => [`${place}.${i}`, schema]))
  }
  if (MAPS.has(keyword)) {
    if (!isObject(value)) return `${place} must be an object of schemas`
    return firstProblem(Object.entries(value).map(([name, schema]) => [`${place}.${name}`, schema]))
  }
  if (!Object.hasOwn(KEYWORDS, keyword)) {
    const allowed = [...Object.keys(KEYWORDS), ...ONE, ...MANY, ...MAPS].sort().join(', ')
    return `${place} is a keyword that goals cannot use; allowed are ${allowed}`
  }
  return Check(KEYWORDS[keyword as keyof typeof KEYWORDS], value)
    ? undefined
    : `${place} has a value that is not allowed`
}

const firstProblem = (schemas: readonly (readonly [string, unknown])[]): string | undefined => {
  for (const [place, schema] of schemas) {
    const problem = problemAt(schema, place)
    if (problem !== undefined) return problem
  }
  return undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a pack fulfils the goal's schema, which was found usable. */
export function fulfilsSchema({ invariants: { schema } }: Pick<Goal, 'invariants'>, pack: ContributionPack): boolean {
  if (schema === undefined) return true
  return Check(schema, {
    version: pack.version,
    parameters_bytes: fromBase64Url(pack.parameters).length,
    metadata: pack.metadata ?? {},
  })
}

type Bound = NonNullable<Goal['invariants']['bounds']>[number]

/** Which bound a result breaks, in words; undefined when none. */
export function brokenBound(
  { invariants: { bounds = [] } }: Pick<Goal, 'invariants'>,
  result: GoalMetrics & { readonly score: number },
): string | undefined {
  const broken = bounds.find(({ of, min, max }) => result[of] < (min ?? -Infinity) || result[of] > (max ?? Infinity))
  return broken && `${broken.of} is ${result[broken.of]}; the goal allows ${rangeText(broken)}`
}

const rangeText = ({ min, max }: Bound): string =>
  [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])].join(' and ')
