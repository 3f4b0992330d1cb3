import type { PeerScoreParams, PeerScoreThresholds, TopicScoreParams } from '@libp2p/gossipsub/score'
import { groupOfHost } from './address-group.ts'
import { DISCONNECT_BELOW } from './scores/score-events.ts'

/*
 * Gossipsub's score of a peer decides who is in the mesh, who is told what there is, and who is heard at all. Every number below is derived in
 * protocol/README.md, "Gossip scores". In short: what no honest node does costs at once; that somebody is of no use is measured against the others
 * in the mesh, because in a quiet or star-shaped federation honest nodes relay nothing either.
 */

/** Below zero a peer leaves every mesh; below these it is told nothing, sent nothing, heard no more. */
export const THRESHOLDS = {
  gossipThreshold: -20,
  publishThreshold: -40,
  graylistThreshold: -80,
  /** Peers are never taken from PRUNE messages: unsigned addresses. */
  acceptPXThreshold: 1000,
  /** A mesh whose median peer has not been the first with anything lately takes in two better ones a minute. */
  opportunisticGraftThreshold: 1,
} satisfies PeerScoreThresholds

/** Milliseconds of one decay step. */
const STEP_MS = 1000
/** The factor per step with which a counter falls to a hundredth in `seconds`. */
const decayOver = (seconds: number): number => 0.01 ** (STEP_MS / 1000 / seconds)

/** Score at which the penalty of our own score begins; at `DISCONNECT_BELOW` it is as far below zero as `publishThreshold`. */
const OWN_SCORE_FREE = DISCONNECT_BELOW - THRESHOLDS.publishThreshold
/** What a banned peer has: below every threshold, whatever else it did. */
const BANNED = -1000

/** How our own score of a peer counts. */
export interface OwnScore {
  readonly score: number
  readonly banned: boolean
}

export const appScore = ({ score, banned }: OwnScore): number => (banned ? BANNED : Math.min(0, score - OWN_SCORE_FREE))

/** Peers of one public address (IPv4) or site (IPv6) that share a mesh without penalty: an office or a small hoster. */
const COLOCATED = 10

/** The part that is common to all topics. `ownScore` is asked at every heartbeat. */
export function peerScoreParams(
  topics: PeerScoreParams['topics'],
  ownScore: (peer: string) => OwnScore,
): Partial<PeerScoreParams> {
  return {
    topics,
    topicScoreCap: 5,
    appSpecificScore: (peer) => appScore(ownScore(peer)),
    appSpecificWeight: 1,
    IPColocationFactorWeight: -1,
    IPColocationFactorThreshold: COLOCATED,
    IPColocationFactorWhitelist: new LocalGroups(),
    behaviourPenaltyWeight: -5,
    behaviourPenaltyThreshold: 6,
    behaviourPenaltyDecay: decayOver(600),
    decayInterval: STEP_MS,
    decayToZero: 0.01,
    // The library starts a score anew when the peer comes back, so this only costs memory: what lasts is our own score.
    retainScore: 60_000,
  }
}

/** What is never counted as colocated: who is behind a loopback or private address is the operator's business. Groups as `addressGroup` has them. */
class LocalGroups extends Set<string> {
  override has(group: string): boolean {
    return groupOfHost(group.includes(':') ? `${group}::` : group) === undefined
  }
}

/** Deliveries of the median mesh peer, in `USEFUL_SECONDS`, from which on relaying is expected of the others. */
const MEDIAN_WITH_TRAFFIC = 10
/** The part of the median's deliveries that each mesh peer is to reach. */
const EXPECTED_SHARE = 0.1
/** What a mesh peer that delivers nothing at all scores: out of the mesh, and still told what there is. */
const FREELOADER = -5
const USEFUL_SECONDS = 60

/** What an invalid message costs: one leaves the mesh, two reach `publishThreshold`, three `graylistThreshold`. */
const INVALID = { invalidMessageDeliveriesWeight: -10, invalidMessageDeliveriesDecay: decayOver(600) }
const NO_MESH_TIME = { timeInMeshWeight: 0, timeInMeshQuantum: 1, timeInMeshCap: 1 }

/** A topic with steady traffic, in which everybody relays: announcements. */
export function busyTopic(): TopicScoreParams {
  return {
    topicWeight: 1,
    ...NO_MESH_TIME,
    ...INVALID,
    firstMessageDeliveriesWeight: 0.1,
    firstMessageDeliveriesDecay: decayOver(2 * USEFUL_SECONDS),
    firstMessageDeliveriesCap: 50,
    // Threshold and weights follow the traffic: `followTraffic`.
    meshMessageDeliveriesWeight: -1,
    meshMessageDeliveriesThreshold: Number.MIN_VALUE,
    meshMessageDeliveriesDecay: decayOver(USEFUL_SECONDS),
    meshMessageDeliveriesCap: 1000,
    meshMessageDeliveriesWindow: 2000,
    meshMessageDeliveriesActivation: USEFUL_SECONDS * 1000,
    meshFailurePenaltyWeight: -1,
    meshFailurePenaltyDecay: decayOver(600),
  }
}

/** A topic that may be silent for days: yanks, checkpoints, goals. Only invalid messages count. */
export function quietTopic(): TopicScoreParams {
  return {
    ...busyTopic(),
    firstMessageDeliveriesWeight: 0,
    meshMessageDeliveriesWeight: 0,
    meshFailurePenaltyWeight: 0,
  }
}

/**
 * Sets what is expected of each mesh peer of a busy topic, given what each of them delivered lately: a tenth of the median. Where the median peer
 * delivers next to nothing, nothing is expected: the federation is quiet, or its traffic comes from one side.
 */
export function followTraffic(params: TopicScoreParams, deliveries: readonly number[], leastMesh: number): void {
  const sorted = [...deliveries].sort((a, b) => a - b)
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  const expected = sorted.length >= leastMesh && median >= MEDIAN_WITH_TRAFFIC ? EXPECTED_SHARE * median : 0
  params.meshMessageDeliveriesThreshold = expected
  if (expected === 0) return
  params.meshMessageDeliveriesWeight = FREELOADER / expected ** 2
  params.meshFailurePenaltyWeight = FREELOADER / expected ** 2
}
