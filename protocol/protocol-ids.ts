import { LIMITS } from './limits.ts'

/** Protocol identifiers of one network on libp2p. Two networks never meet: every id carries the network's name. */
export interface ProtocolIds {
  /** Standing stream of signed frames, one per peer and direction. */
  readonly rpc: string
  /** Package bytes, one stream per transfer. */
  readonly package: string
  /** Kademlia DHT. */
  readonly dht: string
  topicId(topic: Topic | GoalTopic): string
  /** Whether that is the id of a topic of this network. */
  isTopic(id: string): boolean
}

/** What is gossiped; the value is the most bytes that one message may have. */
export const TOPICS = {
  /** What nodes offer. */
  announcements: LIMITS.announcementBytes,
  /** Publishers' yanks, as tokens. */
  yanks: LIMITS.yankTokenBytes,
  /** Checkpoints of logs, and what is proven about them. */
  checkpoints: LIMITS.logRecordBytes,
} as const

export type Topic = keyof typeof TOPICS

/** What is gossiped about one goal: `goal/` and the SHA-256 of the goal's record in lower-case hexadecimal. */
export type GoalTopic = `goal/${string}`

/** The identifiers of `network` (the `network.name` of the configuration). */
export function protocolIds(network: string): ProtocolIds {
  const before = `cytoplex/${network}/`
  return {
    rpc: `/cytoplex/${network}/rpc/1.0.0`,
    package: `/cytoplex/${network}/package/1.0.0`,
    dht: `/cytoplex/${network}/kad/1.0.0`,
    topicId: (topic) => `${before}${topic}/1`,
    isTopic: (id) => id.startsWith(before) && TOPIC_REST.test(id.slice(before.length)),
  }
}

const TOPIC_REST = new RegExp(`^(${Object.keys(TOPICS).join('|')}|goal/[0-9a-f]{64})/1$`)
