import { LIMITS } from '../../../protocol/limits.ts'

/** JSON that has no single meaning, or is deeper than the limit. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError'
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses JSON from strangers. Beyond `JSON.parse` it refuses, before building anything, nesting deeper than
 * `LIMITS.jsonDepth`; and it refuses what two parsers could read differently: invalid UTF-8, a byte order mark, duplicate
 * keys, the key `__proto__` (to some it is a member, to others the prototype), lone surrogates, and numbers outside IEEE 754.
 *
 * Throws `StrictJsonError`.
 */
export function parseStrictJson(input: Uint8Array | string): unknown {
  const text = typeof input === 'string' ? input : decodeUtf8(input)
  const members = scan(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new StrictJsonError(`not JSON: ${(error as Error).message}`)
  }
  if (countMembers(value) !== members) throw new StrictJsonError('an object has the same key twice')
  return value
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new StrictJsonError('not UTF-8')
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Bounds the depth, and counts the colons outside strings: as many as the text has members. */
function scan(text: string): number {
  let depth = 0
  let members = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i)
        break
      case 0x3a: // :
        members++
        break
      case 0x7b: // {
      case 0x5b: // [
        if (++depth > LIMITS.jsonDepth) throw new StrictJsonError(`nested deeper than ${LIMITS.jsonDepth} levels`)
        break
      case 0x7d: // }
      case 0x5d: // ]
        depth--
        break
    }
  }
  return members
}

/** Index of the quote that ends the string which starts at `start`; the end of the text when there is none. */
function endOfString(text: string, start: number): number {
  let end = start
  while (true) {
    end = text.indexOf('"', end + 1)
    if (end === -1) return text.length
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end
  }
}

/** Members that were kept: fewer than the text has when a key stood twice. Checks strings and numbers on the way. */
function countMembers(value: unknown): number {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new StrictJsonError('a string contains a lone surrogate')
    return 0
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new StrictJsonError('a number is outside IEEE 754')
    return 0
  }
  if (typeof value !== 'object' || value === null) return 0
  let members = 0
  if (Array.isArray(value)) {
    for (const item of value) members += countMembers(item)
    return members
  }
  for (const key of Object.keys(value)) {
    if (!key.isWellFormed()) throw new StrictJsonError('a key contains a lone surrogate')
    if (key === '__proto__') throw new StrictJsonError('an object has the key __proto__')
    members += 1 + countMembers((value as Record<string, unknown>)[key])
  }
  return members
}
