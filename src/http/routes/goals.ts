import { Type } from 'typebox'
import { GoalId } from '../../../protocol/goal.ts'
import {
  ContributeAnswer,
  ContributeRequest,
  GOAL_PAGES,
  GoalAnswer,
  GoalCreation,
  GoalFailure,
  GoalListAnswer,
  GoalListQuery,
  GoalLogAnswer,
  GoalLogQuery,
  GoalProofAnswer,
  GoalStatusAnswer,
  goalTerms,
  LeaderboardAnswer,
  LeaderboardQuery,
  PolicyAnswer,
} from '../../../protocol/goal-api.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import type { GoalProof, Submission } from '../../node/goals-api.ts'
import { base64UrlOf } from '../base64.ts'
import { callerOf, sendData } from '../respond.ts'
import { type Route, route } from '../route.ts'

const reading = { method: 'GET', access: 'reader', family: 'goals', bodyLimit: 0 } as const
const administration = { method: 'POST', access: 'admin', family: 'goals' } as const
const params = Type.Object({ goal_id: GoalId })
const unknown = { description: 'There is no such goal', schema: GoalFailure }
const notJoined = { description: 'This node has not joined the goal', schema: GoalFailure }

/** Bytes of a contribution: one that fits a frame between peers, with its parameters and proofs as large as they may be. */
const CONTRIBUTION_BYTES = LIMITS.frameBytes

