import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import {
  AnalyticsIssue,
  AnalyticsIssueList,
  AnalyticsIssueQuery,
  AnalyticsOverview,
  AnalyticsQuery,
  ErrorReport,
  ErrorReportAnswer,
  IssueResolution,
  UsageReport,
  UsageReportAnswer,
} from '../../../protocol/analytics.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { ReportTarget } from '../../node/api.ts'
import { partnerOf } from '../partner-token.ts'
import { sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

const report = { method: 'POST', access: 'open', family: 'discovery', bodyLimit: LIMITS.jsonBodyBytes } as const
const reportAnswers = {
  400: { description: 'The report is not valid', schema: DeleteResponse },
  429: { description: 'No more reports can be remembered now', schema: DeleteResponse },
} as const

const targetOf = ({ method, url }: FastifyRequest): ReportTarget => ({ method, path: url })

/** Provider API, "Usage Analytics API", and the issues that error reports are grouped into. */
export const analyticsRoutes: readonly Route[] = [
  route({
    ...report,
    path: '/api/v1/analytics/usage',
    summary: 'Report how a cell was used, anonymously',
    body: UsageReport,
    checkedByNode: true,
    answers: { 202: { description: 'Counted', schema: UsageReportAnswer }, ...reportAnswers },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 202, await node.analytics.reportUsage(request.body, targetOf(request))),
  }),
  route({
    ...report,
    path: '/api/v1/analytics/errors',
    summary: 'Report an error of a cell, anonymously',
    body: ErrorReport,
    checkedByNode: true,
    answers: { 202: { description: 'Counted', schema: ErrorReportAnswer }, ...reportAnswers },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 202, await node.analytics.reportError(request.body, targetOf(request))),
  }),
  route({
    method: 'GET',
    path: '/api/v1/analytics/overview',
    access: 'admin',
    forPartners: true,
    family: 'discovery',
    bodyLimit: 0,
    summary: 'How cells were used',
    query: AnalyticsQuery,
    answers: {
      200: { description: 'Sums over the range', schema: AnalyticsOverview },
      400: { description: 'The query cannot be read', schema: DeleteResponse },
      403: { description: 'The sums are not shared with this partner', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { presentedToken } = request.exchange
        if (presentedToken !== undefined && !(await partnerOf(node, request, presentedToken)).mayReadAnalytics) {
          throw new ProviderError('PROV_015', 'this node does not share its analytics with this partner')
        }
        sendJson(request, reply, 200, await node.analytics.overview(request.query))
      },
  }),
  route({
    method: 'GET',
    path: '/api/v1/analytics/issues',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Known errors',
    query: AnalyticsIssueQuery,
    answers: { 200: { description: 'Issues', schema: AnalyticsIssueList } },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.analytics.issues(request.query)),
  }),
  route({
    method: 'PUT',
    path: '/api/v1/analytics/issues/:issue_id',
    access: 'admin',
    family: 'discovery',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: 'Say where the resolution of a known error is',
    params: Type.Object({ issue_id: Type.String({ maxLength: 128 }) }),
    body: IssueResolution,
    answers: {
      200: { description: 'The issue', schema: AnalyticsIssue },
      400: { description: 'The address is not valid', schema: DeleteResponse },
      404: { description: 'There is no such issue', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { issue_id } = request.params
        const issue = await node.analytics.setResolution(issue_id, request.body.resolution_url)
        if (issue === undefined) {
          throw new ProviderError('PROV_001', `there is no issue ${JSON.stringify(issue_id)}`, { status: 404 })
        }
        sendJson(request, reply, 200, issue)
      },
  }),
]
