import { Type } from 'typebox'
import { MemoryPermission, SessionId } from '../../../protocol/memory.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { hasCode } from '../../kernel/base/errors.ts'
import { verifyJwt } from '../../kernel/identity/jwt.ts'
import type { TokenKey } from '../../kernel/identity/key-directory.ts'
import { memoryError } from './errors.ts'

/** A token of another kind is no session token. */
const TYPE = 'cytoplex-session+jwt'

const claimsSchema = checkerOf(
  Type.Object({
    sub: SessionId,
    exp: Type.Integer(),
    permissions: Type.Array(MemoryPermission, { minItems: 1, maxItems: 3 }),
  }),
)

/** A token, and when it ends (Unix milliseconds). */
export interface IssuedToken {
  readonly token: string
  readonly expiresAt: number
}

/** What a token says. */
export interface TokenClaims {
  readonly sessionId: string
  readonly permissions: ReadonlySet<MemoryPermission>
  readonly expiresAt: number
}

/** Tokens that open one session, for a while. */
export class SessionTokens {
  readonly #self: string
  readonly #token: TokenKey
  readonly #clock: Clock
  readonly #minutes: number

  constructor(parts: { self: string; token: TokenKey; clock: Clock; minutes: number }) {
    this.#self = parts.self
    this.#token = parts.token
    this.#clock = parts.clock
    this.#minutes = parts.minutes
  }

  async issue(sessionId: string, permissions: readonly MemoryPermission[]): Promise<IssuedToken> {
    const iat = Math.floor(this.#clock.now() / 1000)
    const exp = iat + 60 * this.#minutes
    const claims = { iss: this.#self, aud: this.#self, sub: sessionId, iat, exp, permissions: [...permissions] }
    return { token: await this.#token.jwt.sign(TYPE, claims), expiresAt: exp * 1000 }
  }

  /** Rejects with `SESSION_EXPIRED` for a token of this node that is over, with `INVALID_SESSION_TOKEN` for whatever else is not in force. */
  async verify(token: string): Promise<TokenClaims> {
    const claims = await verifyJwt(this.#token.key.publicKey, token, {
      type: TYPE,
      issuer: this.#self,
      audience: this.#self,
      now: this.#clock.now(),
    }).catch((cause: unknown) => {
      if (hasCode(cause, 'ERR_JWT_EXPIRED')) throw memoryError('SESSION_EXPIRED', 'the session token has expired')
      throw memoryError('INVALID_SESSION_TOKEN', 'the session token is wrong', { cause })
    })
    if (!claimsSchema.Check(claims)) throw memoryError('INVALID_SESSION_TOKEN', 'the session token is wrong')
    return { sessionId: claims.sub, permissions: new Set(claims.permissions), expiresAt: claims.exp * 1000 }
  }
}
