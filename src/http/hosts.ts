import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { StartError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import { clientAddress } from './rate-limits.ts'

/** `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`. */
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9a-zA-Z._-]+))(?::[0-9]{1,5})?$/
/** Hosts remembered with their base URL: one node is known by few names. */
const REMEMBERED = 256

/**
 * Decides under which names this node answers (SECURITY 21: a page that rebinds its own name to this address is refused), and
 * what a client calls it.
 */
export class HostPolicy {
  readonly #allowed: ReadonlySet<string>
  readonly #scheme: 'http' | 'https'
  readonly #publicUrl: string | undefined
  readonly #proxies: BlockList | undefined
  readonly #known = new Map<string, string>()

  /** Throws `StartError` when a configured address or URL cannot be read. */
  constructor(config: Config['http'], scheme: 'http' | 'https') {
    this.#scheme = scheme
    this.#publicUrl = config.public_url?.replace(/\/+$/, '')
    const allowed = config.allowed_hosts.map((host) => host.toLowerCase())
    if (this.#publicUrl !== undefined) allowed.push(publicHost(this.#publicUrl))
    this.#allowed = new Set(['localhost', ...allowed])
    this.#proxies = config.trusted_proxies.length === 0 ? undefined : proxyList(config.trusted_proxies)
  }

  /** Origin of `public_url`, when one is configured. */
  get publicOrigin(): string | undefined {
    return this.#publicUrl === undefined ? undefined : new URL(this.#publicUrl).origin
  }

  /** Base URL of this node for the client of `request`, without a slash at the end; undefined when it names a foreign host. */
  baseUrl(request: IncomingMessage): string | undefined {
    const host = targetHost(request)
    if (host === undefined) return undefined
    if (this.#proxies !== undefined && this.#isProxy(request.socket.remoteAddress))
      return this.#forwarded(request, host)
    return this.#known.get(host) ?? this.#learn(host)
  }

  /** The address that stands for the client of a request: its own, or the one that a trusted proxy saw (see `clientAddress`). */
  clientAddress(request: IncomingMessage): string {
    const { remoteAddress = '' } = request.socket
    const isForwarded = this.#proxies !== undefined && this.#isProxy(remoteAddress)
    const seen = isForwarded ? lastOf(request.headers['x-forwarded-for']) : undefined
    return clientAddress(seen !== undefined && isIP(seen) !== 0 ? seen : remoteAddress)
  }

  #learn(host: string): string | undefined {
    if (!this.#accepts(host)) return undefined
    const url = this.#publicUrl ?? `${this.#scheme}://${host}`
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(host, url)
    return url
  }

  #accepts(host: string): boolean {
    const match = HOST.exec(host)
    if (match === null) return false
    if (match[1] !== undefined) return isIP(match[1]) === 6
    const name = match[2]!.toLowerCase()
    return this.#allowed.has(name) || this.#allowed.has(host.toLowerCase()) || isIP(name) === 4
  }

  /** What the proxy says that the client asked for. Lists are read from the end: the last entry is the trusted proxy's own. */
  #forwarded(request: IncomingMessage, ownHost: string): string | undefined {
    const host = lastOf(request.headers['x-forwarded-host']) ?? ownHost
    if (!this.#accepts(host)) return undefined
    const scheme = lastOf(request.headers['x-forwarded-proto']) === 'https' ? 'https' : 'http'
    return this.#publicUrl ?? `${scheme}://${host}`
  }

  #isProxy(address: string | undefined): boolean {
    if (address === undefined) return false
    const plain = address.startsWith('::ffff:') ? address.slice(7) : address
    return this.#proxies?.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4') ?? false
  }
}

/** `http://authority` at the start of a target in absolute form. */
const AUTHORITY = /^https?:\/\/([^/?#]*)/i

/** The host that a request is for: of its target in absolute form, else of its header (RFC 9112 §3.2.2). */
export function targetHost({ url, headers }: IncomingMessage): string | undefined {
  if (url === undefined || url.startsWith('/')) return headers.host
  return AUTHORITY.exec(url)?.[1] ?? headers.host
}

/** The Host headers among raw headers (names and values in turn). */
export function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

function lastOf(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header.join(',') : header
  const last = text?.split(',').at(-1)?.trim()
  return last === '' ? undefined : last
}

function publicHost(url: string): string {
  if (!URL.canParse(url))
    throw new StartError(`http.public_url: found ${JSON.stringify(url)}, allowed is an http or https URL`)
  return new URL(url).hostname
}

function proxyList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/')
    const version = isIP(address)
    const bits = prefix === undefined ? undefined : Number(prefix)
    const badBits = bits !== undefined && !(/^[0-9]+$/.test(prefix!) && bits <= (version === 6 ? 128 : 32))
    if (version === 0 || badBits || rest.length > 0) {
      throw new StartError(
        `http.trusted_proxies: found ${JSON.stringify(entry)}, allowed are addresses and CIDR ranges such as 10.0.0.0/8`,
      )
    }
    const family = version === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, bits, family)
  }
  return list
}
