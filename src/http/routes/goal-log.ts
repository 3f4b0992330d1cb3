import { Type } from 'typebox'
import { GoalId } from '../../../protocol/goal.ts'
import { ConsistencyProof, ConsistencyQuery, InclusionProof, InclusionQuery, LeafCount } from '../../../protocol/log.ts'
import { ProofFile } from '../../../protocol/proof-file.ts'
import { sendJson, sendText, TEXT_TYPE } from '../respond.ts'
import { type Route, route } from '../route.ts'
import { absent, BYTES_TYPE, sendTile } from './log.ts'

const params = Type.Object({ goal_id: GoalId })
const shared = { method: 'GET', access: 'reader', family: 'discovery', bodyLimit: 0, params } as const

/** `GET /api/v1/log/{goal_id}/consistency`: of this node's own log of the goal. */
const GoalConsistencyQuery = Type.Pick(ConsistencyQuery, ['from', 'to'])

/** `GET /api/v1/log/{goal_id}/proof` */
const ProofFileQuery = Type.Object({
  log_index: LeafCount,
  /** Also prove that the log only grew since it had so many leaves. */
  since: Type.Optional(LeafCount),
})

/** The logs of goals, in the forms of the node's own: `log.ts`. */
export const goalLogRoutes: readonly Route[] = [
  route({
    ...shared,
    path: '/api/v1/log/:goal_id/checkpoint',
    summary: "The newest signed checkpoint of a goal's log (C2SP tlog-checkpoint)",
    answers: { 200: { description: 'A signed note', mediaType: 'text/plain' }, 404: absent },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendText(request, reply, 200, TEXT_TYPE, node.goalLog(request.params.goal_id).checkpoint()),
  }),
  route({
    ...shared,
    path: '/api/v1/log/:goal_id/inclusion',
    summary: "Proof that a leaf is in the tree of a goal's log (RFC 9162)",
    query: InclusionQuery,
    answers: { 200: { description: 'The proof', schema: InclusionProof }, 404: absent },
    handler:
      ({ node }) =>
      (request, reply) => {
        const { log_index: index, tree_size: size } = request.query
        return sendJson(request, reply, 200, node.goalLog(request.params.goal_id).inclusion(index, size))
      },
  }),
  route({
    ...shared,
    path: '/api/v1/log/:goal_id/consistency',
    summary: "Proof that one tree of a goal's log is the beginning of another (RFC 9162)",
    query: GoalConsistencyQuery,
    answers: { 200: { description: 'The proof', schema: ConsistencyProof }, 404: absent },
    handler:
      ({ node }) =>
      (request, reply) => {
        const { from, to } = request.query
        return sendJson(request, reply, 200, node.goalLog(request.params.goal_id).consistency(from, to))
      },
  }),
  route({
    ...shared,
    path: '/api/v1/log/:goal_id/proof',
    summary: 'A proof file: all that it takes to verify offline that a leaf is in the log of a goal',
    query: ProofFileQuery,
    answers: { 200: { description: 'The file', schema: ProofFile }, 404: absent },
    handler:
      ({ node }) =>
      (request, reply) => {
        const { log_index: index, since } = request.query
        return sendJson(request, reply, 200, node.goalLog(request.params.goal_id).proofFile(index, since))
      },
  }),
  route({
    ...shared,
    path: '/api/v1/log/:goal_id/tile/*',
    summary: "A tile of hashes of a goal's log, or a bundle of leaves (C2SP tlog-tiles)",
    answers: { 200: { description: 'The bytes', mediaType: BYTES_TYPE }, 404: absent },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendTile(node.goalLog(request.params.goal_id), request, reply),
  }),
]
