import { LIMITS } from './limits.ts'

/** Protocol identifiers of one network on libp2p. Two networks never meet: every id carries the network's name. */
export interface ProtocolIds {
  /** Standing stream of signed frames, one per peer and direction. */
  readonly rpc: string
  /** Package bytes, one stream per transfer. */
  readonly package: string
  /** Kademlia DHT. */
  readonly dht: string
  readonly topics: Readonly<Record<Topic, string>>
}

/** What is gossiped; the value is the most bytes that one message may have. */
export const TOPICS = {
  /** What nodes offer. */
  announcements: LIMITS.announcementBytes,
  /** Checkpoints of logs, and what is proven about them. */
  checkpoints: LIMITS.logRecordBytes,
} as const

export type Topic = keyof typeof TOPICS

/** The identifiers of `network` (the `network.name` of the configuration). */
export function protocolIds(network: string): ProtocolIds {
  return {
    rpc: `/cytoplex/${network}/rpc/1.0.0`,
    package: `/cytoplex/${network}/package/1.0.0`,
    dht: `/cytoplex/${network}/kad/1.0.0`,
    topics: mapTopics((topic) => `cytoplex/${network}/${topic}/1`),
  }
}

const mapTopics = (idOf: (topic: Topic) => string): Record<Topic, string> =>
  Object.fromEntries((Object.keys(TOPICS) as Topic[]).map((topic) => [topic, idOf(topic)])) as Record<Topic, string>
