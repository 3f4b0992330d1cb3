import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { AccessRole } from '../../protocol/access.ts'
import type { ProviderNode } from '../node/api.ts'

/** Who calls. */
export interface Caller {
  readonly role: AccessRole
  /** `admin` for the administrator's key, `key:<id>` for one that was given out. */
  readonly name: string
}

/** What a request's headers say about who calls: a caller, nobody, or why what they hold does not count. */
export type Credential = Caller | 'none' | 'wrong' | 'expired' | 'revoked'

const ADMINISTRATOR: Caller = { role: 'admin', name: 'admin' }

const digest = (text: string): Buffer => hash('sha256', text, 'buffer')

/**
 * Recognises the administrator's key, and those that were given out, in `X-API-Key` or `Authorization: Bearer`. Both sides are hashed, so that
 * neither length nor content shows in the time that it takes. When both headers are present, both must be right, and the second counts. Throws
 * for an empty key.
 */
export function credentialCheck(
  adminKey: string,
  keys: Pick<ProviderNode['keys'], 'identify'>,
): (headers: IncomingHttpHeaders) => Credential {
  if (adminKey === '') throw new TypeError('the administrator key is empty')
  const expected = digest(adminKey)
  const callerOf = (key: string): Credential => {
    if (timingSafeEqual(digest(key), expected)) return ADMINISTRATOR
    const holder = keys.identify(key)
    if (holder === undefined) return 'wrong'
    return typeof holder === 'string' ? holder : { role: holder.role, name: `key:${holder.keyId}` }
  }
  return (headers) => {
    const key = headers['x-api-key']
    const { authorization } = headers
    let credential: Credential = 'none'
    if (key !== undefined) credential = typeof key === 'string' ? callerOf(key) : 'wrong'
    if (authorization === undefined || (credential !== 'none' && typeof credential === 'string')) return credential
    return callerOf(bearer(authorization))
  }
}

/** The token of `Bearer <token>`; empty, which is nobody's key, for other schemes. */
const bearer = (authorization: string): string => /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? ''
