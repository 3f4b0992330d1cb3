import type { RPC } from '@libp2p/gossipsub/message'
import { addressGroup } from './address-group.ts'
import type { GossipRouter } from './gossip-router.ts'
import type { PeerLimits } from './peer-limits.ts'
import type { ScoreEvent } from './scores/score-events.ts'
import { TokenBuckets } from './token-bucket.ts'

/** Subscriptions and control entries (GRAFT, PRUNE, IHAVE, IWANT) of one peer at once: a node in 64 goals joins and leaves all its topics. */
const CONTROL_BURST = 256
/**
 * Messages that one peer may pass on per second, and at once, whoever made them: at a quarter of a millisecond each, a quarter of a core. A node in
 * which twenty large catalogues are announced anew at the same time needs as much; what is over is had from the other peers of the mesh.
 */
const RELAYED_PER_SECOND = 1000
const RELAYED_BURST = 1000
/** Bytes of a message that count as one message more. */
const PIECE_BYTES = 16 * 1024
/** Bytes of a message id; ours have 44. The library remembers those that a peer names. */
const MESSAGE_ID_BYTES = 64

/** What the gate needs. */
export interface GossipGateInit {
  readonly router: GossipRouter
  readonly limits: Pick<PeerLimits, 'violated'>
  readonly messagesPerSecond: number
  /** Most bytes of a message in a topic that this node has joined; undefined for others. */
  mostBytes(topicId: string): number | undefined
  /** Whether a topic is one of this network, joined or not. */
  isTopic(topicId: string): boolean
  isBanned(peer: string): boolean
  record(peer: string, event: ScoreEvent): void
}

/** Bounds what each peer makes the router do, before a signature is verified or anything is kept. To be called once, before the router starts. */
export function guardRouter(init: GossipGateInit): void {
  const { router, isBanned, record } = init
  const gate = new Gate(init)
  const take = router.handleReceivedRpc.bind(router)
  router.handleReceivedRpc = async (from, exchange) => {
    const peer = from.toString()
    if (!isBanned(peer)) await take(from, gate.admitted(peer, exchange))
  }
  const { score } = router
  const addIP = score.addIP.bind(score)
  score.addIP = (peer, ip) => addIP(peer, addressGroup(ip))
  const rejectInvalid = score.rejectInvalidMessage.bind(score)
  score.rejectInvalidMessage = (from, topic) => {
    record(from, 'invalid_message')
    rejectInvalid(from, topic)
  }
}

class Gate {
  readonly #init: GossipGateInit
  readonly #control: TokenBuckets
  readonly #relayed = new TokenBuckets(RELAYED_PER_SECOND, RELAYED_BURST)

  constructor(init: GossipGateInit) {
    this.#init = init
    this.#control = new TokenBuckets(init.messagesPerSecond, Math.max(CONTROL_BURST, init.messagesPerSecond))
  }

  /** The part of an exchange that is to be looked at. */
  admitted(peer: string, { subscriptions, messages, control }: RPC): RPC {
    const admitted: RPC = {
      subscriptions: [],
      messages: messages.filter((message) => this.#admitsMessage(peer, message)),
    }
    const entries =
      subscriptions.length +
      (control === undefined
        ? 0
        : control.graft.length + control.prune.length + control.ihave.length + control.iwant.length)
    if (entries > 0 && !this.#control.of(peer).take(entries)) {
      this.#init.limits.violated(peer)
      return admitted
    }
    admitted.subscriptions = subscriptions.filter(({ topic = '' }) => this.#init.isTopic(topic))
    if (control !== undefined) admitted.control = withShortIds(control)
    return admitted
  }

  #admitsMessage(peer: string, { topic, data }: RPC.Message): boolean {
    const bytes = data?.byteLength ?? 0
    const most = this.#init.mostBytes(topic)
    // Nobody sends what was not subscribed to, except in the moment of leaving.
    if (most === undefined) return false
    if (bytes > most) {
      this.#init.record(peer, 'invalid_message')
      return false
    }
    return this.#relayed.of(peer).take(1 + Math.floor(bytes / PIECE_BYTES))
  }
}

function withShortIds(control: RPC.ControlMessage): RPC.ControlMessage {
  const short = <Entry extends { messageIDs: Uint8Array[] }>(entries: Entry[]): Entry[] =>
    entries.map((entry) => ({
      ...entry,
      messageIDs: entry.messageIDs.filter((id) => id.byteLength <= MESSAGE_ID_BYTES),
    }))
  return {
    ...control,
    ihave: short(control.ihave),
    iwant: short(control.iwant),
    idontwant: short(control.idontwant),
  }
}
