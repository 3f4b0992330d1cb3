import {
  FEDERATION_LIMITS,
  type FederationStatus,
  type ForwardRequest,
  type InvitationCreated,
  type InvitationTerms,
  type JoinChallenge,
  type JoinRequest,
  type JoinWelcome,
  type Partner,
  type PartnerAdded,
  type PartnerAddition,
  type PartnerChange,
} from '../../protocol/federation.ts'
import type { Administration } from '../domain/access/administration.ts'
import { Invitations, readInvitation } from '../domain/federation/invitations.ts'
import type { PartnerRecord } from '../domain/federation/partners.ts'
import { FederationTokens } from '../domain/federation/tokens.ts'
import { errorMessage, ProviderError } from '../kernel/base/errors.ts'
import type { Part } from '../kernel/base/lifecycle.ts'
import type { Requester, RequestOutcome } from './api.ts'
import { FORWARD_MS, type Forwarded, Forwarding } from './flows/forward-request.ts'
import { describePartner, dialable } from './flows/introduce.ts'
import { PartnerJoining } from './flows/join-partner.ts'
import { PartnerCalls } from './flows/partner-calls.ts'
import { PartnerRequests, requesterOf } from './flows/partner-requests.ts'
import type { CellRequests } from './flows/request-cell.ts'
import type { RequestRecords } from './flows/request-records.ts'
import { welcomePartner } from './flows/welcome-partner.ts'
import type { NodeParts } from './parts.ts'

/** What the federation needs beside the parts. */
interface FederationNeeds {
  readonly administration: Administration
  readonly requests: Pick<CellRequests, 'answer'>
  readonly records: Pick<RequestRecords, 'answered' | 'pending'>
}

/** Ids of forwarded requests. */
const newRequestId = (): string => `fwd-${crypto.randomUUID()}`

/** Provider API, "Provider Federation API": partners, what they may do, and requests that are forwarded to them and by them. */
export class Federation implements Part {
  readonly name = 'federation'
  readonly #parts: NodeParts
  readonly #administration: Administration
  readonly #invitations: Invitations
  readonly #tokens: FederationTokens
  readonly #calls: PartnerCalls
  readonly #joining: PartnerJoining
  readonly #requests: PartnerRequests
  readonly #forwarding: Forwarding
  readonly #searches: Pick<CellRequests, 'answer'>
  readonly #records: Pick<RequestRecords, 'answered' | 'pending'>
  readonly #stopping = new AbortController()

  constructor(parts: NodeParts, { administration, requests, records }: FederationNeeds) {
    const { store, clock, config, keys, partners } = parts
    this.#parts = parts
    this.#administration = administration
    this.#searches = requests
    this.#records = records
    this.#invitations = new Invitations({ store, clock, network: config.network.name, self: keys.providerId })
    this.#tokens = new FederationTokens({ self: keys.providerId, token: keys.token, partners, clock })
    this.#calls = new PartnerCalls(parts)
    this.#joining = new PartnerJoining(parts, this.#tokens, administration)
    this.#requests = new PartnerRequests(parts, this.#tokens)
    this.#forwarding = new Forwarding(parts, this.#calls)
  }

  /** Reads in who is a partner; to be awaited before peers are answered. Where federation is off, nobody is. */
  async load(): Promise<void> {
    await this.#invitations.load()
    if (!this.#parts.config.federation.enabled) return
    await this.#parts.partners.load((id) => void this.#apply(id))
  }

  async start(): Promise<void> {
    await Promise.all(this.#parts.partners.list().map(({ provider_id }) => this.#apply(provider_id)))
  }

  stop(): void {
    this.#joining.stop()
    this.#stopping.abort(new Error('the node is stopping'))
  }

  /** The administrator sees everything but secrets; others see who is a partner, and what it announces. */
  status(isAdmin: boolean): FederationStatus {
    const { enabled, id, name, auto_forward, capability_sharing, analytics_sharing } = this.#parts.config.federation
    const network = this.#parts.config.network.name
    const connected = new Set(this.#parts.network.connectedPeers().map(({ providerId }) => providerId))
    return {
      federation_enabled: enabled,
      federation_id: id ?? network,
      federation_name: name ?? id ?? network,
      federation_partners: this.#parts.partners.list().map((partner) => this.#describe(partner, connected, isAdmin)),
      federation_policies: { auto_forward, capability_sharing, analytics_sharing },
      ...(isAdmin
        ? {
            pending_partners: this.#joining.waiting.map(({ partner, url, since, attempts, lastError }) => ({
              provider_id: partner,
              url,
              since: new Date(since).toISOString(),
              attempts,
              last_error: lastError,
            })),
          }
        : {}),
    }
  }

