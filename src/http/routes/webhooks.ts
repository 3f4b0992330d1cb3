import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { envelopeOf } from '../../../protocol/assurance.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  DeadLetterList,
  DeadLetterQuery,
  DeadLettersReplayed,
  Webhook,
  WebhookCreated,
  WebhookCreation,
  WebhookId,
  WebhookList,
  WebhookTested,
} from '../../../protocol/webhooks.ts'
import { failureOf } from '../answers.ts'
import { type OperatorOf, type Owner, ownerOf, sentBy } from '../owners.ts'
import { sendJson } from '../respond.ts'
import type { Answer, HttpContext, Route } from '../route.ts'
import { compileCheck } from '../validation.ts'

const ROOT = '/api/v1/webhooks'
const ONE = `${ROOT}/:webhook_id`
// Operators are known by their signature.
const shared = { access: 'open', family: 'assurance' } as const
const params = Type.Object({ webhook_id: WebhookId })
const failure = (description: string): Answer => ({ description, schema: failureOf(shared) })
const forbidden = { 403: failure("The key is not the administrator's") } as const
const absent = { 404: failure("There is no such webhook, or it is somebody else's") } as const

const checkCreation = compileCheck(WebhookCreation, 'body')

function creationOf(body: unknown, owner: Owner): WebhookCreation {
  const creation = sentBy(owner, body)
  const error = checkCreation(creation)
  if (error !== undefined) throw error
  return creation as WebhookCreation
}

/** A request that its schemas hold for. */
type OwnedRequest = FastifyRequest<{ Params: { webhook_id: string }; Querystring: DeadLetterQuery }>

/** A route about somebody's webhooks; it answers with the first status that it names. */
interface OwnedRoute extends Omit<Route, 'access' | 'family' | 'handler'> {
  run(node: HttpContext['node']['webhooks'], owner: Owner, request: OwnedRequest): unknown
}

/** Where events are sent ("API Contracts", section 5.3). */
export function webhookRoutes(operatorOf: OperatorOf): readonly Route[] {
  const owned = ({ run, ...row }: OwnedRoute): Route => {
    const [status] = Object.keys(row.answers).map(Number)
    const handler: Route['handler'] = (context) => async (request, reply) => {
      const owner = await ownerOf(operatorOf, context, request)
      sendJson(request, reply, status!, await run(context.node.webhooks, owner, request as OwnedRequest))
    }
    return { ...shared, ...row, handler }
  }

  return [
    owned({
      method: 'POST',
      path: ROOT,
      bodyLimit: LIMITS.jsonBodyBytes,
      summary: 'Send events to a URL, once its receiver answered a challenge',
      body: Type.Union([WebhookCreation, envelopeOf(WebhookCreation, 'WebhookRequest')]),
      checkedByNode: true,
      answers: {
        201: { description: 'The webhook, with its secret, which is shown this once', schema: WebhookCreated },
        ...forbidden,
        422: failure('The URL may not be called, or an event is not for its owner'),
      },
      run: (webhooks, owner, { body }) => webhooks.create(creationOf(body, owner), owner),
    }),
    owned({
      method: 'GET',
      path: ROOT,
      bodyLimit: 0,
      summary: 'List your webhooks, without their secrets',
      answers: { 200: { description: 'Webhooks, oldest first', schema: WebhookList }, ...forbidden },
      run: (webhooks, owner) => webhooks.list(owner),
    }),
    owned({
      method: 'GET',
      path: ONE,
      bodyLimit: 0,
      summary: 'Show a webhook, and how it goes',
      params,
      answers: { 200: { description: 'The webhook', schema: Webhook }, ...forbidden, ...absent },
      run: (webhooks, owner, request) => webhooks.get(owner, request.params.webhook_id),
    }),
    owned({
      method: 'DELETE',
      path: ONE,
      bodyLimit: 0,
      summary: 'Forget a webhook, and everything on its way to it',
      params,
      answers: { 200: { description: 'The webhook, as it was', schema: Webhook }, ...forbidden, ...absent },
      run: (webhooks, owner, request) => webhooks.remove(owner, request.params.webhook_id),
    }),
    owned({
      method: 'POST',
      path: `${ONE}/test`,
      bodyLimit: 0,
      summary: 'Try a webhook out: one that is not active gets the challenge again',
      params,
      answers: { 200: { description: 'What came of it', schema: WebhookTested }, ...forbidden, ...absent },
      run: (webhooks, owner, request) => webhooks.test(owner, request.params.webhook_id),
    }),
    owned({
      method: 'GET',
      path: `${ONE}/dead-letters`,
      bodyLimit: 0,
      summary: 'List the events that did not arrive',
      params,
      query: DeadLetterQuery,
      answers: { 200: { description: 'Events, oldest first', schema: DeadLetterList }, ...forbidden, ...absent },
      run: (webhooks, owner, { params, query }) => webhooks.deadLetters(owner, params.webhook_id, query),
    }),
    owned({
      method: 'POST',
      path: `${ONE}/dead-letters/replay`,
      bodyLimit: 0,
      summary: 'Send the events that did not arrive again, under the same ids',
      params,
      answers: {
        200: { description: 'How many are on their way', schema: DeadLettersReplayed },
        ...forbidden,
        ...absent,
        409: failure('The webhook is not active'),
      },
      run: (webhooks, owner, request) => webhooks.replay(owner, request.params.webhook_id),
    }),
  ]
}
