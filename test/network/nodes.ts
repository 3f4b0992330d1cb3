import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import {
  createNetwork,
  type Network,
  type NetworkHandlers,
  type NetworkInit,
  type Wiring,
} from '../../src/network/network.ts'
import type { WireIdentity } from '../../src/network/session.ts'

export const NETWORK = 'test'
const DAY_MS = 24 * 3600 * 1000
export const silentLogger = pino({ level: process.env.TEST_LOG ?? 'silent' }, pino.destination(2))

/** A fresh identity with a certified wire key. */
export function newIdentity(network: string = NETWORK) {
  const identitySeed = newSeed()
  const identity = ed25519FromSeed(identitySeed)
  const providerId = providerIdOf(identity.publicKey)
  const key = ed25519FromSeed(newSeed())
  const certificate = issueRoleCertificate({
    identity,
    network,
    role: 'wire',
    publicKey: key.publicKey,
    serial: 1,
    notBefore: Date.now() - DAY_MS,
    notAfter: Date.now() + DAY_MS,
  })
  return { identitySeed, identity, providerId, wire: { key, certificate } }
}

/** The wire's view of an identity. */
export function wireIdentity(
  { providerId, wire }: ReturnType<typeof newIdentity>,
  network: string = NETWORK,
): WireIdentity {
  return { network, providerId, key: wire.key, certificate: wire.certificate, verifier: nativeVerifier }
}

/** Handlers of a node that holds nothing. */
export const emptyHandlers: NetworkHandlers = {
  onCellRequest: () => [],
  onPackageRequest: async () => undefined,
  onAnnouncementsRequest: async () => ({ announcements: [] }),
  answers: {
    evidence_request: () => ({}),
    yank_request: () => ({ yanks: [] }),
    dial_back_request: () => ({ ok: false, stage: 'refused', time: Date.now() }),
    probe_request: () => ({ tried: false, announced: false, resolved: false, fetched: false }),
  },
  openPackage: async () => undefined,
  gossip: { announcements: () => 'accept' },
}

/** Handlers of which a test cares about some. */
export type TestHandlers = Partial<Omit<NetworkHandlers, 'answers' | 'gossip'>> & {
  readonly [Table in 'answers' | 'gossip']?: Partial<NetworkHandlers[Table]>
}

const handlersWith = (some: TestHandlers = {}): NetworkHandlers => ({
  ...emptyHandlers,
  ...some,
  answers: { ...emptyHandlers.answers, ...some.answers },
  gossip: { ...emptyHandlers.gossip, ...some.gossip },
})

export interface TestNode {
  readonly network: Network
  readonly providerId: string
  readonly events: Events
  readonly init: NetworkInit
}

export interface TestNodeOptions {
  readonly handlers?: TestHandlers
  readonly seeds?: readonly string[]
  readonly identity?: ReturnType<typeof newIdentity>
  readonly port?: number
  readonly networkName?: string
  readonly wiring?: Wiring
  /** Keys of the configuration that the test is about. */
  readonly config?: Partial<NetworkInit['config']>
}

/** A node on a free port of 127.0.0.1, not started; stopped at the end of the test. */
export function makeNode(t: TestContext, options: TestNodeOptions = {}): TestNode {
  const identity = options.identity ?? newIdentity(options.networkName)
  const events = new Events(silentLogger)
  const init: NetworkInit = {
    network: options.networkName ?? NETWORK,
    identitySeed: identity.identitySeed,
    providerId: identity.providerId,
    wire: identity.wire,
    config: {
      host: '127.0.0.1',
      port: options.port ?? 0,
      announce: [],
      seeds: [...(options.seeds ?? [])],
      max_connections: 100,
      inbound_per_second: 1000,
      listen: [],
      relay: 'off',
      hole_punching: false,
      ...options.config,
    },
    logger: silentLogger,
    metrics: { registry: new Registry() },
    events,
    handlers: handlersWith(options.handlers),
    ...(options.wiring === undefined ? {} : { wiring: options.wiring }),
  }
  const network = createNetwork(init)
  t.after(() => network.stop())
  return { network, providerId: identity.providerId, events, init }
}

/** The same, started. */
export async function startNode(t: TestContext, options: TestNodeOptions = {}): Promise<TestNode> {
  const node = makeNode(t, options)
  await node.network.start()
  return node
}

/** Resolves when `node` is connected to `peer`. */
export function connectedTo(node: TestNode, peer: string): Promise<void> {
  return new Promise((resolve) => {
    const off = node.events.on('peer_connected', ({ providerId }) => {
      if (providerId !== peer) return
      off()
      resolve()
    })
    if (!node.network.connectedPeers().some(({ providerId }) => providerId === peer)) return
    off()
    resolve()
  })
}

/** A deadline for one call. */
export const within = (ms = 10_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })

/** The body of a cell request. */
export const askFor = (name: string) => ({ by: 'capability', name, deadline_ms: 5000, budget: 0, limit: 8 }) as const
