import { hash } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type AccessRole, roleCovers } from '../../../protocol/access.ts'
import { EVENT_CHANNELS, EVENT_KEY_PROTOCOL, type EventChannel, type EventCommand } from '../../../protocol/events.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { ProviderNode } from '../../node/api.ts'
import { type Credential, REFUSED } from '../credentials.ts'

/** Who a client has proven to be. */
export interface Standing {
  readonly role: AccessRole
  /** Whether that is still so: keys are revoked and expire. */
  holds(): boolean
}

/** What proving needs. */
export interface StandingInit {
  readonly node: Pick<ProviderNode, 'nodeId' | 'verifyRequest'>
  readonly credential: (headers: IncomingHttpHeaders) => Credential
  /** Node ids of keys that count as the operator's, beside this node's own. */
  readonly operators: ReadonlySet<string>
}

const ED25519 = /^ed25519:([0-9a-f]{64})$/
const KEY = /^[A-Za-z0-9_-]{1,1366}$/

/** Channels that a client with this standing may listen to; connecting is for who may read. */
export const channelsOf = (standing: Standing | undefined): EventChannel[] =>
  (Object.keys(EVENT_CHANNELS) as EventChannel[]).filter((channel) => mayHear(standing, channel))

export const mayHear = (standing: Standing | undefined, channel: EventChannel): boolean => {
  const { access } = EVENT_CHANNELS[channel]
  return access === 'reader' || (standing !== undefined && roleCovers(standing.role, access))
}

/**
 * The headers that hold a client's credential. Web pages can set none, so a key may come in `Sec-WebSocket-Protocol` too; a key header
 * wins.
 */
export function credentialHeaders({ headers }: Pick<IncomingMessage, 'headers'>): IncomingHttpHeaders {
  if (headers['x-api-key'] !== undefined || headers.authorization !== undefined) return headers
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
  const named = offered.find((name) => name.startsWith(EVENT_KEY_PROTOCOL))
  if (named === undefined) return headers
  const text = named.slice(EVENT_KEY_PROTOCOL.length)
  return { 'x-api-key': KEY.test(text) ? Buffer.from(text, 'base64url').toString() : '' }
}

/** Who presents these headers: undefined without a credential. Throws `PROV_016` for one that does not count. */
export function standingOf(init: StandingInit, headers: IncomingHttpHeaders): Standing | undefined {
  const found = init.credential(headers)
  if (found === 'none') return undefined
  if (typeof found === 'string') throw new ProviderError('PROV_016', REFUSED[found])
  // Partners' tokens are for their own routes.
  if ('presentedToken' in found) throw new ProviderError('PROV_016', REFUSED.wrong)
  const { role } = found
  const holds = (): boolean => {
    const now = init.credential(headers)
    return typeof now !== 'string' && 'role' in now && now.role === role
  }
  return { role, holds }
}

/**
 * Who answers the challenge of a connection to `path`: with a key, or as the operator with a signature by the key of this node or of one
 * that the configuration names. Throws `PROV_001`, `PROV_004`, `PROV_013`, `PROV_015` and `PROV_016`.
 */
export async function prove(
  init: StandingInit,
  { api_key, quantum_signature }: EventCommand['authenticate'],
  { path, challenge }: { readonly path: string; readonly challenge: string },
): Promise<Standing> {
  if ((api_key === undefined) === (quantum_signature === undefined)) {
    throw new ProviderError('PROV_001', 'authenticate: allowed is one of api_key and quantum_signature')
  }
  if (api_key !== undefined) return standingOf(init, { 'x-api-key': api_key })!
  const target = { method: 'GET', path, body: { type: 'authenticate', challenge } }
  const [, publicKey] = ED25519.exec(await init.node.verifyRequest(quantum_signature!, target)) ?? []
  const nodeId = publicKey && hash('sha256', Buffer.from(publicKey, 'hex'), 'hex').slice(0, 40)
  if (nodeId !== undefined && (nodeId === init.node.nodeId || init.operators.has(nodeId))) {
    return { role: 'admin', holds: () => true }
  }
  const message = `the key that signed is no operator's here: events.operators names those that are, this one is ${nodeId ?? 'hybrid'}`
  throw new ProviderError('PROV_015', message)
}
