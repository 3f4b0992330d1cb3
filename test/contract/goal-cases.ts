import { utf8 } from '../../src/kernel/base/bytes.ts'
import { contributorKey, packHash, signContribution } from '../../src/kernel/identity/contribution-signature.ts'
import { newSeed } from '../../src/kernel/identity/keys.ts'
import type { Reply } from '../http/harness.ts'
import { NETWORK } from '../support/cells.ts'
import { EVALUATOR_MODULE } from '../support/evaluator-module.ts'
import type { Produce } from './cases.ts'
import type { ContractServer } from './server.ts'

const CONTRIBUTE = '/api/v1/contribute'
const GOALS = '/api/v1/goals'
const DIGEST = `sha256:${'0'.repeat(64)}`

let count = 0
const freshId = (): string => `goal-${++count}`
const post = (path: string) => ({ method: 'POST', path })

/** A goal of this server whose evaluator is a cell of it. Resolves with its id and digest. */
async function goalAt(at: ContractServer): Promise<{ id: string; digest: string }> {
  const cell_type = `evaluator-${++count}`
  const metadata = { cell_type, version: '1.0.0', capabilities: [{ name: `use-${cell_type}`, version: '1.0.0' }] }
  const cell = await at.admin({ ...post('/api/v1/repository/cells'), ...at.upload(metadata, EVALUATOR_MODULE) })
  const evaluator = { digest: cell.json().digest }
  const created = await create(at, { evaluator, admission: { kind: 'open', difficulty: 4 } })
  if (created.status !== 201) throw new Error(created.text)
  const { goal, digest } = created.json().data as { goal: { goal_id: string }; digest: string }
  return { id: goal.goal_id, digest }
}

const create = (at: ContractServer, more: object = {}): Promise<Reply> =>
  at.admin({ ...post(GOALS), body: { goal_id: freshId(), evaluator: { digest: DIGEST }, ...more } })

/** A contribution by somebody new, signed and worked for. */
async function contributionTo(id: string, digest: string): Promise<Record<string, unknown>> {
  const parameters = utf8(`agent ${++count}`)
  const record = await signContribution(contributorKey(newSeed()), NETWORK, {
    goal: digest,
    packHash: packHash('1.0', parameters),
    difficulty: 4,
  })
  const { contributor_id, public_key, signature, work } = record
  const agent_pack = { version: '1.0', parameters: Buffer.from(parameters).toString('base64') }
  return { goal_id: id, agent_pack, contributor_id, public_key, signature, work, seed: 12345 }
}

async function contribute(at: ContractServer, { id, digest }: { id: string; digest: string }): Promise<Reply> {
  return at.send({ ...post(CONTRIBUTE), body: await contributionTo(id, digest) })
}

/** A goal with a contribution that was accepted. */
async function contributed(at: ContractServer): Promise<string> {
  const goal = await goalAt(at)
  const reply = await contribute(at, goal)
  if ((reply.json().data as { accepted?: boolean } | null)?.accepted !== true) throw new Error(reply.text)
  return goal.id
}

/** A goal that this server has left. */
async function left(at: ContractServer): Promise<{ id: string; digest: string }> {
  const goal = await goalAt(at)
  await at.admin(post(`${GOALS}/${goal.id}/leave`))
  return goal
}

/** What every route about one goal answers: of a goal with a contribution, of no goal's id, and of an unknown one. */
const about = (path: string, end = ''): Record<number, Produce> => ({
  200: async (at) => at.send({ path: `${path}/${await contributed(at)}${end}` }),
  400: (at) => at.send({ path: `${path}/a%20goal${end}` }),
  404: (at) => at.send({ path: `${path}/${freshId()}${end}` }),
})

const change = (verb: 'join' | 'leave'): Record<number, Produce> => ({
  200: async (at) => at.admin(post(`${GOALS}/${(await goalAt(at)).id}/${verb}`)),
  400: (at) => at.admin(post(`${GOALS}/a%20goal/${verb}`)),
  404: (at) => at.admin(post(`${GOALS}/${freshId()}/${verb}`)),
})

/** The same of what a goal's log has under a path of its own; `wrong` cannot be asked. */
const ofLog = (path: string, wrong: string): Record<number, Produce> => ({
  200: async (at) => at.send({ path: `/api/v1/log/${await contributed(at)}/${path}` }),
  400: (at) => at.send({ path: `/api/v1/log/${wrong}` }),
  404: (at) => at.send({ path: `/api/v1/log/none/${path}` }),
})

const json = { 'Content-Type': 'application/json' }

export const goalCases: Record<string, Record<number, Produce>> = {
  [`POST ${CONTRIBUTE}`]: {
    200: async (at) => contribute(at, await goalAt(at)),
    400: async (at) => {
      const body = await contributionTo(freshId(), '0'.repeat(64))
      return at.send({
        ...post(CONTRIBUTE),
        body: { ...body, agent_pack: { version: '1.0', parameters: 'no base64' } },
      })
    },
    404: (at) => contribute(at, { id: freshId(), digest: '0'.repeat(64) }),
    409: async (at) => contribute(at, await left(at)),
    413: (at) => at.send({ ...post(CONTRIBUTE), headers: json, body: 'x'.repeat(1_100_000) }),
    415: (at) => at.send({ ...post(CONTRIBUTE), headers: { 'Content-Type': 'text/plain' }, body: 'x' }),
  },
  'GET /api/v1/leaderboard/{goal_id}': {
    ...about('/api/v1/leaderboard'),
    409: async (at) => at.send({ path: `/api/v1/leaderboard/${(await left(at)).id}` }),
  },
  'GET /api/v1/status/{goal_id}': about('/api/v1/status'),
  'GET /api/v1/log/{goal_id}': about('/api/v1/log'),
  'GET /api/v1/log/{goal_id}/checkpoint': ofLog('checkpoint', 'a.b/checkpoint'),
  'GET /api/v1/log/{goal_id}/inclusion': ofLog('inclusion?log_index=0', 'none/inclusion'),
  'GET /api/v1/log/{goal_id}/consistency': ofLog('consistency?from=1', 'none/consistency?from=first'),
  'GET /api/v1/log/{goal_id}/proof': ofLog('proof?log_index=0', 'none/proof'),
  'GET /api/v1/log/{goal_id}/tile/{path}': ofLog('tile/0/000.p/1', 'a.b/tile/0/000.p/1'),
  'GET /api/v1/policy/{goal_id}': {
    ...about('/api/v1/policy'),
    409: async (at) => at.send({ path: `/api/v1/policy/${(await left(at)).id}` }),
  },
  'GET /api/v1/proof/{goal_id}/{log_index}': {
    ...about('/api/v1/proof', '/0'),
    404: async (at) => at.send({ path: `/api/v1/proof/${await contributed(at)}/7` }),
  },
  [`POST ${GOALS}`]: {
    201: (at) => create(at, { name: 'Momentum', invariants: { bounds: [{ of: 'risk', max: 0.5 }] } }),
    400: (at) => create(at, { mode: 'any' }),
    409: async (at) => create(at, { goal_id: (await goalAt(at)).id }),
  },
  [`GET ${GOALS}`]: {
    200: (at) => at.send({ path: `${GOALS}?limit=1` }),
    400: (at) => at.send({ path: `${GOALS}?limit=0` }),
  },
  [`GET ${GOALS}/{goal_id}`]: about(GOALS),
  [`POST ${GOALS}/{goal_id}/join`]: change('join'),
  [`POST ${GOALS}/{goal_id}/leave`]: change('leave'),
}
