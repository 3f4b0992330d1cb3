import { type GossipSub, gossipsub, type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import { LIMITS } from '../../protocol/limits.ts'
import { type GoalTopic, type ProtocolIds, TOPICS, type Topic } from '../../protocol/protocol-ids.ts'
import { sha256Hex } from '../kernel/base/hash.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { guardRouter } from './gossip-gate.ts'
import { type GossipRouter, routerOf } from './gossip-router.ts'
import { busyTopic, followTraffic, type OwnScore, peerScoreParams, quietTopic, THRESHOLDS } from './gossip-scoring.ts'
import type { Judge, NetworkHandlers } from './handlers.ts'
import type { PeerLimits } from './peer-limits.ts'
import type { PeerScores } from './scores/peer-scores.ts'
import { TokenBuckets } from './token-bucket.ts'

/** Bytes of one gossip exchange: it may carry many messages, each of which is bounded by its topic. */
const EXCHANGE_BYTES = 8 * 1024 * 1024
/** Bytes that wait for a peer which does not read its gossip; beyond it the stream is reset. */
const OUTBOUND_BYTES = 16 * 1024 * 1024
/** Bytes of topics, with a kilobyte for each, that a peer may be subscribed to: all of this network, and as many goals as there may be. */
const TOPIC_BYTES = 2 * (Object.keys(TOPICS).length + LIMITS.goalTopics) * 1024
/** Messages that one author may have made at once: a node that stops withdraws up to 200 pages. */
const AUTHOR_BURST = 256
/** Valid messages per second that count for a peer's score: more would make up for sending too many. */
const PRAISE_PER_SECOND = 10
/** Peers that a mesh has at least. */
const LEAST_MESH = 4

const topics = Object.keys(TOPICS) as Topic[]

/** The gossip service: every message is signed by who publishes it, and judged before it is passed on. */
export function gossipService(ids: ProtocolIds, ownScore: (peer: string) => OwnScore) {
  return gossipsub({
    globalSignaturePolicy: 'StrictSign',
    // Peers that only flood have no score.
    fallbackToFloodsub: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    Dlo: LEAST_MESH,
    maxTopicBytesPerPeer: TOPIC_BYTES,
    maxInboundDataLength: EXCHANGE_BYTES,
    maxOutboundBufferSize: OUTBOUND_BYTES,
    // Recognises a copy without verifying its signature again: only what was verified is remembered.
    fastMsgIdFn: ({ signature }) => sha256Hex(signature ?? ''),
    scoreParams: peerScoreParams(
      Object.fromEntries(
        topics.map((topic) => [ids.topicId(topic), topic === 'announcements' ? busyTopic() : quietTopic()]),
      ),
      ownScore,
    ),
    scoreThresholds: THRESHOLDS,
  })
}

const VERDICTS = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const

/** What the node's gossip is made of. */
export interface GossipInit {
  readonly gossip: GossipSub
  readonly ids: ProtocolIds
  readonly judges: NetworkHandlers['gossip']
  readonly scores: Pick<PeerScores, 'isBanned' | 'record'>
  readonly limits: Pick<PeerLimits, 'violated'>
  readonly config: Pick<Config['p2p'], 'messages_per_second'>
  readonly logger: Logger
}

interface Joined {
  readonly topic: Topic | GoalTopic
  readonly bytes: number
  readonly judge: Judge
}

/** What is gossiped, by topic. */
export class Gossip {
  readonly #init: GossipInit
  readonly #router: GossipRouter
  readonly #authors: TokenBuckets
  readonly #praise = new TokenBuckets(PRAISE_PER_SECOND, PRAISE_PER_SECOND)
  /** Topics that this node is in, by id. */
  readonly #joined = new Map<string, Joined>()

  constructor(init: GossipInit) {
    const { gossip, ids, judges, scores, limits, config } = init
    this.#init = init
    this.#router = routerOf(gossip)
    this.#authors = new TokenBuckets(config.messages_per_second, Math.max(AUTHOR_BURST, config.messages_per_second))
    for (const topic of topics) {
      const judge: Judge = (bytes, from, author) => judges[topic](bytes, from, author)
      this.#joined.set(ids.topicId(topic), { topic, bytes: TOPICS[topic], judge })
    }
    guardRouter({
      router: this.#router,
      limits,
      messagesPerSecond: config.messages_per_second,
      mostBytes: (id) => this.#joined.get(id)?.bytes,
      isTopic: (id) => ids.isTopic(id),
      isBanned: (peer) => scores.isBanned(peer),
      record: (peer, event) => scores.record(peer, event),
    })
  }

  start(): void {
    for (const id of this.#joined.keys()) this.#subscribe(id)
    this.#router.addEventListener('gossipsub:heartbeat', () => this.#followTraffic())
  }

  /** Joins the topic of a goal. Throws `RangeError` when the node is in as many as it may be. */
  join(topic: GoalTopic, judge: Judge): void {
    const id = this.#init.ids.topicId(topic)
    const isNew = !this.#joined.has(id)
    if (isNew && this.#joined.size >= topics.length + LIMITS.goalTopics) {
      throw new RangeError(`the node gossips about ${LIMITS.goalTopics} goals, the most that are allowed`)
    }
    this.#joined.set(id, { topic, bytes: LIMITS.goalMessageBytes, judge })
    this.#router.score.params.topics[id] ??= quietTopic()
    if (isNew) this.#subscribe(id)
  }

  /** Leaves the topic of a goal; without effect where the node is not in it. */
  leave(topic: GoalTopic): void {
    const id = this.#init.ids.topicId(topic)
    if (!this.#joined.delete(id)) return
    this.#router.unsubscribe(id)
    this.#router.topicValidators.delete(id)
  }

  /** Throws `RangeError` for a message that is too long for its topic, and for a topic that the node is not in. */
  async publish(topic: Topic | GoalTopic, bytes: Uint8Array): Promise<void> {
    const id = this.#init.ids.topicId(topic)
    const joined = this.#joined.get(id)
    if (joined === undefined) throw new RangeError(`the node is not in ${topic}`)
    if (bytes.byteLength > joined.bytes) {
      throw new RangeError(`a message of ${bytes.byteLength} bytes; at most ${joined.bytes} are allowed in ${topic}`)
    }
    await this.#router.publish(id, bytes)
  }

  /** Whether a peer and this node pass each other's messages on. */
  isInMesh(peer: string): boolean {
    return Array.from(this.#joined.keys()).some((id) => this.#router.getMeshPeers(id).includes(peer))
  }

  #subscribe(id: string): void {
    this.#router.topicValidators.set(id, (peer, message) => this.#judge(id, peer, message))
    this.#router.subscribe(id)
  }

  #judge(id: string, peer: PeerId, message: Message): TopicValidatorResult {
    const joined = this.#joined.get(id)
    if (joined === undefined || message.type !== 'signed') return TopicValidatorResult.Ignore
    const { scores, limits, logger } = this.#init
    const from = peer.toString()
    const author = message.from.toString()
    if (scores.isBanned(author)) return TopicValidatorResult.Ignore
    if (!this.#authors.of(author).take()) {
      // Who passes it on cannot know how many others did.
      if (author === from) limits.violated(from)
      return TopicValidatorResult.Ignore
    }
    try {
      const verdict = joined.judge(message.data, from, author)
      if (verdict === 'reject') scores.record(from, 'invalid_message')
      if (verdict === 'accept' && this.#praise.of(from).take()) scores.record(from, 'valid_message')
      return VERDICTS[verdict]
    } catch (error) {
      logger.error({ topic: joined.topic, peer: from, err: error }, 'a gossiped message could not be judged')
      return TopicValidatorResult.Ignore
    }
  }

  #followTraffic(): void {
    const { score } = this.#router
    const id = this.#init.ids.topicId('announcements')
    const params = score.params.topics[id]
    if (params === undefined) return
    const deliveries = this.#router.getMeshPeers(id).flatMap((peer) => {
      const stats = score.peerStats.get(peer)?.topics[id]
      return stats?.meshMessageDeliveriesActive ? [stats.meshMessageDeliveries] : []
    })
    followTraffic(params, deliveries, LEAST_MESH)
  }
}
