import type { EventMap, EventName, Events } from '../../kernel/telemetry/events.ts'
import type { Happening } from './event-ring.ts'

/** How each event of the bus that clients may hear of is told. */
const TELLINGS: { readonly [Name in EventName]?: (event: EventMap[Name]) => Happening } = {
  contribution_added: ({ goalId, contributionId, packHash, contributorId, score, logIndex }) => ({
    type: 'contribution_added',
    channel: 'contributions',
    goal_id: goalId,
    data: {
      contribution_id: contributionId,
      pack_hash: packHash,
      contributor_id: contributorId,
      score,
      log_index: logIndex,
    },
  }),
  leaderboard_update: ({ goalId, root, best }) => ({
    type: 'leaderboard_update',
    channel: 'leaderboard',
    goal_id: goalId,
    data: {
      leaderboard_root: root,
      best: best && {
        pack_hash: best.packHash,
        contributor_id: best.contributorId,
        score: best.score,
        log_index: best.logIndex,
      },
    },
  }),
  peer_connected: ({ providerId, address, direction }) => ({
    type: 'peer_connected',
    channel: 'peers',
    data: { provider_id: providerId, address, direction },
  }),
  peer_disconnected: ({ providerId }) => ({
    type: 'peer_disconnected',
    channel: 'peers',
    data: { provider_id: providerId },
  }),
  set_reconciled: ({ peer, set, complete, rounds, lacking, accepted, ignored, given }) => ({
    type: 'sync_progress',
    channel: 'sync',
    data: { provider_id: peer, set, complete, rounds, lacking, accepted, ignored, given },
  }),
  tau_commit: ({ goalId, logSize, root, anchor }) => ({
    type: 'tau_commit',
    channel: 'tau',
    ...(goalId === null ? {} : { goal_id: goalId }),
    data: { log_size: logSize, root, anchor },
  }),
}

/** Tells of what happens on the bus; the function that is returned stops that. */
export function tellEvents(bus: Pick<Events, 'on'>, tell: (happening: Happening) => void): () => void {
  const listen = <Name extends EventName>(name: Name): (() => void) => {
    const telling = TELLINGS[name]
    return telling === undefined ? () => undefined : bus.on(name, (event) => tell(telling(event)))
  }
  const stops = (Object.keys(TELLINGS) as EventName[]).map((name) => listen(name))
  return () => {
    for (const stop of stops) stop()
  }
}
