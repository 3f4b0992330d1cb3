import type { ConversationStatus } from '../../../protocol/memory.ts'
import type { ConversationRecord, SessionRecord } from '../../domain/memory/session-records.ts'

/** How a conversation stands: all of an archived session are archived. */
export const conversationStatus = (
  session: Pick<SessionRecord, 'status'>,
  { completed_at }: Pick<ConversationRecord, 'completed_at'>,
): ConversationStatus => (session.status === 'archived' ? 'archived' : completed_at === null ? 'active' : 'completed')
