import type { TSchema } from 'typebox'
import type { TLocalizedValidationError } from 'typebox/error'
import { checkerOf } from '../kernel/base/checker.ts'
import { ProviderError } from '../kernel/base/errors.ts'

/** Checks a value; the error names the field, what was found and what is allowed. */
export type Check = (value: unknown) => ProviderError | undefined

/** Compiles a schema. `name` stands for the value as a whole in messages (`body`, `metadata`, …). */
export function compileCheck(schema: TSchema, name: string): Check {
  const validator = checkerOf(schema)
  return (value) =>
    validator.Check(value)
      ? undefined
      : new ProviderError('PROV_001', explain(name, value, validator.Errors(value) as TLocalizedValidationError[]))
}

/**
 * As {@link compileCheck} for what arrives as text (query, path): what is the one spelling of an integer or a boolean becomes one. Everything
 * else stays text, which the schema refuses where it wants no text.
 */
export function compileTextCheck(
  schema: TSchema,
  name: string,
): (value: unknown) => { value: unknown } | { error: Error } {
  const check = compileCheck(schema, name)
  const { properties } = schema as Readonly<Record<'properties', Record<string, { readonly type?: string }>>>
  return (value) => {
    const found = value as Readonly<Record<string, unknown>>
    const converted: Record<string, unknown> = { ...found }
    for (const field of Object.keys(properties)) {
      if (Object.hasOwn(found, field)) converted[field] = convert(found[field], properties[field]!.type)
    }
    const error = check(converted)
    return error === undefined ? { value: converted } : { error }
  }
}

const INTEGER = /^(?:0|-?[1-9][0-9]{0,15})$/

function convert(text: unknown, type: string | undefined): unknown {
  if (type === 'integer' && typeof text === 'string' && INTEGER.test(text)) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

/** Characters of a found value that a message shows. */
const SHOWN = 80

function explain(name: string, value: unknown, errors: readonly TLocalizedValidationError[]): string {
  const first = errors[0]
  if (first === undefined) return `${name} is not valid`
  const at = (path: string): string => (path === '' ? name : path.slice(1).replaceAll('/', '.'))
  if (first.keyword === 'required') {
    const missing = first.params.requiredProperties.map((property) => at(`${first.instancePath}/${property}`))
    return `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`
  }
  if (first.keyword === 'boolean') return `${at(first.instancePath)} is not a known field`
  if (first.keyword === 'additionalProperties') {
    const unknown = first.params.additionalProperties.map((property) => at(`${first.instancePath}/${property}`))
    return `${unknown.join(', ')} is not a known field`
  }
  const here = errors.filter((error) => error.instancePath === first.instancePath)
  const choice = here.some((error) => error.keyword === 'anyOf')
  const allowed = new Set(here.filter((error) => error.keyword !== 'anyOf').map(rule))
  const found = shown(valueAt(value, first.instancePath))
  return `${at(first.instancePath)}: found ${found}, allowed is ${[...allowed].join(choice ? ' or ' : ' and ')}`
}

function rule(error: TLocalizedValidationError): string {
  switch (error.keyword) {
    case 'type':
      return Array.isArray(error.params.type) ? error.params.type.join(' or ') : `${error.params.type}`
    case 'const':
      return JSON.stringify(error.params.allowedValue)
    case 'enum':
      return error.params.allowedValues.map((value) => JSON.stringify(value)).join(' or ')
    case 'pattern':
      return `text that matches ${error.params.pattern}`
    case 'minimum':
    case 'maximum':
      return `a number ${error.params.comparison} ${error.params.limit}`
    case 'minLength':
      return `at least ${error.params.limit} characters`
    case 'maxLength':
      return `at most ${error.params.limit} characters`
    case 'minItems':
      return `at least ${error.params.limit} items`
    case 'maxItems':
      return `at most ${error.params.limit} items`
    case 'minProperties':
      return error.params.limit === 1 ? 'an object with a field' : `an object with ${error.params.limit} fields`
    default:
      return `what ${error.message}`
  }
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}

/** The value at a JSON pointer (RFC 6901). */
function valueAt(value: unknown, pointer: string): unknown {
  let current = value
  for (const step of pointer.split('/').slice(1)) {
    if (typeof current !== 'object' || current === null) return undefined
    current = (current as Record<string, unknown>)[step.replaceAll('~1', '/').replaceAll('~0', '~')]
  }
  return current
}
