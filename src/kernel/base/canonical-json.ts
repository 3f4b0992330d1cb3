/**
 * RFC 8785 (JSON Canonicalization Scheme): the one text of a JSON value, whose UTF-8 bytes are signed and hashed.
 * Properties that are `undefined` are left out, as `JSON.stringify` does.
 *
 * Throws `TypeError` for what has no canonical form: lone surrogates, non-finite numbers, and values that are not JSON.
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('canonical JSON: a string contains a lone surrogate')
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`canonical JSON: ${value} is not a JSON number`)
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value as Record<string, unknown>)
    default:
      throw new TypeError(`canonical JSON: a ${typeof value} is not a JSON value`)
  }
}

function canonicalArray(items: readonly unknown[]): string {
  let text = '['
  for (let i = 0; i < items.length; i++) text += (i === 0 ? '' : ',') + canonicalJson(items[i])
  return `${text}]`
}

/** RFC 8785 §3.2.3: properties are ordered by UTF-16 code units, which is the order of JavaScript's default sort. */
function canonicalObject(object: Record<string, unknown>): string {
  let text = ''
  for (const key of Object.keys(object).sort()) {
    const value = object[key]
    if (value === undefined) continue
    text += `${text === '' ? '{' : ','}${canonicalJson(key)}:${canonicalJson(value)}`
  }
  return text === '' ? '{}' : `${text}}`
}
