import type { WebhookEvent, WebhookEventType } from '../../../protocol/webhooks.ts'
import type { EventMap, EventName, Events } from '../../kernel/telemetry/events.ts'

/** What happened, for those who asked to be told. */
export interface Telling {
  /** Whose it is: an operator's, or null for the node's own. */
  readonly owner: string | null
  readonly type: WebhookEventType
  readonly requestId: string | null
  readonly data: Readonly<Record<string, unknown>>
}

/** How each event of the bus that webhooks tell of is told, but {@link batchTelling}. protocol/README.md, "Webhooks", lists the same. */
const TELLINGS: { readonly [Name in EventName]?: (event: EventMap[Name]) => Telling } = {
  verification_complete: ({ operatorId, requestId, responseId, status, verificationStatus, confidence }) => ({
    owner: operatorId,
    type: 'verification_complete',
    requestId,
    data: { response_id: responseId, status, verification_status: verificationStatus, confidence },
  }),
  constraint_violation: ({ operatorId, requestId, constraintsFailed }) => ({
    owner: operatorId,
    type: 'constraint_violation',
    requestId,
    data: { constraints_failed: constraintsFailed },
  }),
  cell_registered: ({ cellId, cellType, version, publisher, signedBy, digest, bytes }) => ({
    owner: null,
    type: 'cell.registered',
    requestId: null,
    data: { cell_id: cellId, cell_type: cellType, version, publisher, signed_by: signedBy, digest, bytes },
  }),
  cell_yanked: ({ cellId, yanked, reason, by }) => ({
    owner: null,
    type: 'cell.yanked',
    requestId: null,
    data: { cell_id: cellId, yanked, reason, by },
  }),
  peer_banned: ({ providerId, reason, until }) => ({
    owner: null,
    type: 'peer.banned',
    requestId: null,
    data: { provider_id: providerId, reason, until: until === null ? null : new Date(until).toISOString() },
  }),
}

/** How the end of a batch is told, in the transaction that ends it: nobody would notice it a second time. */
export const batchTelling = (event: EventMap['batch_complete']): Telling => {
  const { operatorId, requestId, batchId, total, succeeded, failed, cancelled } = event
  const data = { batch_id: batchId, total, succeeded, failed, cancelled }
  return { owner: operatorId, type: 'batch_complete', requestId, data }
}

/** Tells of what happens on the bus; the function that is returned stops that. */
export function tellOf(bus: Pick<Events, 'on'>, tell: (telling: Telling) => void): () => void {
  const listen = <Name extends EventName>(name: Name): (() => void) => {
    const telling = TELLINGS[name]
    return telling === undefined ? () => undefined : bus.on(name, (event) => tell(telling(event)))
  }
  const stops = (Object.keys(TELLINGS) as EventName[]).map((name) => listen(name))
  return () => {
    for (const stop of stops) stop()
  }
}

/** The body of a request to a webhook. */
export const webhookEvent = (
  now: number,
  { type, requestId, data }: { readonly type: string; readonly requestId: string | null; readonly data: object },
): WebhookEvent => ({ event_type: type, request_id: requestId, timestamp: new Date(now).toISOString(), data })
