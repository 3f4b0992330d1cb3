import type { ForwardRequest } from '../../../protocol/federation.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import type { PartnerRecord } from '../../domain/federation/partners.ts'
import type { FederationTokens } from '../../domain/federation/tokens.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { decoded } from '../../kernel/identity/signed.ts'
import type { Requester } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import { queryOf } from './original-request.ts'
import { verifySignedRequest } from './verify-request.ts'

type Parts = Pick<NodeParts, 'config' | 'keys' | 'clock' | 'nonces'>

/** Who a call with a federation token is from: the token holds, and where it is bound to a key, that key made this call. */
export class PartnerRequests {
  readonly #parts: Parts
  readonly #tokens: FederationTokens

  constructor(parts: Parts, tokens: FederationTokens) {
    this.#parts = parts
    this.#tokens = tokens
  }

  /** Throws `PROV_016` for the token, `PROV_004` for the proof. */
  async identify(
    token: string,
    proof: string | undefined,
    target: { readonly method: string; readonly path: string; readonly body?: Readonly<Record<string, unknown>> },
  ): Promise<PartnerRecord> {
    const partner = await this.#tokens.partnerOf(token)
    if (partner.key === null) return partner
    if (proof === undefined) {
      throw new ProviderError(
        'PROV_016',
        'this federation token is bound to a key: prove it by a quantum signature of this request',
      )
    }
    const key = await verifySignedRequest(this.#parts, proof, target)
    if (key !== `ed25519:${toHex(decoded(partner.key) ?? new Uint8Array())}`) {
      throw new ProviderError('PROV_004', 'the quantum signature is by another key than the token is bound to')
    }
    return partner
  }

  /** What a partner asks by a forward, and as whom. Throws `PROV_011` where it is told nothing. */
  async accept(
    request: ForwardRequest,
    target: { readonly method: string; readonly path: string },
  ): Promise<{ readonly requester: Requester; readonly query: CellQuery }> {
    const { federation_token: token, quantum_signature: proof } = request
    if (token === undefined) throw new ProviderError('PROV_016', 'a forward to this node needs a federation_token')
    const partner = await this.identify(token, proof, { ...target, body: request })
    if (partner.trust_level === 'untrusted' || !partner.federation_policies.capability_sharing) {
      throw new ProviderError('PROV_011', 'this node shares no capabilities with this partner', {
        details: { status: 'rejected' },
      })
    }
    return { requester: requesterOf(partner), query: queryOf(request.original_request) }
  }
}

/** A partner as the owner of its requests; after it was removed and added again it is another one. */
export const requesterOf = ({ provider_id, generation }: PartnerRecord): Requester => ({
  owner: `partner:${generation}:${provider_id}`,
  token: undefined,
  isAdmin: false,
})
