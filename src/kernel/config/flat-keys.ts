import { StartError } from '../base/errors.ts'
import { findKey } from './keys.ts'
import type { Origin, Setting } from './setting.ts'

/** Agent network, "DecentralizedNodeConfig": the names that its configuration has without sections, and the keys that they set. */
const FLAT: ReadonlyMap<string, string> = new Map([
  ['listen_address', 'p2p.host'],
  ['listen_port', 'p2p.port'],
  ['seed_addresses', 'p2p.seeds'],
  ['max_peers', 'p2p.max_connections'],
  ['tau_host', 'anchors.tau_host'],
  ['tau_port', 'anchors.tau_port'],
  ['tau_commit_interval', 'anchors.commit_interval_seconds'],
  ['tau_commit_threshold', 'anchors.commit_threshold'],
  ['commit_to_tau', 'anchors.commit_to_tau'],
  ['accept_contributions', 'goals.accept_contributions'],
  ['serve_evaluations', 'goals.serve_evaluations'],
  ['health_port', 'health.port'],
  ['enable_health_server', 'health.enable_server'],
  ['ws_port', 'http.ws_port'],
  ['min_peers_for_ready', 'health.min_peers_for_ready'],
  ['max_sync_lag_for_ready', 'health.max_sync_lag_for_ready'],
  ['log_level', 'log.level'],
])

/** Names of the document that have no value here but null. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['state_persist_path', 'all state is kept in the folder that data_dir names'],
  ['peer_scores_path', 'scores of peers are kept in the store, in the folder that data_dir names'],
  ['consensus', 'nodes converge without voting, and nothing of it is configured'],
  ['economics', 'there is nothing of it to configure'],
  ['evaluation', 'every node evaluates for itself, and each goal says how'],
])

/**
 * The settings that a flat name of the document makes; undefined for any other name. Throws `StartError` for one that means nothing here.
 */
export function flatSetting(name: string, value: unknown, origin: Origin): Setting[] | undefined {
  const reason = ELSEWHERE.get(name)
  if (reason !== undefined) {
    if (value === null) return []
    throw new StartError(`${name} (${origin}): is no key here, and only null is allowed: ${reason}`)
  }
  const key = findKey(FLAT.get(name) ?? '')
  return key === undefined ? undefined : [{ key, value, origin }]
}
