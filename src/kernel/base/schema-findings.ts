/** Words for what a schema found wrong with a value. Browser-safe. */

/** One error of a compiled TypeBox schema, as far as it is read here. */
export interface SchemaError {
  readonly keyword: string
  /** JSON pointer. */
  readonly instancePath: string
  readonly params: object
  readonly message: string
}

/** Characters of a found value that a message repeats. */
const SHOWN = 80

/**
 * The first useful error in one sentence: which field, what is allowed, what was found. `name` is what the whole value is called.
 */
export function schemaFinding(name: string, value: unknown, errors: readonly SchemaError[]): string {
  const error = firstUseful(errors)
  const rule = schemaRule(name, errors)
  // These two say what was found by themselves.
  if (error === undefined || error.keyword === 'required' || error.keyword === 'additionalProperties') return rule
  return `${rule}, found ${shown(at(value, error.instancePath))}`
}

/** Like {@link schemaFinding}, but repeats no value: for secret files. */
export function schemaRule(name: string, errors: readonly SchemaError[]): string {
  const error = firstUseful(errors)
  if (error === undefined) return `${name} is not valid`
  const field = [name, ...error.instancePath.split('/').slice(1).map(unescapePointer)].join('.')
  const { params } = error
  if ('requiredProperties' in params) return `${field} lacks ${list(params.requiredProperties)}`
  if ('additionalProperties' in params) return `${field} has unknown fields: ${list(params.additionalProperties)}`
  if ('allowedValue' in params) return `${field} must be ${JSON.stringify(params.allowedValue)}`
  if ('allowedValues' in params) return `${field} must be one of ${list(params.allowedValues)}`
  return `${field} ${error.message}`
}

/** A field that is not allowed also fails as "schema is false", which says nothing. */
const firstUseful = (errors: readonly SchemaError[]): SchemaError | undefined =>
  errors.find((error) => error.keyword !== 'boolean') ?? errors[0]

const list = (names: unknown): string =>
  Array.isArray(names) ? names.slice(0, 8).map(String).join(', ') : String(names)

const unescapePointer = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~')

function at(value: unknown, pointer: string): unknown {
  let found = value
  for (const part of pointer.split('/').slice(1).map(unescapePointer)) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, part)) return undefined
    found = (found as Record<string, unknown>)[part]
  }
  return found
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value) ?? typeof value
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}
