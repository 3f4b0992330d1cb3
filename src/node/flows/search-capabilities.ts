import { validRange } from 'semver'
import type { CapabilitySearch, CapabilitySearchResponse } from '../../../protocol/discovery.ts'
import { byVersion, type Candidate } from '../../domain/cells/candidate.ts'
import { inRange, isYanked } from '../../domain/cells/resolver.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { NodeParts } from '../parts.ts'
import { reachabilityOf } from './provider-info.ts'

interface Parts extends Pick<NodeParts, 'trust' | 'yanks'> {
  readonly keys: Pick<NodeParts['keys'], 'providerId'>
  readonly index: Pick<NodeParts['index'], 'candidates' | 'get'>
  readonly directory: Pick<NodeParts['directory'], 'find'>
  readonly receipts: Pick<NodeParts['receipts'], 'reachable' | 'lastSeen' | 'place'>
}

/** Cells that an answer names; `cell_type_count` is the whole number. */
const MAX_CELL_TYPES = 100
/** Versions that an answer names; `version_count` is the whole number. */
const MAX_VERSIONS = 500

/** A cell that offers the capability, and where it can be had. The provider of a cached copy is in its record. */
type Offer = Pick<Candidate, 'id' | 'publisher' | 'cellType' | 'version' | 'offered'> & {
  readonly source: 'local' | 'federated'
  readonly provider: string | undefined
}

/**
 * Provider API, "Search Capabilities": what was registered here, and what this node may take from those who announced it. Nobody is
 * asked. Without a range everything is listed, prereleases too. Throws `PROV_001` for a range that is none.
 */
export function searchCapabilities(search: CapabilitySearch, parts: Parts): CapabilitySearchResponse {
  const { capability: name, version: range, include_details: isDetailed = false } = search
  if (range !== undefined && validRange(range) === null) {
    const found = JSON.stringify(range)
    throw new ProviderError('PROV_001', `version: found ${found}, allowed is an npm semver range such as ">=1.2.0 <2"`)
  }
  const offers = offersOf(name, parts).filter(({ offered }) => range === undefined || inRange(offered, range))
  if (offers.length === 0) return { capabilities: [] }
  const versions = new Set(offers.map(({ offered }) => offered))
  const own = offers.find(({ source }) => source === 'local')
  return {
    capabilities: [
      {
        name,
        versions: [...versions].slice(0, MAX_VERSIONS),
        version_count: versions.size,
        cell_types: offers.slice(0, MAX_CELL_TYPES).map((offer) => ({
          cell_type: offer.cellType,
          version: offer.version,
          capability_version: offer.offered,
          cell_id: offer.id,
          source: offer.source,
          provider_id: providerOf(offer, parts),
          ...(offer.source === 'local' ? {} : reachabilityOf(providerOf(offer, parts), parts.receipts)),
          ...(isDetailed ? detailsOf(offer, parts) : {}),
        })),
        cell_type_count: offers.length,
        documentation_url: (own && parts.index.get(own.id)?.annotations.documentation_url) ?? null,
      },
    ],
  }
}

/** Every cell that offers the capability and is not yanked, once for each version that it offers, in the order of posting lists. */
function offersOf(name: string, { index, directory, trust, yanks, keys, receipts }: Parts): Offer[] {
  const here = index.candidates('capability', name)
  const held = new Set(here.map(({ id }) => id))
  const offers = new Map<string, Offer>()
  for (const candidate of here) {
    if (isYanked(candidate, yanks)) continue
    const { registered } = candidate
    const provider = registered ? keys.providerId : undefined
    offers.set(keyOf(candidate), { ...candidate, source: registered ? 'local' : 'federated', provider })
  }
  for (const { provider, cell, offered } of directory.find('capability', name)) {
    const { manifest_digest: id, publisher, cell_type: cellType, version, status = 'active' } = cell
    if (!trust.accepts(publisher) || isYanked({ id, publisher, status }, yanks)) continue
    const key = keyOf({ id, offered })
    const known = offers.get(key)
    if (known === undefined) {
      // The manifest of a cell that is here says that it offers something else.
      if (held.has(id)) continue
      offers.set(key, { id, publisher, cellType, version, offered, source: 'federated', provider })
    } else if (
      known.source === 'federated' &&
      (known.provider === undefined || isBefore(provider, known.provider, receipts))
    ) {
      offers.set(key, { ...known, provider })
    }
  }
  return [...offers.values()].sort(byVersion)
}

/** Of several who announce a cell, one that can be reached, then the smallest id: the same one in every answer. */
const isBefore = (a: string, b: string, receipts: Parts['receipts']): boolean =>
  receipts.place(a) < receipts.place(b) || (receipts.place(a) === receipts.place(b) && a < b)

/** An announcement may claim another version than the manifest that it names: then it is another offer. */
const keyOf = ({ id, offered }: Pick<Candidate, 'id' | 'offered'>): string => `${id}@${offered}`

const providerOf = ({ id, provider }: Offer, { index, keys }: Parts): string =>
  provider ?? index.get(id)?.source ?? keys.providerId

/** What an announcement does not say is null, unless the cell is here. */
function detailsOf({ id, publisher }: Offer, { index }: Parts) {
  const cell = index.get(id)
  return {
    description: cell === undefined ? null : (cell.annotations.description ?? ''),
    publisher,
    digest: cell?.manifest.package.digest ?? null,
  }
}
