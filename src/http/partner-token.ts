import type { FastifyRequest } from 'fastify'
import type { ProviderNode } from '../node/api.ts'

/** Verifies the federation token of a call without a body; its proof is in the header `Quantum-Signature`. Throws `PROV_016` and `PROV_004`. */
export function partnerOf(
  node: ProviderNode,
  { raw, method, url }: FastifyRequest,
  token: string,
): ReturnType<ProviderNode['federation']['identify']> {
  const proof = raw.headers['quantum-signature']
  return node.federation.identify(token, typeof proof === 'string' ? proof : undefined, { method, path: url })
}
