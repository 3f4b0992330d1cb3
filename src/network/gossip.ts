import { type GossipSub, gossipsub, type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import type { PeerId } from '@libp2p/interface'
import { TOPICS, type Topic } from '../../protocol/protocol-ids.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { NetworkHandlers } from './handlers.ts'

/** Bytes of one gossip exchange: it may carry many messages, each of which is bounded by its topic. */
const EXCHANGE_BYTES = 8 * 1024 * 1024
/** Bytes that wait for a peer which does not read its gossip; beyond it the stream is reset. */
const OUTBOUND_BYTES = 16 * 1024 * 1024

/** The gossip service: every message is signed by who publishes it, and judged before it is passed on. */
export function gossipService(topics: Readonly<Record<Topic, string>>) {
  return gossipsub({
    globalSignaturePolicy: 'StrictSign',
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    allowedTopics: Object.values(topics),
    maxInboundDataLength: EXCHANGE_BYTES,
    maxOutboundBufferSize: OUTBOUND_BYTES,
    scoreParams: {
      // Ten nodes behind one address (a laptop, an office, a loopback federation) are usual here; by default they would be punished until the
      // mesh never completes.
      IPColocationFactorWeight: 0,
      // The only thing that costs score is a message that every honest node refuses.
      topics: Object.fromEntries(Object.values(topics).map((topic) => [topic, scoreParams()])),
    },
  })
}

const scoreParams = () =>
  createTopicScoreParams({
    topicWeight: 1,
    timeInMeshWeight: 0,
    firstMessageDeliveriesWeight: 0,
    meshMessageDeliveriesWeight: 0,
    meshFailurePenaltyWeight: 0,
    invalidMessageDeliveriesWeight: -1,
    invalidMessageDeliveriesDecay: 0.9,
  })

const VERDICTS = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const

/** What is gossiped, by topic. */
export class Gossip {
  readonly #gossip: GossipSub
  readonly #topics: Readonly<Record<Topic, string>>
  readonly #judges: NetworkHandlers['gossip']
  readonly #logger: Logger

  constructor(
    gossip: GossipSub,
    topics: Readonly<Record<Topic, string>>,
    judges: NetworkHandlers['gossip'],
    logger: Logger,
  ) {
    this.#gossip = gossip
    this.#topics = topics
    this.#judges = judges
    this.#logger = logger
  }

  start(): void {
    for (const [topic, id] of Object.entries(this.#topics) as [Topic, string][]) {
      this.#gossip.topicValidators.set(id, (peer, message) => this.#judge(topic, peer, message))
      this.#gossip.subscribe(id)
    }
  }

  /** Throws `RangeError` for a message that is too long for its topic. */
  async publish(topic: Topic, bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength > TOPICS[topic]) {
      throw new RangeError(`a message of ${bytes.byteLength} bytes; at most ${TOPICS[topic]} are allowed in ${topic}`)
    }
    await this.#gossip.publish(this.#topics[topic], bytes)
  }

  #judge(topic: Topic, peer: PeerId, message: Message): TopicValidatorResult {
    if (message.data.byteLength > TOPICS[topic]) return TopicValidatorResult.Reject
    try {
      return VERDICTS[this.#judges[topic](message.data, peer.toString())]
    } catch (error) {
      this.#logger.error({ topic, peer: peer.toString(), err: error }, 'a gossiped message could not be judged')
      return TopicValidatorResult.Ignore
    }
  }
}
