import { operatorOf } from './operator-signature.ts'
import type { Route } from './route.ts'
import { analyticsRoutes } from './routes/analytics.ts'
import { assuranceRoutes } from './routes/assurance.ts'
import { auditRoutes } from './routes/audit.ts'
import { batchRoutes } from './routes/batch.ts'
import { cellRoutes } from './routes/cells.ts'
import { chatRoutes } from './routes/chat.ts'
import { configurationRoutes } from './routes/configuration.ts'
import { constraintRoutes } from './routes/constraints.ts'
import { conversationRoutes } from './routes/conversations.ts'
import { dashboardRoutes } from './routes/dashboard.ts'
import { discoveryRoutes } from './routes/discovery.ts'
import { docsRoutes } from './routes/docs.ts'
import { doctorRoutes } from './routes/doctor.ts'
import { eventRoutes } from './routes/events.ts'
import { exportRoutes } from './routes/exports.ts'
import { federationRoutes } from './routes/federation.ts'
import { goalLogRoutes } from './routes/goal-log.ts'
import { goalRoutes } from './routes/goals.ts'
import { keyRoutes } from './routes/keys.ts'
import { logRoutes } from './routes/log.ts'
import { contextRoutes } from './routes/memory-context.ts'
import { operatorRoutes } from './routes/operators.ts'
import { packageRoutes } from './routes/packages.ts'
import { peerRoutes } from './routes/peers.ts'
import { proofKeyRoutes } from './routes/proof-keys.ts'
import { providerRoutes } from './routes/providers.ts'
import { replicationRoutes } from './routes/replication.ts'
import { repositoryRoutes } from './routes/repository.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { sourceRoutes } from './routes/sources.ts'
import { systemRoutes } from './routes/system.ts'
import { upkeepRoutes } from './routes/upkeep.ts'
import { vulnerabilityRoutes } from './routes/vulnerabilities.ts'
import { webhookRoutes } from './routes/webhooks.ts'

/** The route table: what is not in it does not exist. */
export const ROUTES: readonly Route[] = [
  ...cellRoutes,
  ...packageRoutes,
  ...repositoryRoutes,
  ...discoveryRoutes,
  ...peerRoutes,
  ...providerRoutes,
  ...logRoutes,
  ...goalLogRoutes,
  ...goalRoutes,
  ...keyRoutes,
  ...configurationRoutes,
  ...proofKeyRoutes,
  ...federationRoutes,
  ...replicationRoutes,
  ...sourceRoutes,
  ...constraintRoutes(operatorOf),
  ...auditRoutes,
  ...doctorRoutes,
  ...upkeepRoutes,
  ...vulnerabilityRoutes,
  ...analyticsRoutes,
  ...eventRoutes,
  ...operatorRoutes,
  ...assuranceRoutes,
  ...batchRoutes,
  ...webhookRoutes(operatorOf),
  ...sessionRoutes,
  ...conversationRoutes,
  ...contextRoutes,
  ...exportRoutes,
  ...chatRoutes,
  ...systemRoutes,
  ...docsRoutes,
  ...dashboardRoutes,
]

const PATTERNS = ROUTES.map(({ method, path }) => ({
  method,
  pattern: new RegExp(`^${path.replace(/:[a-z_]+/g, '[^/]+').replace('*', '.+')}$`),
}))

/** The start of a URL in absolute form, which says nothing about the route. */
const ORIGIN = /^https?:\/\/[^/?#]*/i

/** Methods that exist for `url`; none when there is no such route. */
export function methodsFor(url: string): string[] {
  const path = url.replace(ORIGIN, '').split('?', 1)[0]!
  const methods = new Set<string>()
  for (const { method, pattern } of PATTERNS) {
    if (!pattern.test(path)) continue
    methods.add(method)
    if (method === 'GET') methods.add('HEAD')
  }
  return methods.size === 0 ? [] : [...methods, 'OPTIONS'].sort()
}