/** Agent network, "REST API", and goals themselves. */
export const goalRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/api/v1/contribute',
    access: 'contributor',
    family: 'goals',
    bodyLimit: CONTRIBUTION_BYTES,
    summary: 'Submit a contribution',
    body: ContributeRequest,
    answers: {
      200: { description: 'The verdict: accepted, or why not', schema: ContributeAnswer },
      404: unknown,
      409: notJoined,
      413: { description: 'The body is too large', schema: GoalFailure },
      415: { description: 'The body is no JSON', schema: GoalFailure },
    },
    handler:
      ({ node: { goals } }) =>
      async (request, reply) => {
        const submission = submissionOf(request.body)
        sendData(request, reply, 200, { ...(await goals.contribute(submission)), seed: submission.seed })
      },
  }),
  route({
    ...reading,
    path: '/api/v1/leaderboard/:goal_id',
    summary: 'The best contributions to a goal',
    params,
    query: LeaderboardQuery,
    answers: { 200: { description: 'The best first', schema: LeaderboardAnswer }, 404: unknown, 409: notJoined },
    handler:
      ({ node: { goals } }) =>
      (request, reply) => {
        const { goal_id } = request.params
        sendData(request, reply, 200, {
          goal_id,
          ...goals.leaderboard(goal_id, request.query.limit ?? GOAL_PAGES.entries),
        })
      },
  }),
  route({
    ...reading,
    path: '/api/v1/status/:goal_id',
    summary: 'Counts and roots of a goal',
    params,
    answers: { 200: { description: 'The goal at this node', schema: GoalStatusAnswer }, 404: unknown },
    handler:
      ({ node: { goals } }) =>
      (request, reply) =>
        sendData(request, reply, 200, goals.status(request.params.goal_id)),
  }),
  route({
    ...reading,
    path: '/api/v1/log/:goal_id',
    summary: "Root, size and leaves of a goal's log",
    params,
    query: GoalLogQuery,
    answers: { 200: { description: 'A page of the log', schema: GoalLogAnswer }, 404: unknown },
    handler:
      ({ node: { goals } }) =>
      async (request, reply) => {
        const { goal_id } = request.params
        const { from = 0, limit = GOAL_PAGES.entries } = request.query
        const { log_root, log_size } = goals.status(goal_id)
        // Of the log that has this root: it may grow while it is read.
        const entries =
          from < log_size ? await goals.log(goal_id, { from, limit: Math.min(limit, log_size - from) }) : []
        sendData(request, reply, 200, { goal_id, log_root, log_size, from_index: from, limit, entries })
      },
  }),
  route({
    ...reading,
    path: '/api/v1/policy/:goal_id',
    summary: 'The active policy of a goal: the best contribution',
    params,
    answers: { 200: { description: 'The best, or null', schema: PolicyAnswer }, 404: unknown, 409: notJoined },
    handler:
      ({ node: { goals } }) =>
      (request, reply) => {
        const { goal_id } = request.params
        sendData(request, reply, 200, { goal_id, active_policy: goals.policy(goal_id) })
      },
  }),
  route({
    ...reading,
    path: '/api/v1/proof/:goal_id/:log_index',
    summary: "Proof that a leaf is in a goal's log (Merkle Mountain Range, and RFC 9162)",
    params: Type.Object({
      goal_id: GoalId,
      log_index: Type.Integer({ minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
    }),
    answers: {
      200: { description: 'The proof', schema: GoalProofAnswer },
      404: { description: 'There is no such goal, or no such leaf', schema: GoalFailure },
    },
    handler:
      ({ node: { goals } }) =>
      async (request, reply) => {
        const { goal_id, log_index } = request.params
        sendData(request, reply, 200, proofBody(goal_id, await goals.proof(goal_id, log_index)))
      },
  }),
  route({
    ...administration,
    path: '/api/v1/goals',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Create a goal: signed by this node, joined, and told to the federation',
    body: GoalCreation,
    answers: {
      201: { description: 'The goal', schema: GoalAnswer },
      409: { description: 'There is a goal of this id', schema: GoalFailure },
    },
    handler:
      ({ node: { goals } }) =>
      async (request, reply) =>
        sendData(request, reply, 201, await goals.create(goalTerms(request.body), callerOf(request))),
  }),
  route({
    ...reading,
    path: '/api/v1/goals',
    summary: 'List the goals that this node knows',
    query: GoalListQuery,
    answers: { 200: { description: 'Goals, by id', schema: GoalListAnswer } },
    handler:
      ({ node: { goals } }) =>
      (request, reply) => {
        const { limit = GOAL_PAGES.goals, offset = 0 } = request.query
        const known = goals.list()
        const page = known.slice(offset, offset + limit)
        sendData(request, reply, 200, { goals: page, total: known.length, limit, offset })
      },
  }),
  route({
    ...reading,
    path: '/api/v1/goals/:goal_id',
    summary: 'Describe a goal',
    params,
    answers: { 200: { description: 'The goal', schema: GoalAnswer }, 404: unknown },
    handler:
      ({ node: { goals } }) =>
      (request, reply) =>
        sendData(request, reply, 200, goals.get(request.params.goal_id)),
  }),
  route({
    ...administration,
    path: '/api/v1/goals/:goal_id/join',
    bodyLimit: 0,
    summary: 'Join a goal: from now on this node evaluates, keeps and relays its contributions',
    params,
    answers: { 200: { description: 'The goal, joined', schema: GoalAnswer }, 404: unknown },
    handler:
      ({ node: { goals } }) =>
      async (request, reply) =>
        sendData(request, reply, 200, await goals.join(request.params.goal_id, callerOf(request))),
  }),
  route({
    ...administration,
    path: '/api/v1/goals/:goal_id/leave',
    bodyLimit: 0,
    summary: 'Leave a goal: this node does nothing more for it',
    params,
    answers: { 200: { description: 'The goal, left', schema: GoalAnswer }, 404: unknown },
    handler:
      ({ node: { goals } }) =>
      async (request, reply) =>
        sendData(request, reply, 200, await goals.leave(request.params.goal_id, callerOf(request))),
  }),
]

/** What the node judges. Throws `PROV_001` for bytes that are no base64. */
function submissionOf(body: ContributeRequest): Submission {
  const { goal_id, agent_pack, proofs, contributor_id, public_key = '', signature = '', work, seed } = body
  const { version, parameters, metadata } = agent_pack
  const pack = { version, parameters: base64UrlOf(parameters, 'agent_pack.parameters') }
  const brought = Object.entries(proofs ?? {}).map(([name, proof]) => [
    name,
    base64UrlOf(proof, `proofs.${name.slice(0, 64)}`),
  ])
  return {
    goal_id,
    agent_pack: metadata === undefined ? pack : { ...pack, metadata },
    ...(proofs === undefined ? {} : { proofs: Object.fromEntries(brought) }),
    contributor_id,
    public_key,
    signature,
    ...(work === undefined ? {} : { work }),
    ...(seed === undefined ? {} : { seed }),
  }
}

/** A proof in the document's shape, and what else it takes to check it offline. */
function proofBody(goal_id: string, proof: GoalProof): Record<string, unknown> {
  const { log_index, leaf, leafHash, siblings, peaks, size, root, inclusion } = proof
  // The leaves before its peak fill whole subtrees of at least its height, so the bits of the index below that are its way up.
  const isRight = (level: number): boolean => Math.floor(log_index / 2 ** level) % 2 === 0
  return {
    goal_id,
    log_index,
    leaf_hash: toHex(leafHash),
    siblings: siblings.map((hash, level) => ({ hash: toHex(hash), is_right: isRight(level) })),
    peaks_bag: peaks.map(toHex),
    mmr_size: size,
    log_root: toHex(root),
    leaf,
    inclusion: inclusion.map(toHex),
  }
}
