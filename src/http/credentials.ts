import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { AccessRole } from '../../protocol/access.ts'
import { ProviderError } from '../kernel/base/errors.ts'
import type { ProviderNode } from '../node/api.ts'

/** Who calls. */
export interface Caller {
  readonly role: AccessRole
  /** `admin` for the administrator's key, `key:<id>` for one that was given out, `api_key` for the agent network's. */
  readonly name: string
}

/** What a request's headers say about who calls: a caller, nobody, or why what they hold does not count. */
export type Credential = Caller | PresentedToken | 'none' | 'wrong' | 'expired' | 'revoked'

/** A bearer token in the form of a JWT: a partner's or a session's, if anybody's. Verifying it is left to the routes where it counts. */
export interface PresentedToken {
  readonly presentedToken: string
}

const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/

const ADMINISTRATOR: Caller = { role: 'admin', name: 'admin' }
/** Whoever presents the agent network's `api_key`, which many may share. It counts for the routes about goals alone. */
export const CONTRIBUTOR: Caller = { role: 'reader', name: 'api_key' }

const digest = (text: string): Buffer => hash('sha256', text, 'buffer')

/**
 * Recognises the administrator's key, the agent network's, and those that were given out, in `X-API-Key` or `Authorization: Bearer`. Both sides are hashed, so that
 * neither length nor content shows in the time that it takes. When both headers are present, both must be right, and the second counts. Throws
 * for an empty key.
 */
export function credentialCheck(
  adminKey: string,
  contributionKey: string | null,
  keys: Pick<ProviderNode['keys'], 'identify'>,
): (headers: IncomingHttpHeaders) => Credential {
  if (adminKey === '') throw new TypeError('the administrator key is empty')
  const expected = digest(adminKey)
  const contributing = contributionKey === null ? undefined : digest(contributionKey)
  const callerOf = (key: string): Credential => {
    const presented = digest(key)
    if (timingSafeEqual(presented, expected)) return ADMINISTRATOR
    if (contributing !== undefined && timingSafeEqual(presented, contributing)) return CONTRIBUTOR
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
    const token = bearer(authorization)
    return key === undefined && JWT.test(token) ? { presentedToken: token } : callerOf(token)
  }
}

/** Why a credential does not count. */
export const REFUSED = {
  wrong: 'the credential is wrong',
  expired: 'the key has expired',
  revoked: 'the key was revoked',
} as const

/** Asserts that a credential which counted before a long upload still does. Throws `PROV_016`. */
export function assertStillCounts(credential: Credential): void {
  if (typeof credential === 'string' && credential !== 'none') throw new ProviderError('PROV_016', REFUSED[credential])
}

/** The token of `Bearer <token>`; empty, which is nobody's key, for other schemes. */
const bearer = (authorization: string): string => /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? ''
