import { Type } from 'typebox'
import { Check } from 'typebox/schema'

const Count = Type.Integer({ minimum: 0, maximum: 1_000_000 })
const TypeName = Type.Union(
  ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'].map((name) => Type.Literal(name)),
)

/**
 * Keywords of JSON Schema (draft 2020-12) that a stranger's schema may use, and what each may say. References, regular expressions and formats
 * are not among them: what they mean differs between libraries, and the schema's author must not decide how long a check takes.
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
/** About arrays. */
const ARRAYS = { minItems: Count, maxItems: Count } as const
/** Keywords whose value is a schema, a list of schemas, or a map of them. */
const ONE = ['additionalProperties', 'propertyNames', 'not', 'if', 'then', 'else']
const MANY = ['allOf', 'anyOf', 'oneOf']
const MAPS = ['properties', 'dependentSchemas']

interface Rules {
  /** Whose schema it is, in words: `goals`. */
  readonly who: string
  /** Whether it may speak of arrays. */
  readonly arrays: boolean
}

/** What is wrong with a schema, in words; undefined when it can be used. */
export function plainSchemaProblem(schema: unknown, rules: Rules, place = 'schema'): string | undefined {
  if (typeof schema === 'boolean') return undefined
  if (!isObject(schema)) return `${place} is no schema: an object or a boolean is`
  for (const [keyword, value] of Object.entries(schema)) {
    const problem = keywordProblem(keyword, value, rules, `${place}.${keyword}`)
    if (problem !== undefined) return problem
  }
  return undefined
}

function keywordProblem(keyword: string, value: unknown, rules: Rules, place: string): string | undefined {
  const plain: Readonly<Record<string, (typeof KEYWORDS)[keyof typeof KEYWORDS]>> = rules.arrays
    ? { ...KEYWORDS, ...ARRAYS }
    : KEYWORDS
  const one = rules.arrays ? [...ONE, 'items'] : ONE
  if (one.includes(keyword)) return plainSchemaProblem(value, rules, place)
  if (MANY.includes(keyword)) {
    if (!Array.isArray(value) || value.length === 0) return `${place} must be a list of schemas`
    return firstProblem(
      value.map((schema, i) => [`${place}.${i}`, schema]),
      rules,
    )
  }
  if (MAPS.includes(keyword)) {
    if (!isObject(value)) return `${place} must be an object of schemas`
    return firstProblem(
      Object.entries(value).map(([name, schema]) => [`${place}.${name}`, schema]),
      rules,
    )
  }
  if (!Object.hasOwn(plain, keyword)) {
    const allowed = [...Object.keys(plain), ...one, ...MANY, ...MAPS].sort().join(', ')
    return `${place} is a keyword that ${rules.who} cannot use; allowed are ${allowed}`
  }
  return Check(plain[keyword]!, value) ? undefined : `${place} has a value that is not allowed`
}

const firstProblem = (schemas: readonly (readonly [string, unknown])[], rules: Rules): string | undefined => {
  for (const [place, schema] of schemas) {
    const problem = plainSchemaProblem(schema, rules, place)
    if (problem !== undefined) return problem
  }
  return undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
