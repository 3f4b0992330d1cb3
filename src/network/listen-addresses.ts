import { isIP } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import { tcpTarget } from './addresses.ts'

type Addresses = Pick<Config['p2p'], 'host' | 'port' | 'listen' | 'announce' | 'relay' | 'hole_punching'>

/** What a node listens on that nobody can connect to: peers come through relays only. */
export const THROUGH_RELAYS = '/p2p-circuit'

const ALLOWED_LISTEN = `/ip4/<address>/tcp/<port> and /ip6/<address>/tcp/<port>, or ${THROUGH_RELAYS} alone with p2p.relay: client`
const ALLOWED_ANNOUNCE = '/ip4/…/tcp/…, /ip6/…/tcp/… and /dns4/…/tcp/… (dns, dns6), with a port from 1 to 65535'

/**
 * The multiaddrs to listen on: `p2p.listen`, else those of `p2p.host` and `p2p.port`. `::` is every interface of both versions; without IPv6 on
 * the machine it is IPv4's. Throws `StartError` that names the entry.
 */
export function listenAddresses(config: Addresses): string[] {
  if (config.hole_punching && config.relay === 'off') {
    throw new StartError(
      'p2p.hole_punching is true, but peers find each other for it through a relay: set p2p.relay to client',
    )
  }
  if (config.listen.length === 0) return ofHost(config)
  if (config.listen.includes(THROUGH_RELAYS)) {
    if (config.listen.length === 1 && config.relay === 'client') return []
    throw refused('listen', config.listen.indexOf(THROUGH_RELAYS), config, 'it stands for relays', ALLOWED_LISTEN)
  }
  return config.listen.map((text, i) => {
    const target = tcpTarget(parsed('listen', i, config, ALLOWED_LISTEN))
    if (target === undefined || target.peer !== undefined || isIP(target.host) === 0) {
      throw refused('listen', i, config, 'it is no address and TCP port of this machine', ALLOWED_LISTEN)
    }
    return text
  })
}

/** The multiaddrs of `p2p.announce`. Throws `StartError` for one under which nobody can reach the peer `self` (any, when it is not known yet). */
export function announceAddresses(config: Addresses, self?: string): string[] {
  return config.announce.map((text, i) => {
    const target = tcpTarget(parsed('announce', i, config, ALLOWED_ANNOUNCE))
    if (target === undefined) throw refused('announce', i, config, 'it is no address of a TCP port', ALLOWED_ANNOUNCE)
    if (Number(target.port) === 0)
      throw refused('announce', i, config, 'nobody can connect to port 0', ALLOWED_ANNOUNCE)
    if (target.host === '0.0.0.0' || target.host === '::') {
      throw refused('announce', i, config, `nobody can connect to ${target.host}`, ALLOWED_ANNOUNCE)
    }
    if (self !== undefined && target.peer !== undefined && target.peer !== self) {
      throw refused('announce', i, config, `it names another node than this one, ${self}`, ALLOWED_ANNOUNCE)
    }
    return text
  })
}

/** Throws `StartError` for the first address of the configuration that cannot be used, before anything is created. */
export function checkAddresses(config: Addresses): void {
  listenAddresses(config)
  announceAddresses(config)
}

function ofHost({ host, port }: Addresses): string[] {
  if (host === 'localhost') return [`/ip4/127.0.0.1/tcp/${port}`]
  if (host === '::') return [`/ip4/0.0.0.0/tcp/${port}`, `/ip6/::/tcp/${port}`]
  const version = isIP(host)
  if (version === 0) throw new StartError(`p2p.host is "${host}"; allowed are IPv4 and IPv6 addresses and "localhost".`)
  return [`/ip${version}/${host}/tcp/${port}`]
}

function parsed(key: 'listen' | 'announce', index: number, config: Addresses, allowed: string): Multiaddr {
  try {
    return multiaddr(config[key][index])
  } catch (error) {
    throw refused(key, index, config, errorMessage(error), allowed)
  }
}

function refused(
  key: 'listen' | 'announce',
  index: number,
  config: Addresses,
  reason: string,
  allowed: string,
): StartError {
  return new StartError(
    `p2p.${key}: entry ${index + 1}, "${config[key][index]}", cannot be used: ${reason}. Allowed are ${allowed}.`,
  )
}
