import { ProviderInfo } from '../../protocol/discovery.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { type RequestKeys, signRequest } from '../kernel/identity/quantum-signature.ts'
import { call, checked, type Transport } from './transport.ts'

/** A request to be signed. */
interface Signable {
  readonly method: string
  readonly path: string
  readonly body?: object
}

/** Signs the body of a request to a node, with the keys of this request. */
export type Sign = (keys: RequestKeys, node: string, request: Signable) => Promise<string>

/** The provider id of the node with that base URL. */
export type ProviderLookup = (node: string) => Promise<string>

const infoSchema = checkerOf(ProviderInfo)

/**
 * Signs requests, each for the provider that the node says it is. A node that claims to be another one gains no more than passing the question on to that one.
 */
export function requestSigner(network: string, providerOf: ProviderLookup): Sign {
  return async (keys, node, { method, path, body }) => {
    const audience = await providerOf(node)
    const target = { audience, method, path: targetOf(node, path), body: body as Record<string, unknown> }
    return signRequest(keys, network, target, Date.now())
  }
}

/** The request target that a node sees. */
export function targetOf(node: string, path: string): string {
  const { pathname, search } = new URL(node + path)
  return pathname + search
}

/** Who nodes say that they are: asked once, and again after one did not answer. */
export function providerLookup(transport: Transport): ProviderLookup {
  const providers = new Map<string, Promise<string>>()
  return (node) => {
    const known = providers.get(node)
    if (known !== undefined) return known
    const asked = askProvider(transport, node)
    providers.set(node, asked)
    asked.catch(() => providers.delete(node))
    return asked
  }
}

async function askProvider(transport: Transport, node: string): Promise<string> {
  return checked(infoSchema, await call(transport, node, { path: '/api/v1/discovery/info' })).provider_id
}
