import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { loadConfig } from '../../src/kernel/config/load.ts'
import type { Config } from '../../src/kernel/config/schema.ts'
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
import { Refusal } from '../../src/network/peer-error.ts'
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

const noSet = (set: string): never => {
  throw new Refusal('bad_request', `there is no set ${set} here`)
}

/** Handlers of a node that holds nothing. */
export const emptyHandlers: NetworkHandlers = {
  onCellRequest: () => [],
  onPackageRequest: async () => undefined,
  onAnnouncementsRequest: async () => ({ announcements: [] }),
  answers: {
    evidence_request: () => ({}),
    yank_request: () => ({ yanks: [] }),
    forward_request: () => ({ cells: [], trust: 'limited' }),
    state_request: () => ({ sets: [], log: { size: 0, root: sha256Hex('') } }),
    sync_request: ({ set }) => noSet(set),
    records_request: ({ set }) => noSet(set),
    records_offer: ({ set }) => noSet(set),
    add_checkpoint_request: () => ({ refused: 'full' }),
    consistency_request: () => ({}),
    log_records_request: () => ({ records: [] }),
    receipts_request: () => ({ receipts: [] }),
    dial_back_request: () => ({ ok: false, stage: 'refused', time: Date.now() }),
    contribution_request: () => ({ contributions: [] }),
    probe_request: () => ({ tried: false, announced: false, resolved: false, fetched: false }),
  },
  openPackage: async () => undefined,
  gossip: { announcements: () => 'accept', yanks: () => 'accept', checkpoints: () => 'accept' },
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
  readonly config?: Partial<NetworkInit['config']>
  readonly store?: NetworkInit['store']
}

/** The default configuration, on a free port of 127.0.0.1, for nodes that come in crowds. */
export const testP2p = (more: Partial<Config['p2p']> = {}): Config['p2p'] => ({
  ...loadConfig({ env: {} }).config.p2p,
  host: '127.0.0.1',
  port: 0,
  max_connections: 100,
  inbound_per_second: 1000,
  ...more,
})

/** A node on a free port of 127.0.0.1, not started; stopped at the end of the test. */
export function makeNode(t: TestContext, options: TestNodeOptions = {}): TestNode {
  const identity = options.identity ?? newIdentity(options.networkName)
  const events = new Events(silentLogger)
  const init: NetworkInit = {
    network: options.networkName ?? NETWORK,
    identitySeed: identity.identitySeed,
    providerId: identity.providerId,
    wire: identity.wire,
    config: testP2p({ port: options.port ?? 0, seeds: [...(options.seeds ?? [])], ...options.config }),
    logger: silentLogger,
    metrics: { registry: new Registry() },
    events,
    handlers: handlersWith(options.handlers),
    ...(options.wiring === undefined ? {} : { wiring: options.wiring }),
    ...(options.store === undefined ? {} : { store: options.store }),
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
