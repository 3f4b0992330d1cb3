import type { PeerBan, PeerBanOrder, PeerList } from '../../../protocol/peers.ts'
import type { Administration } from '../../domain/access/administration.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { nodeIdOf, publicKeyOf } from '../../kernel/identity/ids.ts'
import type { ProviderNode } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import { reachabilityOf } from './provider-info.ts'

/** Version of the protocol over which peers count as connected: part of its id. */
const PROTOCOL_VERSION = '1.0.0'
/** Providers that the list of peers names; `known_providers` is the whole number. */
const MAX_PROVIDERS = 500
/** A score below this one is low: that of a peer of which nothing is known. */
const START_SCORE = 100

/** Agent network, "GET /peers": who is connected, how the seeds are doing, and which providers are known. */
export function peerList(parts: Pick<NodeParts, 'network' | 'directory' | 'clock' | 'receipts'>): PeerList {
  const { network, directory, clock, receipts } = parts
  const now = clock.now()
  const peers = network.connectedPeers().map((peer): PeerList['peers'][number] => {
    const { providerId, direction, connectedMs, seed, software } = peer
    const key = publicKeyOf(providerId)
    return {
      node_id: nodeIdOf(key),
      public_key: Buffer.from(key).toString('base64'),
      addresses: [...peer.tcpAddresses],
      capabilities: {
        accepts_contributions: null,
        serves_leaderboard: null,
        // Part of that version.
        serves_log_proofs: true,
        goal_ids: [],
        protocol_version: PROTOCOL_VERSION,
        software_version: software,
      },
      timestamp: Math.round(now - connectedMs),
      peer_score: network.scores.of(providerId),
      provider_id: providerId,
      multiaddrs: [...peer.addresses],
      direction,
      connected_ms: connectedMs,
      round_trip_ms: peer.roundTripMs ?? null,
      traffic_bytes: peer.traffic,
      cells: directory.cellsOf(providerId),
      seed,
    }
  })
  const connected = new Set(peers.map(({ provider_id }) => provider_id))
  const scores = peers.map(({ peer_score }) => peer_score.score)
  return {
    goal_id: null,
    total: peers.length,
    stats: {
      total: peers.length,
      banned: network.scores.banned().length,
      trusted: peers.filter(({ peer_score }) => peer_score.trusted).length,
      low_score: scores.filter((score) => score < START_SCORE).length,
      avg_score: scores.length === 0 ? null : scores.reduce((sum, score) => sum + score, 0) / scores.length,
    },
    peers,
    seeds: network.seeds().map(({ address, connected, attempts, lastError }) => ({
      address,
      connected,
      attempts,
      last_error: lastError ?? null,
    })),
    known_providers: directory.providerCount,
    providers: Array.from(directory.providers(), ([id, cells]) => ({ id, cells, place: receipts.place(id) }))
      .sort((a, b) => a.place - b.place || (a.id < b.id ? -1 : 1))
      .slice(0, MAX_PROVIDERS)
      .map(({ id, cells }) => ({
        provider_id: id,
        cells,
        connected: connected.has(id),
        ...reachabilityOf(id, receipts),
      })),
  }
}

/** Bans by the operator: logged with what makes them durable. */
export function peerBans(
  { network, keys }: Pick<NodeParts, 'network' | 'keys'>,
  administration: Pick<Administration, 'add'>,
): ProviderNode['bans'] {
  const { scores } = network
  const list = (): PeerBan[] =>
    scores.banned().map(({ peer, reason, since, until }) => ({
      provider_id: peer,
      reason,
      since: new Date(since).toISOString(),
      until: until === null ? null : new Date(until).toISOString(),
    }))
  return {
    list() {
      const bans = list()
      return { total: bans.length, bans }
    },
    async ban(peer, order: PeerBanOrder, by) {
      assertPeer(peer, keys.providerId)
      const { reason = 'by the operator', duration_seconds: seconds } = order
      const ms = seconds === undefined ? Number.POSITIVE_INFINITY : seconds * 1000
      const details = { provider_id: peer, reason, ...(seconds === undefined ? {} : { duration_seconds: seconds }) }
      await scores.ban(peer, reason, ms, (tx) => administration.add(tx, { act: 'peer_banned', by, details }))
      const made = list().find((ban) => ban.provider_id === peer)
      if (made !== undefined) return made
      throw new ProviderError('PROV_001', `the ban of ${peer} is over already`, { status: 409 })
    },
    async unban(peer, by) {
      const details = { provider_id: peer }
      const lifted = await scores.unban(peer, (tx) => administration.add(tx, { act: 'peer_unbanned', by, details }))
      if (!lifted) throw new ProviderError('PROV_001', `${peer} is not banned`, { status: 404 })
      return { provider_id: peer, peer_score: scores.of(peer) }
    },
  }
}

/** Throws `PROV_001` for what is the id of no other node. */
function assertPeer(peer: string, self: string): void {
  if (peer === self) throw new ProviderError('PROV_001', 'this node cannot ban itself')
  try {
    publicKeyOf(peer)
  } catch (error) {
    throw new ProviderError('PROV_001', `${peer} is the id of no node`, { cause: error })
  }
}
