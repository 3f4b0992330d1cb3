import { ProofKeyRotated, PublicKeys } from '../../../protocol/public-keys.ts'
import { COMMON, callerOf, JSON_TYPE, sendJson, sendText } from '../respond.ts'
import { type Route, route } from '../route.ts'

/** Seconds for which a list of keys may be used: a new key is known to everybody soon, and no proof needs to be verified within a minute. */
const CACHED = ['Cache-Control', 'public, max-age=300']

/** The keys that sign proofs of answers. */
export const proofKeyRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/.well-known/public-keys.json',
    access: 'open',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Keys that sign proofs of answers, as a JWK set: the one that signs now first, then those before it',
    answers: { 200: { description: 'The keys, with their validity and certificates', schema: PublicKeys } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendText(request, reply, 200, JSON_TYPE, JSON.stringify(node.proofKeys.list()), CACHED, COMMON),
  }),
  route({
    method: 'POST',
    path: '/api/v1/proof-keys/rotate',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Replace the key that signs proofs of answers, at once; the old one stays listed',
    answers: { 200: { description: 'The new key and the old one', schema: ProofKeyRotated } },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.proofKeys.rotate(callerOf(request))),
  }),
]
