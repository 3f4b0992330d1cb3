import type { DoctorCheck, DoctorReport } from '../../../protocol/doctor.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { softwareVersion } from '../../kernel/config/package-files.ts'
import { type AddressRange, rangeOfHost } from '../../kernel/egress/address-range.ts'
import { checkPrivateDirectory } from '../../kernel/identity/private-file.ts'
import { endpointOf } from '../../network/addresses.ts'
import type { ConnectedPeer } from '../../network/peers.ts'
import type { NodeParts } from '../parts.ts'
import type { ComponentHealth } from './component-health.ts'
import { checkCells } from './diagnose-cells.ts'
import { checkDialBack } from './diagnose-reach.ts'
import { failed, ok, skipped } from './doctor-checks.ts'

type Parts = Pick<
  NodeParts,
  'config' | 'clock' | 'keys' | 'index' | 'catalogue' | 'yanks' | 'directory' | 'network' | 'offerVerifier' | 'trust'
>

/** Looks at a running node, from inside and through the eyes of its peers. */
export class Diagnosis {
  readonly #parts: Parts
  readonly #health: Pick<ComponentHealth, 'report'>
  #running: Promise<DoctorReport> | undefined

  constructor(parts: Parts, health: Pick<ComponentHealth, 'report'>) {
    this.#parts = parts
    this.#health = health
  }

  /** Who asks while a diagnosis is under way gets that one. */
  run(): Promise<DoctorReport> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(): Promise<DoctorReport> {
    const parts = this.#parts
    const peers = parts.network.connectedPeers()
    const [store, reach, cells] = await Promise.all([
      this.#store(),
      checkDialBack(parts, peers),
      checkCells(parts, peers),
    ])
    const checks: DoctorCheck[] = [
      ok('runtime', `Cytoplex ${softwareVersion()} runs on Node.js ${process.versions.node}`),
      configuration(parts, peers),
      identity(parts),
      store,
      listening(parts, peers),
      seeds(parts),
      peersOf(parts, peers),
      ...reach,
      ...cells,
    ]
    return { ok: checks.every(({ status }) => status !== 'failed'), checks }
  }

  async #store(): Promise<DoctorCheck> {
    const { components } = await this.#health.report()
    const ill = components.filter(({ name, status }) => (name === 'store' || name === 'disk') && status !== 'healthy')
    const { data_dir: folder } = this.#parts.config
    if (ill.length === 0) return ok('store', `${folder} is read and written`)
    return failed(
      'store',
      ill.map(({ name, message }) => `${name}: ${message}`).join('; '),
      `Look at the disk of ${folder}: free space, rights, and whether it is slow or damaged`,
    )
  }
}

function configuration({ config }: Pick<Parts, 'config'>, peers: readonly ConnectedPeer[]): DoctorCheck {
  const announced = config.p2p.announce.map(endpointOf).filter((endpoint) => endpoint !== undefined)
  const ranges = announced.map(({ host }) => rangeOfHost(host))
  if (announced.length > 0 && ranges.every((range) => range === 'special')) {
    return failed(
      'configuration',
      `p2p.announce names only ${announced.map(({ host }) => host).join(', ')}: peers connect to no names that they were told`,
      'Add an IP address to p2p.announce, such as /ip4/192.0.2.1/tcp/9000',
    )
  }
  const isPrivate = (range: AddressRange): boolean => range !== 'public'
  if (announced.length > 0 && ranges.every(isPrivate) && farPeer(peers) !== undefined) {
    return failed(
      'configuration',
      `p2p.announce names only addresses of a private network (${announced.map(({ host }) => host).join(', ')}), and this node has peers outside it`,
      'Add the public IP address to p2p.announce, or empty it',
    )
  }
  const relay = config.p2p.relay === 'off' ? '' : `, relay ${config.p2p.relay}`
  return ok('configuration', `network ${config.network.name}${relay}`)
}

/** A peer at a public address. */
const farPeer = (peers: readonly ConnectedPeer[]): ConnectedPeer | undefined =>
  peers.find(({ addresses }) =>
    addresses.some((address) => {
      const endpoint = endpointOf(address)
      return endpoint !== undefined && !endpoint.relayed && rangeOfHost(endpoint.host) === 'public'
    }),
  )

function identity({ config, keys }: Pick<Parts, 'config' | 'keys'>): DoctorCheck {
  try {
    checkPrivateDirectory(config.key_dir)
    return ok('identity', keys.providerId)
  } catch (error) {
    return failed('identity', errorMessage(error), `Close ${config.key_dir} to others: chmod 700 ${config.key_dir}`)
  }
}

function listening(
  { config, network }: Pick<Parts, 'config' | 'network'>,
  peers: readonly ConnectedPeer[],
): DoctorCheck {
  const { addresses } = network
  if (addresses.length === 0) {
    return failed(
      'listen',
      'this node listens on no port, and no relay has taken it',
      'Connect it to a node with p2p.relay: server (p2p.seeds), or set p2p.listen to an address and port',
    )
  }
  const endpoints = addresses.map(endpointOf).filter((endpoint) => endpoint !== undefined)
  const far = farPeer(peers)
  if (far !== undefined && endpoints.every(({ host }) => rangeOfHost(host) === 'loopback')) {
    return failed(
      'listen',
      `this node tells others only ${addresses.join(', ')}, where nobody but this machine can connect`,
      'Set p2p.host to 0.0.0.0, or to :: for IPv6 as well',
    )
  }
  const what = config.p2p.announce.length > 0 ? 'announces' : 'listens at'
  return ok('listen', `${what} ${addresses.join(', ')}`)
}

function seeds({ network }: Pick<Parts, 'network'>): DoctorCheck {
  const states = network.seeds()
  if (states.length === 0) return skipped('seeds', 'no seeds are configured')
  const silent = states.filter(({ connected }) => !connected)
  if (silent.length === 0) return ok('seeds', `${states.length} of ${states.length} connected`)
  const why = silent.map(({ address, lastError }) => `${address}: ${lastError ?? 'not connected yet'}`)
  return failed(
    'seeds',
    `${states.length - silent.length} of ${states.length} connected; ${why.join('; ')}`,
    'Check the address in p2p.seeds, that the node there runs in the same network (network.name), and that this machine may connect to it',
  )
}

function peersOf({ network }: Pick<Parts, 'network'>, peers: readonly ConnectedPeer[]): DoctorCheck {
  if (peers.length > 0) return ok('peers', `${peers.length} connected`)
  return failed(
    'peers',
    'nobody is connected',
    network.seeds().length === 0
      ? 'Name a node to connect to under p2p.seeds: cytoplex start --seed HOST:PORT'
      : 'Mend the connection to a seed first',
  )
}
