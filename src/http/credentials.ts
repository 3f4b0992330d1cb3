import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** What a request's headers say about who calls. */
export type Credential = 'none' | 'admin' | 'wrong'

const digest = (text: string): Buffer => hash('sha256', text, 'buffer')

/**
 * Recognises the administrator's key in `X-API-Key` or `Authorization: Bearer`. Both sides are hashed, so that neither length nor
 * content shows in the time that it takes. When both headers are present, both must be right. Throws for an empty key.
 */
export function credentialCheck(adminKey: string): (headers: IncomingHttpHeaders) => Credential {
  if (adminKey === '') throw new TypeError('the administrator key is empty')
  const expected = digest(adminKey)
  const matches = (key: string): boolean => timingSafeEqual(digest(key), expected)
  return (headers) => {
    const key = headers['x-api-key']
    const { authorization } = headers
    if (key === undefined && authorization === undefined) return 'none'
    if (key !== undefined && !(typeof key === 'string' && matches(key))) return 'wrong'
    if (authorization !== undefined && !matches(bearer(authorization))) return 'wrong'
    return 'admin'
  }
}

/** The token of `Bearer <token>`; empty, which is nobody's key, for other schemes. */
const bearer = (authorization: string): string => /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? ''
