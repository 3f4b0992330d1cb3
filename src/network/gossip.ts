import { type GossipSub, gossipsub, type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import type { PeerId } from '@libp2p/interface'
import { LIMITS } from '../../protocol/limits.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import type { NetworkHandlers } from './handlers.ts'

/** Bytes of one gossip exchange: it may carry many messages, each of which is bounded by `LIMITS.announcementBytes`. */
const EXCHANGE_BYTES = 8 * 1024 * 1024
/** Bytes that wait for a peer which does not read its gossip; beyond it the stream is reset. */
const OUTBOUND_BYTES = 16 * 1024 * 1024

/** The gossip service: every message is signed by who publishes it, and judged before it is passed on. */
export function gossipService(topic: string) {
  return gossipsub({
    globalSignaturePolicy: 'StrictSign',
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    allowedTopics: [topic],
    maxInboundDataLength: EXCHANGE_BYTES,
    maxOutboundBufferSize: OUTBOUND_BYTES,
    scoreParams: {
      // Ten nodes behind one address (a laptop, an office, a loopback federation) are usual here; by default they would be punished until the
      // mesh never completes.
      IPColocationFactorWeight: 0,
      // The only thing that costs score is a message that every honest node refuses.
      topics: {
        [topic]: createTopicScoreParams({
          topicWeight: 1,
          timeInMeshWeight: 0,
          firstMessageDeliveriesWeight: 0,
          meshMessageDeliveriesWeight: 0,
          meshFailurePenaltyWeight: 0,
          invalidMessageDeliveriesWeight: -1,
          invalidMessageDeliveriesDecay: 0.9,
        }),
      },
    },
  })
}

const VERDICTS = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const

/** Announcements over gossip. */
export class AnnouncementGossip {
  readonly #gossip: GossipSub
  readonly #topic: string
  readonly #handlers: Pick<NetworkHandlers, 'onAnnouncement'>
  readonly #logger: Logger

  constructor(gossip: GossipSub, topic: string, handlers: Pick<NetworkHandlers, 'onAnnouncement'>, logger: Logger) {
    this.#gossip = gossip
    this.#topic = topic
    this.#handlers = handlers
    this.#logger = logger
  }

  start(): void {
    this.#gossip.topicValidators.set(this.#topic, (peer, message) => this.#judge(peer, message))
    this.#gossip.subscribe(this.#topic)
  }

  async publish(bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength > LIMITS.announcementBytes) {
      throw new RangeError(
        `an announcement of ${bytes.byteLength} bytes; at most ${LIMITS.announcementBytes} are allowed`,
      )
    }
    await this.#gossip.publish(this.#topic, bytes)
  }

  #judge(peer: PeerId, message: Message): TopicValidatorResult {
    if (message.data.byteLength > LIMITS.announcementBytes) return TopicValidatorResult.Reject
    try {
      return VERDICTS[this.#handlers.onAnnouncement(message.data, peer.toString())]
    } catch (error) {
      this.#logger.error({ peer: peer.toString(), err: error }, 'an announcement could not be judged')
      return TopicValidatorResult.Ignore
    }
  }
}
