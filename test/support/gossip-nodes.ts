import type { TestContext } from 'node:test'
import type { RPC } from '@libp2p/gossipsub/message'
import type { PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { Registry } from 'prom-client'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import { DialRules } from '../../src/network/dial-rules.ts'
import { Gossip } from '../../src/network/gossip.ts'
import { type GossipRouter, routerOf } from '../../src/network/gossip-router.ts'
import type { Judge } from '../../src/network/handlers.ts'
import { createHost, type Host, startHost } from '../../src/network/host.ts'
import { PeerLimits } from '../../src/network/peer-limits.ts'
import { PeerScores } from '../../src/network/scores/peer-scores.ts'
import { NETWORK, newIdentity, silentLogger, testP2p } from '../network/nodes.ts'

/** The router, with what hostile peers and tests need of it. */
export interface OpenRouter extends GossipRouter {
  readonly mesh: ReadonlyMap<string, ReadonlySet<string>>
  readonly topics: ReadonlyMap<string, ReadonlySet<string>>
  readonly streamsOutbound: ReadonlyMap<string, unknown>
  readonly idontwants: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly peers: ReadonlyMap<string, PeerId>
  sendRpc(peer: string, exchange: Partial<RPC>): boolean
  getScore(peer: string): number
}

const config = testP2p()
const ids = (network: string) => protocolIds(network)

let minutes = 0

async function startBareHost(t: TestContext, network: string, scores?: PeerScores) {
  const identity = newIdentity(network)
  const host = await createHost({
    network,
    identitySeed: identity.identitySeed,
    config,
    logger: silentLogger,
    metrics: { registry: new Registry() },
    // Each dial in a minute of its own: a hostile peer keeps to no rate.
    dialRules: new DialRules(
      () => ['loopback'],
      () => (minutes += 60_000),
    ),
    ...(scores === undefined ? {} : { scores }),
  })
  await startHost(host, config)
  t.after(() => host.stop())
  return { host, identity, providerId: identity.providerId, router: host.services.gossip as OpenRouter }
}

/** A node's gossip with its scores and limits, and nothing else. */
export async function gossipNode(t: TestContext, judge: Judge = () => 'accept') {
  const events = new Events(silentLogger)
  let host: Host | undefined
  const scores = new PeerScores({
    events,
    logger: silentLogger,
    disconnect: (peer) => {
      for (const connection of host?.getConnections() ?? []) {
        if (connection.remotePeer.toString() === peer) connection.abort(new Error('refused'))
      }
    },
  })
  const limits = new PeerLimits(config, (peer, event) => scores.record(peer, event))
  const bare = await startBareHost(t, NETWORK, scores)
  host = bare.host
  const judges = { announcements: judge, yanks: judge, checkpoints: judge }
  const gossip = new Gossip({
    gossip: host.services.gossip,
    ids: ids(NETWORK),
    judges,
    scores,
    limits,
    config,
    logger: silentLogger,
  })
  gossip.start()
  return { ...bare, gossip, scores, events }
}

export type GossipNode = Awaited<ReturnType<typeof gossipNode>>

/** A peer whose gossip does what a test wants, without limits of its own. `heard` are the messages that it was sent, as they were. */
export async function hostileGossip(t: TestContext, network = NETWORK) {
  const bare = await startBareHost(t, network)
  const heard: RPC.Message[] = []
  const { router } = bare
  // So that whole nodes count it as a peer; it answers nothing.
  await bare.host.handle(ids(network).rpc, (stream) => stream.abort(new Error('no')))
  routerOf(router).handleReceivedRpc = wrapped(router.handleReceivedRpc.bind(router), heard)
  return { ...bare, heard }
}

function wrapped(take: GossipRouter['handleReceivedRpc'], heard: RPC.Message[]): GossipRouter['handleReceivedRpc'] {
  return async (from, exchange) => {
    heard.push(...exchange.messages)
    await take(from, exchange)
  }
}

/** Connects two, if they are not, and resolves when the first can send gossip to the second and knows what it is subscribed to. */
export async function introduce(
  from: { readonly host: Host; readonly router: OpenRouter },
  to: { readonly providerId: string; readonly addresses: readonly string[] },
): Promise<void> {
  await from.host.dial(multiaddr(to.addresses[0]))
  const isKnown = (): boolean => [...from.router.topics.values()].some((peers) => peers.has(to.providerId))
  await eventually(from.router, () => from.router.streamsOutbound.has(to.providerId) && isKnown(), 5000)
}

export const addressesOf = ({ host, providerId }: { readonly host: Host; readonly providerId: string }) => ({
  providerId,
  addresses: host.getMultiaddrs().map(String),
})

/** Resolves when `holds` does, looked at whenever a router's heart beats (once a second). */
export async function eventually(
  router: OpenRouter,
  holds: () => boolean | undefined,
  timeoutMs = 20_000,
): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs)
  while (!holds()) {
    signal.throwIfAborted()
    await new Promise<void>((resolve) =>
      router.addEventListener('gossipsub:heartbeat', () => resolve(), { once: true }),
    )
  }
}

export const topicId = (topic: 'announcements' | 'yanks' | `goal/${string}`, network = NETWORK): string =>
  ids(network).topicId(topic)
