import type { Partners } from '../domain/federation/partners.ts'
import type { Config } from '../kernel/config/schema.ts'

/** What decides whose word counts. */
export interface Counting {
  readonly config: { readonly receipts: Pick<Config['receipts'], 'witnesses'> }
  readonly partners: Pick<Partners, 'get' | 'isUntrusted'>
}

/**
 * Whether what a peer says of others counts for this node as far as SECURITY 9 and 17 let it: it is a partner that is not untrusted, or a
 * witness that the operator pinned.
 */
export const isCounted = ({ config, partners }: Counting, peer: string): boolean =>
  config.receipts.witnesses.includes(peer) || (partners.get(peer) !== undefined && !partners.isUntrusted(peer))
