import type { OperatorCreation } from '../../protocol/operators.ts'
import { newOperator, question, signedBody, signedHeaders } from '../support/assurance.ts'
import { nextEvent } from '../support/node-pairs.ts'
import type { Produce } from './cases.ts'
import type { ContractServer } from './server.ts'

const OPERATORS = '/api/v1/operators'
const QUERY = '/api/v1/query'
const BATCH = '/api/v1/batch'
const LARGE = 'x'.repeat(300 * 1024)
const ABSENT = '00000000-0000-4000-8000-000000000000'
const json = { 'Content-Type': 'application/json' }
const text = { 'Content-Type': 'text/plain' }
const post = (path: string) => ({ method: 'POST', path })

const creation: OperatorCreation = {
  algorithm: 'hmac-sha256',
  permissions: [{ domain: 'general', jurisdictions: null }],
}
const operatorAt = (at: ContractServer, more: Partial<OperatorCreation> = {}) => newOperator(at.node, more)

/** Sends a signed question, as somebody new. */
const ask =
  (query: string, more: Partial<ReturnType<typeof question>> = {}): Produce =>
  async (at) => {
    const key = await operatorAt(at)
    return at.send({
      ...post(QUERY),
      body: signedBody(key, at.node, QUERY, question(query, more), { at: at.clock.now() }),
    })
  }

const batchBody = (at: ContractServer, key: Awaited<ReturnType<typeof operatorAt>>, queries: readonly string[]) =>
  signedBody(key, at.node, BATCH, { requests: queries.map((one) => question(one)) }, { at: at.clock.now() })

/** A batch that is answered, with its operator. */
async function batchAt(at: ContractServer) {
  const key = await operatorAt(at)
  const complete = nextEvent(at.node, 'batch_complete', ({ operatorId }) => operatorId === key.operatorId)
  const reply = await at.send({ ...post(BATCH), body: batchBody(at, key, ['first', 'second']) })
  if (reply.status !== 202) throw new Error(reply.text)
  await complete
  return { key, id: String(reply.json().batch_id) }
}

/** The statuses of a route about one batch. */
const aboutBatch = (method: string, pathOf: (id: string) => string): Record<number, Produce> => {
  const send = (at: ContractServer, key: Awaited<ReturnType<typeof operatorAt>>, id: string) => {
    const path = pathOf(id)
    return at.send({ method, path, headers: signedHeaders(key, at.node, method, path, { at: at.clock.now() }) })
  }
  return {
    200: async (at) => {
      const { key, id } = await batchAt(at)
      return send(at, key, id)
    },
    400: async (at) => send(at, await operatorAt(at), 'no-batch'),
    404: async (at) => send(at, await operatorAt(at), ABSENT),
    409: async (at) => {
      const path = pathOf(ABSENT)
      const call = {
        method,
        path,
        headers: signedHeaders(await operatorAt(at), at.node, method, path, { at: at.clock.now() }),
      }
      await at.send(call)
      return at.send(call)
    },
  }
}

export const assuranceCases: Record<string, Record<number, Produce>> = {
  [`POST ${OPERATORS}`]: {
    201: (at) => at.admin({ ...post(OPERATORS), body: creation }),
    400: (at) => at.admin({ ...post(OPERATORS), body: { ...creation, tier: 'gold' } }),
    409: async (at) => {
      const { operatorId: operator_id } = await operatorAt(at)
      return at.admin({ ...post(OPERATORS), body: { ...creation, operator_id } })
    },
  },
  [`GET ${OPERATORS}`]: {
    // Its id comes first, so that the example is always that operator.
    200: async (at) => {
      await operatorAt(at, { operator_id: '0-team@example.org' })
      return at.admin({ path: `${OPERATORS}?limit=1` })
    },
    400: (at) => at.admin({ path: `${OPERATORS}?limit=0` }),
  },
  [`DELETE ${OPERATORS}/{operator_id}`]: {
    200: async (at) => at.admin({ method: 'DELETE', path: `${OPERATORS}/${(await operatorAt(at)).operatorId}` }),
    400: (at) => at.admin({ method: 'DELETE', path: `${OPERATORS}/${'x'.repeat(200)}` }),
    404: (at) => at.admin({ method: 'DELETE', path: `${OPERATORS}/nobody` }),
  },
  [`POST ${OPERATORS}/{operator_id}/rotate`]: {
    200: async (at) => {
      const { operatorId } = await operatorAt(at, { algorithm: 'hmac-sha256' })
      return at.admin({ ...post(`${OPERATORS}/${operatorId}/rotate`), body: {} })
    },
    400: async (at) => at.admin({ ...post(`${OPERATORS}/${(await operatorAt(at)).operatorId}/rotate`), body: {} }),
    404: (at) => at.admin({ ...post(`${OPERATORS}/nobody/rotate`), body: {} }),
  },
  [`POST ${QUERY}`]: {
    200: ask('What is asked', { return_proof: true }),
    400: (at) => at.send({ ...post(QUERY), body: { query: 'q' } }),
    403: ask('q', { context: { domain: 'legal' } }),
    404: ask('absent'),
    409: async (at) => {
      const body = signedBody(await operatorAt(at), at.node, QUERY, question('q'), { at: at.clock.now() })
      await at.send({ ...post(QUERY), body })
      return at.send({ ...post(QUERY), body })
    },
    413: (at) => at.send({ ...post(QUERY), headers: json, body: LARGE }),
    415: (at) => at.send({ ...post(QUERY), headers: text, body: 'x' }),
    422: ask('600'),
    503: ask('late'),
  },
  [`POST ${BATCH}`]: {
    202: async (at) => at.send({ ...post(BATCH), body: batchBody(at, await operatorAt(at), ['first', 'second']) }),
    400: (at) => at.send({ ...post(BATCH), body: { requests: [] } }),
    403: async (at) => {
      const key = await operatorAt(at, { permissions: [{ domain: 'legal', jurisdictions: null }] })
      return at.send({ ...post(BATCH), body: batchBody(at, key, ['first']) })
    },
    409: async (at) => {
      const body = batchBody(at, await operatorAt(at), ['first'])
      await at.send({ ...post(BATCH), body })
      return at.send({ ...post(BATCH), body })
    },
    413: (at) => at.send({ ...post(BATCH), headers: json, body: 'x'.repeat(9 * 1024 * 1024) }),
    415: (at) => at.send({ ...post(BATCH), headers: text, body: 'x' }),
    422: async (at) => {
      const key = await operatorAt(at, { tier: 'free' })
      return at.send({ ...post(BATCH), body: batchBody(at, key, Array<string>(11).fill('q')) })
    },
  },
  [`GET ${BATCH}/{batch_id}/status`]: aboutBatch('GET', (id) => `${BATCH}/${id}/status`),
  [`GET ${BATCH}/{batch_id}/results`]: aboutBatch('GET', (id) => `${BATCH}/${id}/results`),
  [`DELETE ${BATCH}/{batch_id}`]: aboutBatch('DELETE', (id) => `${BATCH}/${id}`),
}
