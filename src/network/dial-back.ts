import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import type { DialBackResponse } from '../../protocol/rpc.ts'
import { errorMessage, hasCode } from '../kernel/base/errors.ts'
import { addressGroup } from './address-group.ts'
import { tcpTarget } from './addresses.ts'
import { Channel } from './channel.ts'
import type { Host } from './host.ts'
import { IncompleteBatches } from './incomplete-batches.ts'
import { RatePerMinute } from './rate-per-minute.ts'
import { HandshakeError, type WireIdentity } from './session.ts'
import { ignore } from './streams.ts'

/** How a dial-back went. */
export type DialBackResult = Pick<DialBackResponse, 'ok' | 'address' | 'stage' | 'reason'>

type Stage = NonNullable<DialBackResult['stage']>

/** Milliseconds for a dial-back, from connecting to the handshake. */
const DIAL_MS = 8000
/** Milliseconds for what else was begun on the connection to end. */
const CLOSE_MS = 5000
/** Dial-backs at once, over all peers. */
const AT_ONCE = 8

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ETIMEDOUT: 'nothing answers there',
  ECONNRESET: 'the connection was reset',
}

/** Dials peers that ask for it, to tell them how far others get: only where they are seen at, so that nobody can be pointed at somebody else. */
export class DialBack {
  readonly #host: Host
  readonly #self: WireIdentity
  readonly #protocol: string
  readonly #perPeer = new RatePerMinute(LIMITS.dialBacksPerPeer)
  readonly #perAddress = new RatePerMinute(LIMITS.dialBacksPerAddress)
  #underWay = 0

  /** `protocol`: that of the standing stream. */
  constructor(host: Host, self: WireIdentity, protocol: string) {
    this.#host = host
    this.#self = self
    this.#protocol = protocol
  }

  /** Never throws. */
  async dial(peer: string, connections: readonly Connection[], port: number): Promise<DialBackResult> {
    const known = [...connections]
    const host = observedHost(known)
    if (host === undefined) return refused('you are connected through a relay, so your address is not known here')
    const address = `/ip${host.includes(':') ? 6 : 4}/${host}/tcp/${port}`
    if (!this.#perPeer.take(peer)) return refused('you were dialled several times in the last minute', address)
    if (!this.#perAddress.take(addressGroup(host))) {
      return refused('your address was dialled often in the last minute', address)
    }
    if (this.#underWay >= AT_ONCE) return refused('too many others are being dialled now', address)
    this.#underWay++
    try {
      return { address, ...(await this.#attempt(peer, known, address)) }
    } finally {
      this.#underWay--
    }
  }

  async #attempt(peer: string, known: readonly Connection[], address: string): Promise<DialBackResult> {
    const signal = AbortSignal.timeout(DIAL_MS)
    let stage: Stage = 'connect'
    let connection: Connection | undefined
    try {
      connection = await this.#host.dial(multiaddr(`${address}/p2p/${peer}`), {
        // Otherwise the connection that the peer asked over would do.
        force: true,
        signal,
        onProgress: ({ type }) => {
          if (type === 'upgrader:encrypt-outbound-connection') stage = 'encrypt'
          if (type === 'upgrader:multiplex-outbound-connection') stage = 'protocol'
        },
      })
      // Another dial to the peer was under way, and was joined.
      if (known.includes(connection)) {
        connection = undefined
        return refused('you are being dialled already')
      }
      stage = 'protocol'
      const stream = await connection.newStream(this.#protocol, { signal })
      stage = 'handshake'
      await this.#shakeHands(stream, peer, signal)
      return { ok: true }
    } catch (error) {
      return { ok: false, stage, reason: reasonOf(error, stage, signal).slice(0, LIMITS.reasonLength) }
    } finally {
      connection?.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch((error: Error) => connection?.abort(error))
    }
  }

  async #shakeHands(stream: Stream, peer: string, signal: AbortSignal): Promise<void> {
    await Channel.open({
      stream,
      remote: peer,
      self: this.#self,
      incomplete: new IncompleteBatches(),
      user: { onFrame: ignore, onClose: ignore },
      pauseWhenFull: false,
    })
    await stream.close({ signal })
  }
}

const refused = (reason: string, address?: string): DialBackResult => ({
  ok: false,
  stage: 'refused',
  reason,
  ...(address === undefined ? {} : { address }),
})

/** Where a peer is, by the connection that it opened if there is one; undefined behind a relay. */
function observedHost(connections: readonly Connection[]): string | undefined {
  const inboundFirst = connections.toSorted(
    (a, b) => Number(b.direction === 'inbound') - Number(a.direction === 'inbound'),
  )
  for (const { remoteAddr } of inboundFirst) {
    const target = tcpTarget(remoteAddr)
    if (target !== undefined && !target.port.startsWith('memory/')) return target.host
  }
  return undefined
}

/** In words of our own: what other software answers at that port is nobody else's business. */
function reasonOf(error: unknown, stage: Stage, signal: AbortSignal): string {
  if (stage === 'handshake' && error instanceof HandshakeError) return error.message
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0], stage, signal)
  if (signal.aborted) return `nothing answers there within ${DIAL_MS / 1000} s`
  switch (stage) {
    case 'connect': {
      const code = Object.keys(WORDS).find((code) => hasCode(error, code) || errorMessage(error).includes(code))
      return (code && WORDS[code]) ?? 'it may not be dialled, or the connection failed'
    }
    case 'encrypt':
      // Of noise and of TLS; libp2p keeps only the message.
      return /does not match|unexpected peer|was expected/i.test(errorMessage(error))
        ? 'another node answers there'
        : 'what answers there is no node'
    case 'protocol':
      return 'what answers there does not speak the protocol of this network'
    default:
      return 'the handshake was broken off'
  }
}
