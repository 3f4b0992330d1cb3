/** Whether two JSON values are the same. The order of members does not count. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => equalJson(item, b[i]))
  }
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length) return false
  const other = b as Record<string, unknown>
  return names.every((name) => Object.hasOwn(b, name) && equalJson((a as Record<string, unknown>)[name], other[name]))
}
