import type { OfferedCell } from '../../protocol/rpc.ts'
import { answerText } from '../domain/cells/answer.ts'
import type { Candidate } from '../domain/cells/candidate.ts'
import type { Publishers } from '../domain/cells/publishers.ts'
import type { CellQuery } from '../domain/cells/query.ts'
import type { VerifiedCell } from '../domain/cells/repository.ts'
import { equalJson } from '../kernel/base/equal-json.ts'
import { manifestDigest, parseManifest, verifyManifest } from '../kernel/identity/manifest-signature.ts'
import type { SignatureVerifier } from '../kernel/identity/verify-pure.ts'

/** A cell that a peer offers, with everything about it that can be checked without its package checked. */
export interface VerifiedOffer extends VerifiedCell {
  readonly createdAt: string
  readonly status: OfferedCell['status']
}

/** Verified offers that are remembered: verifying one again costs fifty times as much as recognising it. */
const MAX_OFFERS = 4096

/** Verifies what peers offer. A signature is checked once per cell, however often it is offered in the same words. */
export class OfferVerifier {
  readonly #network: string
  readonly #verifier: SignatureVerifier
  readonly #publishers: Publishers
  /** By signature token. */
  readonly #verified = new Map<string, { readonly offered: OfferedCell; readonly offer: VerifiedOffer }>()

  constructor(network: string, verifier: SignatureVerifier, publishers: Publishers) {
    this.#network = network
    this.#verifier = verifier
    this.#publishers = publishers
  }

  /** An offer that was verified before, in the same words. */
  known(offered: OfferedCell): VerifiedOffer | undefined {
    const known = this.#verified.get(offered.signature)
    return known !== undefined && equalJson(known.offered, offered) ? known.offer : undefined
  }

  /** Throws `ProviderError` when manifest or signature do not hold, or the publisher's keys do not count any more. */
  async verify(offered: OfferedCell): Promise<VerifiedOffer> {
    const known = this.known(offered)
    if (known !== undefined) return known
    const manifest = parseManifest(offered.manifest)
    const { kind, publisher } = verifyManifest(this.#verifier, this.#network, manifest, offered.signature)
    if (await this.#publishers.admit(publisher, offered.signature)) this.#verified.clear()
    const offer: VerifiedOffer = {
      id: manifestDigest(manifest),
      manifest,
      signature: offered.signature,
      signedBy: kind,
      annotations: offered.annotations,
      createdAt: offered.created_at,
      status: offered.status,
    }
    if (this.#verified.size >= MAX_OFFERS) this.#verified.clear()
    this.#verified.set(offered.signature, { offered, offer })
    return offer
  }
}

/** An offer as a candidate for a query; undefined when it does not offer what was asked for. */
export function candidateOf(offer: VerifiedOffer, query: Pick<CellQuery, 'by' | 'name'>): Candidate | undefined {
  const { manifest, annotations } = offer
  const offered =
    query.by === 'cell_type'
      ? manifest.cell_type === query.name && manifest.version
      : manifest.capabilities.find(({ name }) => name === query.name)?.version
  if (!offered) return undefined
  return {
    id: offer.id,
    publisher: manifest.publisher,
    cellType: manifest.cell_type,
    version: manifest.version,
    offered,
    status: offer.status,
    registered: false,
    requirements: manifest.requirements,
    size: manifest.package.size,
    declaredMemoryMb: annotations.performance?.typical_memory_mb ?? undefined,
    declaredStartupMs: annotations.performance?.typical_startup_ms ?? undefined,
  }
}

/** Packages that may be remembered as offered. */
const MAX_PACKAGES = 10_000

/** Where the packages of answered requests can be had: what a download by digest starts from. */
export class KnownOffers {
  readonly #offers = new Map<
    string,
    { readonly offer: VerifiedOffer; readonly providers: Set<string>; readonly answer: string }
  >()

  /** Remembers an offer, and returns its answer text (see `answerText`). */
  remember(offer: VerifiedOffer, provider: string): string {
    const { digest } = offer.manifest.package
    const known = this.#offers.get(digest)
    if (known !== undefined && known.offer === offer && known.providers.has(provider)) return known.answer
    if (known === undefined && this.#offers.size >= MAX_PACKAGES) this.#offers.clear()
    const providers = new Set([provider, ...(known?.providers ?? [])])
    const answer = answerText(
      {
        id: offer.id,
        manifest: offer.manifest,
        signature: offer.signature,
        created_at: offer.createdAt,
        annotations: offer.annotations,
        report: null,
      },
      provider,
    )
    this.#offers.set(digest, { offer, providers, answer })
    return answer
  }

  /** The cell that a package (`sha256:…`) was last offered as. */
  offerOf(digest: string): VerifiedOffer | undefined {
    return this.#offers.get(digest)?.offer
  }

  /** Providers of a package (`sha256:…`), the latest first. */
  providersOf(digest: string): string[] {
    return [...(this.#offers.get(digest)?.providers ?? [])]
  }
}
