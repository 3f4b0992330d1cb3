import type { OperatorEnvelope } from '../../protocol/assurance.ts'
import { toBase64Url, toHex } from '../kernel/base/bytes.ts'
import { type OperatorKey, operatorHeaderBytes, operatorRequestBytes } from '../kernel/identity/operator-request.ts'
import { type ProviderLookup, targetOf } from './signing.ts'
import { type Call, type CallOptions, call, checked, home, jsonBody, type Transport } from './transport.ts'

const NONCE_BYTES = 16

/** Signed calls of an operator to one node. */
export interface OperatorCalls {
  /** A call without a body, signed in its headers. */
  signed(method: string, path: string): Promise<Call>
  /** A body that carries `payload`, signed. */
  envelope<Payload>(path: string, payload: Payload): Promise<OperatorEnvelope<Payload>>
}

/** How an operator calls `node`. */
export function operatorCalls(
  { node, network, providerOf }: { node: string; network: string; providerOf: ProviderLookup },
  { operatorId: operator_id, sign }: OperatorKey,
): OperatorCalls {
  const target = async (method: string, path: string) => ({
    audience: await providerOf(node),
    method,
    path: targetOf(node, path),
  })
  return {
    signed: async (method, path) => {
      const signed = { operator_id, ts: new Date().toISOString(), nonce: toBase64Url(random(NONCE_BYTES)) }
      const signature = toBase64Url(sign(operatorHeaderBytes(network, signed, await target(method, path))))
      const { ts, nonce } = signed
      const headers = { 'X-Operator-Id': operator_id, 'X-Timestamp': ts, 'X-Nonce': nonce, 'X-Signature': signature }
      return { method, path, headers }
    },
    envelope: async (path, payload) => {
      const body = { request_id: newUuid(), timestamp: new Date().toISOString(), operator_id, payload }
      const message = operatorRequestBytes(network, body, await target('POST', path))
      return { ...body, signature: toBase64Url(sign(message)) }
    },
  }
}

/** Asks the first node about what is an operator's own, or, without one, the administrator's whose key the transport has. */
export function ownersAsk(transport: Transport, operator: OperatorCalls | undefined) {
  const callOf = async (method: string, path: string, payload?: object): Promise<Call> => {
    if (payload === undefined) return operator === undefined ? { method, path } : operator.signed(method, path)
    return { method, path, ...jsonBody(operator === undefined ? payload : await operator.envelope(path, payload)) }
  }
  return async <T>(
    schema: { Check(value: unknown): value is unknown },
    method: string,
    path: string,
    { payload, signal }: CallOptions & { readonly payload?: object } = {},
  ): Promise<T> =>
    checked(schema, await call(transport, home(transport), { ...(await callOf(method, path, payload)), signal })) as T
}

const random = (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes))

/** A UUID of version 4; `crypto.randomUUID` is not there in pages that came without TLS. */
function newUuid(): string {
  const bytes = random(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = toHex(bytes)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
