import { LIMITS } from '../../protocol/limits.ts'
import type { OfferedCell } from '../../protocol/rpc.ts'
import { type AnswerParts, answerParts } from '../domain/cells/answer.ts'
import type { Candidate } from '../domain/cells/candidate.ts'
import type { Publishers } from '../domain/cells/publishers.ts'
import type { CellQuery } from '../domain/cells/query.ts'
import type { VerifiedCell } from '../domain/cells/repository.ts'
import { BudgetMap } from '../kernel/base/budget-map.ts'
import { equalJson } from '../kernel/base/equal-json.ts'
import { isHybrid, manifestDigest, parseManifest, verifyManifest } from '../kernel/identity/manifest-signature.ts'
import type { SignatureVerifier } from '../kernel/identity/verify-pure.ts'

/** A cell that a peer offers, with everything about it that can be checked without its package checked. */
export interface VerifiedOffer extends VerifiedCell {
  readonly createdAt: string
  readonly status: OfferedCell['status']
  /** Whether its signature has a post-quantum half. */
  readonly hybrid: boolean
}

/**
 * Characters of JSON that remembered offers come to: some 6,000 usual ones, or a hundred of the largest. Verifying an offer again costs fifty
 * times as much as recognising it.
 */
const OFFER_BUDGET = 16 * 1024 * 1024

/** Verifies what peers offer. A signature is checked once per cell, however often it is offered in the same words. */
export class OfferVerifier {
  readonly #network: string
  readonly #verifier: SignatureVerifier
  readonly #publishers: Publishers
  /** By signature token. */
  readonly #verified: BudgetMap<string, { readonly offered: OfferedCell; readonly offer: VerifiedOffer }>

  /** `budget`: characters of JSON to remember. */
  constructor(network: string, verifier: SignatureVerifier, publishers: Publishers, budget = OFFER_BUDGET) {
    this.#verified = new BudgetMap(budget)
    this.#network = network
    this.#verifier = verifier
    this.#publishers = publishers
  }

  /** An offer that was verified before, in the same words. */
  known(offered: OfferedCell): VerifiedOffer | undefined {
    const known = this.#verified.get(offered.signature)
    return known !== undefined && equalJson(known.offered, offered) ? known.offer : undefined
  }

  /**
   * Throws `ProviderError` when manifest or signature do not hold, or the publisher's keys do not count any more. The key records of a publisher
   * that this node has nothing of are stored only where `vouched` says so (see `Publishers.admit`).
   */
  async verify(offered: OfferedCell, vouched: (publisher: string) => boolean = () => false): Promise<VerifiedOffer> {
    const known = this.known(offered)
    if (known !== undefined) return known
    const manifest = parseManifest(offered.manifest)
    const { kind, publisher } = verifyManifest(this.#verifier, this.#network, manifest, offered.signature)
    await this.#admit(publisher, offered.signature, vouched(publisher) ? 'always' : 'known')
    const offer: VerifiedOffer = {
      id: manifestDigest(manifest),
      manifest,
      signature: offered.signature,
      signedBy: kind,
      annotations: offered.annotations,
      createdAt: offered.created_at,
      status: offered.status,
      hybrid: isHybrid(offered.signature),
    }
    this.#verified.set(offered.signature, { offered, offer }, JSON.stringify(offered).length)
    return offer
  }

  /** News about a publisher's keys may be that what they signed before does not count any more. */
  async #admit(publisher: string, token: string, store: 'always' | 'known'): Promise<void> {
    let isNews = true
    try {
      isNews = await this.#publishers.admit(publisher, token, store)
    } finally {
      if (isNews) this.#verified.deleteWhere(({ offer }) => offer.manifest.publisher === publisher)
    }
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
    hybrid: offer.hybrid,
    digest: manifest.package.digest,
    size: manifest.package.size,
    declaredMemoryMb: annotations.performance?.typical_memory_mb ?? undefined,
    declaredStartupMs: annotations.performance?.typical_startup_ms ?? undefined,
  }
}

/** Characters that remembered answers and the offers behind them come to: some 6,000 usual packages, or a hundred of the largest. */
const ANSWER_BUDGET = 32 * 1024 * 1024

/** A package that was offered. */
interface KnownOffer {
  readonly offer: VerifiedOffer
  /** The latest first. */
  readonly providers: readonly string[]
  readonly answer: AnswerParts
}

/** Where the packages of answered requests can be had: what a download by digest starts from. */
export class KnownOffers {
  /** By package digest. */
  readonly #offers: BudgetMap<string, KnownOffer>

  /** `budget`: characters of answers and offers to remember. */
  constructor(budget = ANSWER_BUDGET) {
    this.#offers = new BudgetMap(budget)
  }

  /** Remembers an offer, and returns its answer. */
  remember(offer: VerifiedOffer, provider: string): AnswerParts {
    const { digest } = offer.manifest.package
    const known = this.#offers.get(digest)
    if (known !== undefined && known.offer === offer && known.providers.includes(provider)) return known.answer
    // More than are ever asked for one package are not worth remembering.
    const providers = [...new Set([provider, ...(known?.providers ?? [])])].slice(0, LIMITS.askBudget)
    const answer = answerParts(
      {
        id: offer.id,
        manifest: offer.manifest,
        signature: offer.signature,
        created_at: offer.createdAt,
        annotations: offer.annotations,
        report: null,
        signed_by: offer.signedBy,
      },
      provider,
    )
    // The offer itself is about as large as the text that is made of it.
    const { before, middle, after } = answer
    this.#offers.set(digest, { offer, providers, answer }, 2 * (before.length + middle.length + after.length))
    return answer
  }

  /** The cell that a package (`sha256:…`) was last offered as. */
  offerOf(digest: string): VerifiedOffer | undefined {
    return this.#offers.get(digest)?.offer
  }

  /** Providers of a package (`sha256:…`), the latest first. */
  providersOf(digest: string): readonly string[] {
    return this.#offers.get(digest)?.providers ?? []
  }
}