  /** Durable and logged when it resolves, as all that an administrator does here; `by` is who does it. */
  async invite(terms: InvitationTerms, by: string): Promise<InvitationCreated> {
    this.#checkEnabled()
    const { trust_level = 'limited', federation_policies, private_url = false } = terms
    const complete = {
      trust_level,
      federation_policies: { ...this.#policies(), ...federation_policies },
      private_url,
    }
    const { text, expiresAt } = await this.#invitations.create(complete, (tx, details) =>
      this.#administration.add(tx, { act: 'partner_invited', by, details }),
    )
    return {
      invitation: text,
      provider_id: this.#parts.keys.providerId,
      url: this.#parts.config.http.public_url,
      expires_at: new Date(expiresAt).toISOString(),
    }
  }

  /** Adds a partner: by its invitation together with it, else with what the administrator says. */
  async add(addition: PartnerAddition, by: string): Promise<PartnerAdded> {
    this.#checkEnabled()
    const invitation = readInvitation(addition.shared_secret, this.#parts.config.network.name)
    if (invitation === undefined && addition.shared_secret.startsWith('ci1.')) {
      throw new ProviderError(
        'PROV_001',
        'shared_secret begins as an invitation and is none: ci1.<provider id>.<secret>',
      )
    }
    if (invitation === undefined) return this.#addByDocument(addition, by)
    const partner = await this.#joining.join(invitation, addition, by)
    const partner_id = invitation.providerId
    if (partner !== undefined) return this.#added(partner, 'both nodes are partners now')
    return {
      status: 'pending',
      partner_id,
      message: 'the other node does not answer now; it is tried again until the invitation must have expired',
    }
  }

  async change(id: string, change: PartnerChange, by: string): Promise<Partner> {
    const { partners } = this.#parts
    const changed = await partners.change(id, change, (tx, partner) =>
      this.#administration.add(tx, { act: 'partner_changed', by, details: describePartner(partner) }),
    )
    const connected = new Set(this.#parts.network.connectedPeers().map(({ providerId }) => providerId))
    return this.#describe(changed, connected, true)
  }

  /** Its token is worth nothing from this call on. An addition that waits is given up. Throws `PROV_010`. */
  async remove(id: string, by: string): Promise<void> {
    const wasWaiting = this.#joining.forget(id)
    if (wasWaiting && this.#parts.partners.get(id) === undefined) return
    await this.#parts.partners.remove(id, (tx, partner) =>
      this.#administration.add(tx, { act: 'partner_removed', by, details: describePartner(partner) }),
    )
  }

  /** A node that holds an invitation of this one. */
  async welcome(message: JoinRequest): Promise<JoinChallenge | JoinWelcome> {
    this.#checkEnabled()
    return welcomePartner(
      {
        ...this.#parts,
        invitations: this.#invitations,
        tokens: this.#tokens,
        administration: this.#administration,
      },
      message,
    )
  }

  async forward(
    requester: Requester,
    request: ForwardRequest,
  ): Promise<{ readonly requestId: string; readonly token: string | undefined }> {
    this.#checkEnabled()
    const { query, partner, requestId: theirs } = await this.#forwarding.send(request)
    const requestId = newRequestId()
    const way = { kind: 'at_partner', partner, requestId: theirs } as const
    const token = await this.#records.pending(requester, requestId, {}, query, way)
    return { requestId, token }
  }

  /** What became of a request that a partner took. Never throws. */
  follow(forwarded: Forwarded): Promise<RequestOutcome> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(FORWARD_MS)])
    return this.#forwarding.follow(forwarded, signal)
  }

  async accept(request: ForwardRequest, target: { readonly method: string; readonly path: string }): Promise<string> {
    this.#checkEnabled()
    const { requester, query } = await this.#requests.accept(request, target)
    const requestId = newRequestId()
    const outcome = await this.#searches.answer(query, 0, 'directory')
    if (outcome.status !== 'pending') this.#records.answered(requester, requestId, {}, outcome)
    else await this.#records.pending(requester, requestId, {}, query, { kind: 'for_partner' })
    return requestId
  }

  /** The partner that a call with a federation token is from. Throws `PROV_016` and `PROV_004`. */
  async identify(
    token: string,
    proof: string | undefined,
    target: { readonly method: string; readonly path: string },
  ): Promise<{ readonly requester: Requester; readonly mayReadAnalytics: boolean }> {
    this.#checkEnabled()
    const partner = await this.#requests.identify(token, proof, target)
    const { analytics_sharing } = partner.federation_policies
    return {
      requester: requesterOf(partner),
      mayReadAnalytics: analytics_sharing && partner.trust_level !== 'untrusted',
    }
  }

  async #addByDocument(addition: PartnerAddition, by: string): Promise<PartnerAdded> {
    const { partners, keys } = this.#parts
    const { provider_id: id, name, url, contact_info = {}, trust_level = 'limited', federation_policies } = addition
    if (id === undefined) {
      throw new ProviderError(
        'PROV_001',
        'provider_id is missing: only an invitation (ci1.…) as shared_secret says who the partner is',
      )
    }
    if (id === keys.providerId) throw new ProviderError('PROV_001', 'this node cannot be its own partner')
    const partner = await partners.add(
      {
        provider_id: id,
        name: name ?? id,
        url: url.replace(/\/+$/, ''),
        private_url: true,
        contact_info,
        trust_level,
        federation_policies: { ...this.#policies(), ...federation_policies },
        generation: await partners.nextGeneration(),
        joined_by: 'document',
        publisher: null,
        key: null,
        token: addition.partner_token ?? null,
        addresses: [],
      },
      {
        replace: false,
        witness: (tx, details) =>
          this.#administration.add(tx, { act: 'partner_added', by, details: describePartner(details) }),
      },
    )
    return this.#added(partner, 'the partner presents federation_token to this node')
  }

  async #added(partner: PartnerRecord, message: string): Promise<PartnerAdded> {
    const federation_token = await this.#tokens.issue(partner)
    return { status: 'success', partner_id: partner.provider_id, federation_token, message }
  }

  #describe(partner: PartnerRecord, connected: ReadonlySet<string>, isAdmin: boolean): Partner {
    const { directory } = this.#parts
    const { provider_id, name, url, trust_level, federation_policies, contact_info, joined_by, added_at } = partner
    const shares = federation_policies.capability_sharing
    return {
      provider_id,
      capabilities: shares ? directory.capabilitiesOf(provider_id, FEDERATION_LIMITS.capabilities) : [],
      cell_count: directory.cellsOf(provider_id),
      status: this.#statusOf(partner, connected),
      ...(isAdmin
        ? {
            name,
            url,
            trust_level,
            federation_policies,
            contact_info,
            joined_by,
            added_at: new Date(added_at).toISOString(),
          }
        : {}),
    }
  }

  #statusOf(partner: PartnerRecord, connected: ReadonlySet<string>): Partner['status'] {
    const { provider_id: id, trust_level, url } = partner
    if (trust_level === 'untrusted' || (url === null && !connected.has(id))) return 'limited'
    return connected.has(id) || this.#calls.answered(id) === true ? 'active' : 'inactive'
  }

  #policies(): PartnerRecord['federation_policies'] {
    const { auto_forward, capability_sharing, analytics_sharing } = this.#parts.config.federation
    return { auto_forward, capability_sharing, analytics_sharing }
  }

  /** What follows from who is a partner, and how far it is trusted. Never rejects. */
  async #apply(id: string): Promise<void> {
    const { partners, trust, directory, network, logger } = this.#parts
    const trusted = partners.list().filter(({ trust_level }) => trust_level === 'trusted')
    trust.followPartners(trusted.flatMap(({ publisher }) => publisher ?? []))
    const partner = partners.get(id)
    const shares = partner?.trust_level !== 'untrusted' && partner?.federation_policies.capability_sharing === true
    if (!shares) network.letGo(id)
    if (partner === undefined) return
    try {
      if (partner.trust_level === 'untrusted') await directory.forget(id)
      else await network.addAddresses(id, dialable(partner))
      // Partners that share hear of each other's cells and yanks over a connection, so it is there before anybody asks.
      if (shares) network.keepConnected(id)
    } catch (error) {
      logger.warn({ partner: id, reason: errorMessage(error) }, 'a partner is only partly in force')
    }
  }

  #checkEnabled(): void {
    if (this.#parts.config.federation.enabled) return
    throw new ProviderError('PROV_009', 'federation is off on this node: federation.enabled')
  }
}
