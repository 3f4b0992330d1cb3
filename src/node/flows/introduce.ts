import type { Introduction } from '../../../protocol/federation.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { PartnerRecord } from '../../domain/federation/partners.ts'
import { rangeOfHost } from '../../kernel/egress/address-range.ts'
import { escapeControls } from '../../kernel/telemetry/escape.ts'
import type { NodeParts } from '../parts.ts'

/** What this node says about itself to a partner. */
export const introductionOf = (
  { config, keys, network }: Pick<NodeParts, 'config' | 'keys' | 'network'>,
  ownUrl: string | undefined,
): Introduction => ({
  name: escapeControls(config.node.name).slice(0, 128),
  url: ownUrl ?? config.http.public_url,
  publisher: keys.publisher.publisher,
  addresses: network.addresses.slice(0, LIMITS.announcementAddresses),
})

/** A partner as the log commits to it: without tokens. */
export const describePartner = ({ token: _, ...partner }: PartnerRecord): object => partner

/** `/ip4/<address>/tcp/…` */
const LITERAL = /^\/ip[46]\/([^/]+)\/tcp\//

/** Those of a partner's addresses that may be dialled: private ones, and names, only where the operator chose to. */
export const dialable = ({ addresses, private_url }: Pick<PartnerRecord, 'addresses' | 'private_url'>): string[] =>
  addresses.filter((address) => {
    const host = LITERAL.exec(address)?.[1]
    const range = host === undefined ? 'name' : rangeOfHost(host)
    return range === 'public' || (private_url && range !== 'special')
  })
