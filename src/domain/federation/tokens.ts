import { FEDERATION_LIMITS } from '../../../protocol/federation.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { verifyJwt } from '../../kernel/identity/jwt.ts'
import type { TokenKey } from '../../kernel/identity/key-directory.ts'
import type { PartnerRecord, Partners } from './partners.ts'

/** A token of another kind is no federation token. */
const TYPE = 'cytoplex-federation+jwt'

/** What partners present here: tokens that name issuer, audience, subject and generation, and the key that proves each use (RFC 7800). */
export class FederationTokens {
  readonly #self: string
  readonly #token: TokenKey
  readonly #partners: Pick<Partners, 'get'>
  readonly #clock: Clock

  constructor(parts: { self: string; token: TokenKey; partners: Pick<Partners, 'get'>; clock: Clock }) {
    this.#self = parts.self
    this.#token = parts.token
    this.#partners = parts.partners
    this.#clock = parts.clock
  }

  issue({ provider_id, generation, key }: Pick<PartnerRecord, 'provider_id' | 'generation' | 'key'>): Promise<string> {
    const now = Math.floor(this.#clock.now() / 1000)
    return this.#token.jwt.sign(TYPE, {
      iss: this.#self,
      aud: this.#self,
      sub: provider_id,
      gen: generation,
      iat: now,
      exp: now + FEDERATION_LIMITS.tokenMs / 1000,
      ...(key === null ? {} : { cnf: { jwk: jwkOf(key) } }),
    })
  }

  /** The partner that a token was given to, while it is one. Where it has a key, its use has to be proven besides. Throws `PROV_016`. */
  async partnerOf(token: string): Promise<PartnerRecord> {
    const claims = await verifyJwt(this.#token.key.publicKey, token, {
      type: TYPE,
      issuer: this.#self,
      audience: this.#self,
      now: this.#clock.now(),
    }).catch((error: unknown) => {
      throw refused(error)
    })
    const partner = this.#partners.get(String(claims.sub))
    if (partner === undefined || claims.gen !== partner.generation || keyOf(claims.cnf) !== partner.key) throw refused()
    return partner
  }
}

const jwkOf = (key: string): object => ({ kty: 'OKP', crv: 'Ed25519', x: key })

function keyOf(cnf: unknown): unknown {
  const jwk = typeof cnf === 'object' && cnf !== null && 'jwk' in cnf ? cnf.jwk : null
  return typeof jwk === 'object' && jwk !== null && 'x' in jwk ? jwk.x : null
}

const refused = (cause?: unknown): ProviderError =>
  new ProviderError('PROV_016', 'the federation token is wrong, has expired, or its partnership is over', { cause })
