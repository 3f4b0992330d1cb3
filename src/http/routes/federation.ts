import { Type } from 'typebox'
import {
  FederationStatus,
  ForwardRequest,
  ForwardResponse,
  InvitationCreated,
  InvitationTerms,
  JoinChallenge,
  JoinRequest,
  JoinWelcome,
  Partner,
  PartnerAdded,
  PartnerAddition,
  PartnerChange,
  PartnerId,
  PartnerRemoved,
} from '../../../protocol/federation.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'

const administration = { access: 'admin', family: 'discovery' } as const
const disabled = { description: 'Federation is off, or the credential is not an administrator', schema: DeleteResponse }
const noPartner = { description: 'There is no such partner', schema: PartnerRemoved }
const partnerPath = {
  path: '/api/v1/federation/partners/:provider_id',
  params: Type.Object({ provider_id: PartnerId }),
} as const

const forwardAnswers: Readonly<Record<number, Answer>> = {
  202: { description: 'Taken: poll `/api/v1/cells/request/{forwarded_request_id}`', schema: ForwardResponse },
  400: { description: 'The request is not valid', schema: ForwardResponse },
  401: { description: 'The credential or the token is missing or wrong', schema: ForwardResponse },
  403: { description: 'Not permitted, or refused by the partner', schema: ForwardResponse },
  404: { description: 'The target is no partner', schema: ForwardResponse },
  504: { description: 'The partner does not answer', schema: ForwardResponse },
}

/** Provider API, "Provider Federation API". */
export const federationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/federation/status',
    access: 'reader',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Who the partners are, and how they are doing',
    answers: {
      200: { description: 'The status; names, URLs and terms for the administrator only', schema: FederationStatus },
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.federation.status(request.exchange.caller?.role === 'admin')),
  }),
  route({
    method: 'POST',
    path: '/api/v1/federation/forward',
    // A partner is known by the token in the body.
    access: 'open',
    family: 'discovery',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Forward a request to a partner, or take one of a partner',
    body: ForwardRequest,
    answers: forwardAnswers,
    handler:
      ({ node, openReading }) =>
      async (request, reply) => {
        const { body, method, url, exchange } = request
        if (body.target_provider_id === node.providerId) {
          const id = await node.federation.accept(body, { method, path: url })
          return sendJson(request, reply, 202, forwarded(id, 'this node looks for it'))
        }
        if (!openReading && exchange.caller === undefined) {
          throw new ProviderError('PROV_016', 'this needs a key, as X-API-Key or Authorization: Bearer')
        }
        const presented = request.raw.headers['request-token']
        const { requestId, token } = await node.federation.forward(
          {
            owner: exchange.caller?.name,
            token: typeof presented === 'string' ? presented : undefined,
            isAdmin: exchange.caller?.role === 'admin',
          },
          body,
        )
        const more = token === undefined ? undefined : ['Request-Token', token]
        sendJson(request, reply, 202, forwarded(requestId, `${body.target_provider_id} looks for it`), more)
      },
  }),
  route({
    ...administration,
    method: 'POST',
    path: '/api/v1/federation/partners',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Add a partner, by its invitation or by what the two operators agreed',
    body: PartnerAddition,
    answers: {
      201: { description: 'The partner is added', schema: PartnerAdded },
      202: { description: 'The other node does not answer now, and is tried again', schema: PartnerAdded },
      403: { description: 'Refused by the other node, or federation is off', schema: DeleteResponse },
      409: { description: 'It is a partner already', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const answer = await node.federation.add(request.body, callerOf(request))
        sendJson(request, reply, answer.status === 'pending' ? 202 : 201, answer)
      },
  }),
  route({
    ...administration,
    ...partnerPath,
    method: 'PATCH',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Change what is held of a partner, and what it may do',
    body: PartnerChange,
    answers: {
      200: { description: 'The partner', schema: Partner },
      403: disabled,
      404: noPartner,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { provider_id } = request.params
        const by = callerOf(request)
        sendJson(request, reply, 200, await node.federation.change(provider_id, request.body, by))
      },
  }),
  route({
    ...administration,
    ...partnerPath,
    method: 'DELETE',
    bodyLimit: 0,
    summary: 'Remove a partner: its token is worth nothing from now on',
    answers: {
      200: { description: 'Removed', schema: PartnerRemoved },
      403: disabled,
      404: noPartner,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { provider_id } = request.params
        await node.federation.remove(provider_id, callerOf(request))
        sendJson(request, reply, 200, { status: 'success', message: `${provider_id} is no partner any more` })
      },
  }),
  route({
    ...administration,
    method: 'POST',
    path: '/api/v1/federation/invitations',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Invite another node to become a partner',
    body: InvitationTerms,
    answers: {
      201: { description: 'The invitation, shown this once', schema: InvitationCreated },
      403: disabled,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const by = callerOf(request)
        sendJson(request, reply, 201, await node.federation.invite(request.body, by))
      },
  }),
  route({
    method: 'POST',
    path: '/api/v1/federation/join',
    access: 'open',
    family: 'discovery',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Between nodes: become a partner by an invitation',
    body: JoinRequest,
    answers: {
      200: { description: 'A challenge, or the welcome', schema: Type.Union([JoinChallenge, JoinWelcome]) },
      403: { description: 'The invitation or the message does not count', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.federation.welcome(request.body)),
  }),
]

const forwarded = (id: string, message: string): ForwardResponse => ({
  status: 'forwarded',
  forwarded_request_id: id,
  message,
})
