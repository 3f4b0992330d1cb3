import { lookup } from 'node:dns'
import { connect, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { unlessAborted } from '../base/racing.ts'
import { type AddressRange, rangeOfHost } from './address-range.ts'

/** Bytes of the headers of an answer. */
export const MAX_HEADER_BYTES = 16 * 1024

/** Which addresses may be called. */
export type Allows = (range: AddressRange) => boolean

/** Resolves a host name to all of its addresses. */
export type Resolver = (
  hostname: string,
  options: { readonly all: true },
  done: (error: NodeJS.ErrnoException | null, addresses: { address: string; family: number }[]) => void,
) => void

/** Why a call gave no answer. What an answer that is refused said is not in the message. */
export type EgressReason =
  | 'address'
  | 'unreachable'
  | 'certificate'
  | 'timed_out'
  | 'redirect'
  | 'too_large'
  | 'not_json'
  | 'refused'

export class EgressError extends Error {
  override readonly name: string = 'EgressError'
  readonly reason: EgressReason

  constructor(reason: EgressReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}

/** An answer with a status that is no success. */
export class RefusedError extends EgressError {
  readonly status: number
  /** Seconds after which the service wants to be asked again, where it said so. */
  readonly retryAfter: number | undefined

  constructor(message: string, status: number, retryAfter: number | undefined) {
    super('refused', message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** An http or https URL without credentials. */
export function checkedUrl(text: string): URL {
  const url = URL.parse(text)
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (url === null || !isHttp || url.username !== '' || url.password !== '') {
    throw new EgressError('address', 'found an address that is no http or https URL without credentials')
  }
  return url
}

/** Who answered is not shown to be who was asked for; which of the engine's checks of a certificate failed. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError'
}

/**
 * A socket whose other end may be talked to: the address that it is connected to is one that `allows` accepts. Throws `EgressError`,
 * {@link CertificateError}, and what the engine throws where nobody answers.
 */
export async function connectTo(
  url: URL,
  { allows, resolve = lookup }: { readonly allows: Allows; readonly resolve?: Resolver | undefined },
  signal: AbortSignal,
): Promise<{ socket: Socket; range: AddressRange }> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const isSecure = url.protocol === 'https:'
  const refuse = (): EgressError =>
    new EgressError('address', `${url.origin} is at an address that this node does not call from here`)
  if (isIP(host) !== 0 && !isAllowed(host, allows)) throw refuse()
  const plain = connect({
    host,
    port: Number(url.port || (isSecure ? 443 : 80)),
    autoSelectFamily: true,
    lookup: filtered(resolve, allows, refuse),
  })
  try {
    await unlessAborted(happened(plain, 'connect'), signal)
    const { remoteAddress = '' } = plain
    if (!isAllowed(remoteAddress, allows)) throw refuse()
    const range = rangeOfHost(withoutZone(remoteAddress))
    if (!isSecure) return { socket: plain, range }
    const secure = connectTls({
      socket: plain,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : { host }),
    })
    // Destroying the one that is wrapped would leave errors of the other without a listener.
    secure.on('error', () => undefined)
    try {
      await unlessAborted(happened(secure, 'secureConnect'), signal)
    } catch (error) {
      // Of the certificate nothing is repeated: somebody else wrote it.
      if (secure.authorizationError) throw new CertificateError(String(secure.authorizationError), { cause: error })
      throw error
    }
    return { socket: secure, range }
  } catch (error) {
    plain.destroy()
    throw error
  }
}

/** Only the addresses that may be called; an error when none is left. */
const filtered =
  (resolve: Resolver, allows: Allows, refuse: () => EgressError): LookupFunction =>
  (hostname, _options, done) =>
    resolve(hostname, { all: true }, (error, addresses) => {
      if (error !== null) return done(error, [])
      const allowed = addresses.filter(({ address }) => isAllowed(address, allows))
      if (allowed.length === 0) done(refuse(), [])
      else done(null, allowed)
    })

const isAllowed = (address: string, allows: Allows): boolean => allows(rangeOfHost(withoutZone(address)))

const withoutZone = (address: string): string => address.split('%', 1)[0]!

function happened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed')))
  })
}
