import type { FastifyReply, FastifyRequest } from 'fastify'
import { RegistrationProof } from '../../../protocol/cells.ts'
import {
  ConsistencyProof,
  ConsistencyQuery,
  InclusionProof,
  InclusionQuery,
  RegistrationQuery,
} from '../../../protocol/log.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { EpochList, EpochQuery, EvidenceList, EvidenceQuery, WitnessList } from '../../../protocol/transparency.ts'
import type { ProviderNode } from '../../node/api.ts'
import { COMMON, sendJson, sendText, TEXT_TYPE } from '../respond.ts'
import { type Route, route } from '../route.ts'

const shared = { method: 'GET', access: 'open', family: 'discovery', bodyLimit: 0 } as const
export const absent = { description: 'The log does not have it (yet)', schema: DeleteResponse }

export const BYTES_TYPE = 'application/octet-stream'
/** A tile that is whole never changes. */
const FOREVER = ['Cache-Control', 'public, max-age=31536000, immutable']

/** Answers a request below `tile/` of a log. */
export function sendTile(
  log: Pick<ProviderNode['log'], 'tile'>,
  request: FastifyRequest,
  reply: FastifyReply,
): undefined {
  // The rest of the path; only the one spelling of a tile finds one.
  const path = `tile/${(request.params as { '*': string })['*']}`
  const bytes = Buffer.from(log.tile(path))
  return path.includes('.p/')
    ? sendText(request, reply, 200, BYTES_TYPE, bytes)
    : sendText(request, reply, 200, BYTES_TYPE, bytes, FOREVER, COMMON)
}

/** The node's transparency log: what was done to the cells of its repository, for standard tools and for the SDK. */
export const logRoutes: readonly Route[] = [
  route({
    ...shared,
    path: '/api/v1/log/checkpoint',
    summary: 'The newest signed checkpoint (C2SP tlog-checkpoint)',
    answers: { 200: { description: 'A signed note', mediaType: 'text/plain' } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendText(request, reply, 200, TEXT_TYPE, node.log.checkpoint()),
  }),
  route({
    ...shared,
    path: '/api/v1/log/inclusion',
    summary: 'Proof that a leaf is in the tree (RFC 9162)',
    query: InclusionQuery,
    answers: { 200: { description: 'The proof', schema: InclusionProof }, 404: absent },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.log.inclusion(request.query.log_index, request.query.tree_size)),
  }),
  route({
    ...shared,
    path: '/api/v1/log/consistency',
    summary: 'Proof that one tree is the beginning of another (RFC 9162)',
    query: ConsistencyQuery,
    answers: { 200: { description: 'The proof', schema: ConsistencyProof }, 404: absent },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { from, to, provider_id: provider, epoch } = request.query
        const proof =
          provider === undefined || provider === node.providerId
            ? node.log.consistency(from, to)
            : await node.log.consistencyOf(provider, from, to ?? from, epoch)
        return sendJson(request, reply, 200, proof)
      },
  }),
  route({
    ...shared,
    path: '/api/v1/log/registration',
    summary:
      "Proof that a provider registered a cell: the leaf in its log, and the log's key, certified by its identity",
    query: RegistrationQuery,
    answers: { 200: { description: 'The proof', schema: RegistrationProof }, 404: absent },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { cell_id: cell, provider_id: provider } = request.query
        return sendJson(request, reply, 200, await node.log.registration(cell, provider))
      },
  }),
  route({
    ...shared,
    path: '/api/v1/log/witnesses',
    summary: "Who cosigned this node's checkpoints, and the key with which it cosigns others' (C2SP tlog-cosignature)",
    answers: { 200: { description: 'The witnesses', schema: WitnessList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.log.witnesses()),
  }),
  route({
    ...shared,
    path: '/api/v1/log/evidence',
    summary: 'Nodes that signed two histories of their log, each with the proof, and those that owe a proof',
    query: EvidenceQuery,
    answers: { 200: { description: 'What is known here', schema: EvidenceList } },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.log.evidence(request.query)),
  }),
  route({
    ...shared,
    path: '/api/v1/log/epochs',
    summary: "The statements that opened epochs of this node's log, or of another's",
    query: EpochQuery,
    answers: { 200: { description: 'The epochs', schema: EpochList } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.log.epochs(request.query)),
  }),
  route({
    ...shared,
    path: '/api/v1/log/tile/*',
    summary: 'A tile of hashes, or a bundle of leaves (C2SP tlog-tiles)',
    answers: { 200: { description: 'The bytes', mediaType: BYTES_TYPE }, 404: absent },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendTile(node.log, request, reply),
  }),
]
