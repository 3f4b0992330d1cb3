import { FEDERATION_LIMITS } from '../../../protocol/federation.ts'
import type { PartnerRecord } from '../../domain/federation/partners.ts'
import { EgressError, type OutboundAnswer, requestJson } from '../../kernel/egress/request-json.ts'
import { signRequest } from '../../kernel/identity/quantum-signature.ts'
import type { NodeParts } from '../parts.ts'

/** Milliseconds for one call to a partner. */
const CALL_MS = 10_000
/** Bytes of a partner's answer: a cell with the largest manifest and signature fits. */
const ANSWER_BYTES = 512 * 1024

type Parts = Pick<NodeParts, 'config' | 'clock' | 'keys'>

/** Calls partners over HTTP, with the token that they gave this node and the proof that it is this node's. */
export class PartnerCalls {
  readonly #parts: Parts
  /** Partner → whether it answered last time. */
  readonly #answered = new Map<string, boolean>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Undefined while nobody asked. */
  answered(partner: string): boolean | undefined {
    return this.#answered.get(partner)
  }

  /** Remembers how asking a partner went, whatever the way. */
  note(partner: string, answered: boolean): void {
    if (this.#answered.size >= 2 * FEDERATION_LIMITS.partners) this.#answered.clear()
    this.#answered.set(partner, answered)
  }

  /** `path` is that of the API. Throws `EgressError`. */
  async call(
    partner: PartnerRecord & { readonly url: string; readonly token: string },
    request: { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: Record<string, unknown> },
    signal?: AbortSignal,
  ): Promise<OutboundAnswer> {
    const { config, clock, keys } = this.#parts
    const { method, path, body } = request
    const target = { audience: partner.provider_id, method, path, body }
    // A partner that only knows the document gave a token without a key, and its id need not be one that can be signed for.
    const proof =
      partner.key === null
        ? undefined
        : signRequest({ ed25519: keys.token.key }, config.network.name, target, clock.now())
    try {
      const answer = await requestJson({
        url: partner.url.replace(/\/+$/, '') + path,
        method,
        allowPrivate: partner.private_url,
        deadlineMs: CALL_MS,
        maxBytes: ANSWER_BYTES,
        ...(signal === undefined ? {} : { signal }),
        ...(body === undefined
          ? {
              headers: {
                Authorization: `Bearer ${partner.token}`,
                ...(proof === undefined ? {} : { 'Quantum-Signature': proof }),
              },
            }
          : { body: { ...body, ...(proof === undefined ? {} : { quantum_signature: proof }) } }),
      })
      this.note(partner.provider_id, true)
      return answer
    } catch (error) {
      if (error instanceof EgressError) this.note(partner.provider_id, false)
      throw error
    }
  }
}
