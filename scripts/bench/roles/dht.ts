import { setTimeout as pause } from 'node:timers/promises'
import type { SingleKadDHT } from '@libp2p/kad-dht'
import { memory } from '@libp2p/memory'
import { plaintext } from '@libp2p/plaintext'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { protocolIds } from '../../../protocol/protocol-ids.ts'
import { loadConfig } from '../../../src/kernel/config/load.ts'
import { providerIdOf } from '../../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed } from '../../../src/kernel/identity/keys.ts'
import { dhtKey, ProviderRecords } from '../../../src/network/dht.ts'
import { DialRules } from '../../../src/network/dial-rules.ts'
import { createHost, type Host, startHost } from '../../../src/network/host.ts'
import type { Swept } from '../../../src/network/provide-sweep.ts'

const NETWORK = 'bench'
const CONFIG = loadConfig({
  env: { CYTOPLEX_P2P_HOST: '127.0.0.1', CYTOPLEX_P2P_PORT: '0', CYTOPLEX_P2P_DHT_MODE: 'server' },
}).config.p2p
/** Peers that each node knows before anything is measured: Kademlia's k. */
const KNOWN = 20
/** Milliseconds until then. */
const SETTLE_MS = 120_000

interface Node {
  readonly host: Host
  readonly records: ProviderRecords
}

const nodes: Node[] = []

/** Starts nodes in this process's memory that know each other. */
async function start({ count }: { count: number }): Promise<void> {
  for (let index = 0; index < count; index++) nodes.push(await startNode(index))
  const [seed] = nodes
  const [address] = seed!.host.getMultiaddrs()
  for (const { host } of nodes.slice(1)) await host.dial(address!)
  const until = performance.now() + SETTLE_MS
  for (const { host } of nodes) {
    while (tableOf(host) < Math.min(KNOWN, count - 1)) {
      if (performance.now() > until) throw new Error('the nodes do not know each other')
      // Whoever answers a lookup may come into the table.
      for await (const _event of host.services.dht.getClosestPeers(host.peerId.toMultihash().bytes));
      await pause(100)
    }
  }
}

async function startNode(index: number): Promise<Node> {
  const identitySeed = newSeed()
  const host = await createHost({
    network: NETWORK,
    identitySeed,
    config: CONFIG,
    logger: pino({ level: 'silent' }),
    metrics: { registry: new Registry() },
    dialRules: new DialRules(() => ['loopback']),
    wiring: { transports: [memory()], connectionEncrypters: [plaintext()], listen: `/memory/${index}` },
  })
  await startHost(host, CONFIG)
  const records = new ProviderRecords({
    dht: host.services.dht,
    network: NETWORK,
    self: providerIdOf(ed25519FromSeed(identitySeed).publicKey),
    addresses: () => host.getMultiaddrs().map(({ bytes }) => bytes),
    openStream: async (peer, signal) => {
      const known = host.getPeers().find((other) => other.toString() === peer)
      if (known === undefined) throw new Error(`${peer} is not connected`)
      return host.dialProtocol(known, protocolIds(NETWORK).dht, { signal })
    },
  })
  return { host, records }
}

const tableOf = ({ services }: Host): number => (services.dht as unknown as SingleKadDHT).routingTable.size

export interface Provided extends Swept {
  readonly ms: number
}

/** One node tells the DHT names, region by region. */
async function provide({ prefix, names }: { prefix: string; names: number }): Promise<Provided> {
  const keys = Array.from({ length: names }, (_, index) => `capability/${prefix}-${index}`)
  const since = performance.now()
  const swept = await nodes[0]!.records.provide(keys, AbortSignal.timeout(600_000))
  if (swept.told !== names) throw new Error(`${swept.told} of ${names} names were told`)
  return { ...swept, ms: performance.now() - since }
}

/** One node tells the DHT names one by one, as the library does. Returns the milliseconds, and the messages that were answered or sent. */
async function provideSingly({ prefix, names }: { prefix: string; names: number }) {
  const { dht } = nodes[0]!.host.services
  const since = performance.now()
  let messages = 0
  for (let index = 0; index < names; index++) {
    for await (const event of dht.provide(dhtKey(NETWORK, `capability/${prefix}-${index}`))) {
      if (event.name === 'PEER_RESPONSE') messages++
    }
  }
  return { ms: performance.now() - since, messages }
}

/** Every node finds who provides a name. Returns the milliseconds of each. */
async function find({ prefix, names }: { prefix: string; names: number }): Promise<number[]> {
  const times: number[] = []
  for (let index = 0; index < names; index++) {
    const { records } = nodes[1 + (index % (nodes.length - 1))]!
    const since = performance.now()
    let found = 0
    const options = { signal: AbortSignal.timeout(60_000), limit: 1 }
    for await (const _provider of records.find(`capability/${prefix}-${index}`, options)) found++
    if (found === 0) throw new Error(`nobody was found for name ${index}`)
    times.push(performance.now() - since)
  }
  return times
}

const end = async (): Promise<void> => {
  await Promise.all(nodes.map(({ host }) => host.stop()))
}

export const commands = { start, provide, provideSingly, find, end }
