import type { DoctorCheck } from '../../../protocol/doctor.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { DialBackResponse } from '../../../protocol/rpc.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { endpointOf } from '../../network/addresses.ts'
import type { ConnectedPeer } from '../../network/peers.ts'
import type { NodeParts } from '../parts.ts'
import { failed, ok, skipped } from './doctor-checks.ts'

type Parts = Pick<NodeParts, 'network' | 'clock'>
type Endpoint = NonNullable<ReturnType<typeof endpointOf>>

/** Peers that are asked, all at once. */
const ASKED = 3
/** Milliseconds for a peer's answer: a dial that nobody answers takes it eight seconds. */
const ANSWER_MS = 10_000
/** Milliseconds by which clocks may differ without a word; from `LIMITS.clockSkewMs` on peers refuse each other. */
const CLOCK_MS = 30_000

interface Answer {
  readonly peer: string
  readonly port: number
  readonly response: DialBackResponse
  /** Milliseconds that the peer's clock is ahead. */
  readonly aheadMs: number
}

/** Whether peers can connect to this node where it says that it is, and whether the clocks agree. */
export async function checkDialBack(parts: Parts, peers: readonly ConnectedPeer[]): Promise<DoctorCheck[]> {
  const own = parts.network.addresses.map(endpointOf).filter((endpoint) => endpoint !== undefined)
  const direct = own.filter(({ relayed }) => !relayed)
  if (peers.length === 0) return [skipped('clock', 'no peer to compare with'), skipped('dial_back', 'no peer to ask')]
  const answers: Answer[] = []
  const silent: string[] = []
  const asking = directly(peers)
    .slice(0, ASKED)
    .map(async (peer) => {
      const port = portFor(peer, direct)
      if (port === undefined) return
      try {
        answers.push(await ask(parts, peer.providerId, port))
      } catch (error) {
        silent.push(errorMessage(error))
      }
    })
  await Promise.all(asking)
  return [clock(answers), direct.length === 0 ? onlyRelayed(own) : dialBack(direct, answers, silent)]
}

const directly = (peers: readonly ConnectedPeer[]): ConnectedPeer[] =>
  peers.filter(({ addresses }) => addresses.some((address) => endpointOf(address)?.relayed === false))

/** Own port of the same IP version as the connection to the peer: the peer dials where it sees this node. */
function portFor(peer: ConnectedPeer, direct: readonly Endpoint[]): number | undefined {
  const isV6 = (host: string): boolean => host.includes(':')
  const seen = peer.addresses.map(endpointOf).find((endpoint) => endpoint?.relayed === false)
  if (seen === undefined) return undefined
  return (direct.find(({ host }) => isV6(host) === isV6(seen.host)) ?? direct[0])?.port
}

async function ask({ network, clock }: Parts, peer: string, port: number): Promise<Answer> {
  const response = await network.request(
    peer,
    'dial_back_request',
    { port },
    { signal: AbortSignal.timeout(ANSWER_MS) },
  )
  return { peer, port, response, aheadMs: response.time - clock.now() }
}

function clock(answers: readonly Answer[]): DoctorCheck {
  const byDistance = answers.toSorted((a, b) => Math.abs(a.aheadMs) - Math.abs(b.aheadMs))
  const best = byDistance[0]
  if (best === undefined) return skipped('clock', 'no peer told its time')
  const seconds = Math.round(Math.abs(best.aheadMs) / 1000)
  if (Math.abs(best.aheadMs) <= CLOCK_MS) return ok('clock', 'agrees with a peer')
  return failed(
    'clock',
    `this clock is ${seconds} s ${best.aheadMs > 0 ? 'behind' : 'ahead of'} that of ${best.peer}; from ${LIMITS.clockSkewMs / 1000} s on peers refuse each other`,
    'Set the clock: turn on NTP (timedatectl set-ntp true)',
  )
}

function onlyRelayed(own: readonly Endpoint[]): DoctorCheck {
  return own.length > 0
    ? skipped('dial_back', 'this node is reached through relays only')
    : skipped('dial_back', 'this node listens nowhere')
}

function dialBack(direct: readonly Endpoint[], answers: readonly Answer[], silent: readonly string[]): DoctorCheck {
  const reached = answers.find(({ response }) => response.ok)
  if (reached !== undefined) return whereSeen(direct, reached)
  const tried = answers.filter(({ response }) => response.stage !== 'refused')
  const [first] = tried
  if (first === undefined) {
    const why = [...answers.map(({ response }) => response.reason ?? 'refused'), ...silent]
    return skipped(
      'dial_back',
      `no peer dialled back: ${why.length > 0 ? [...new Set(why)].join('; ') : 'none is connected directly'}`,
      'Try again in a minute',
    )
  }
  const elsewhere = seenElsewhere(direct, first)
  const { address, stage, reason } = first.response
  return failed(
    'dial_back',
    `${tried.length === 1 ? `peer ${first.peer}` : `${tried.length} peers`} could not connect to ${address}: ${stage}, ${reason}` +
      (elsewhere === undefined ? '' : `; this node announces ${elsewhere}`),
    fixFor(first),
  )
}

function fixFor({ port, response: { stage, reason } }: Answer): string {
  switch (stage) {
    case 'encrypt':
      return `Port ${port} leads to something else: forward it to this node, or set p2p.announce to where this node is reached`
    case 'protocol':
      return `Port ${port} leads to a node of another network: forward it to this node, or set p2p.announce`
    case 'handshake':
      return reason?.includes('clock') === true
        ? 'Set the clock: turn on NTP (timedatectl set-ntp true)'
        : 'Look at the log of this node: it says why the handshake failed'
    default:
      return `Open TCP port ${port} in the firewall and forward it to this machine, or set p2p.announce to where this node is reached; where neither is possible, set p2p.relay to client`
  }
}

function whereSeen(direct: readonly Endpoint[], answer: Answer): DoctorCheck {
  const { address } = answer.response
  const elsewhere = seenElsewhere(direct, answer)
  if (elsewhere === undefined) return ok('dial_back', `peer ${answer.peer} connected to ${address}`)
  return failed(
    'dial_back',
    `peer ${answer.peer} connected to ${address}, but this node announces ${elsewhere}`,
    `Add ${address} to p2p.announce`,
  )
}

/** What is announced, where that is other hosts than the one at which the peer sees this node. */
function seenElsewhere(direct: readonly Endpoint[], { response: { address } }: Answer): string | undefined {
  const seen = address === undefined ? undefined : endpointOf(address)
  if (seen === undefined || direct.some(({ host }) => host === seen.host)) return undefined
  return [
    ...new Set(direct.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))),
  ].join(', ')
}
