import type { SessionCreated } from '../../protocol/memory.ts'
import { type Memory, memoryError } from '../../src/node/memory-api.ts'

const gone = (): never => {
  throw memoryError('INVALID_SESSION_TOKEN', 'there are no sessions here')
}
const rejected = async (): Promise<never> => gone()

const CREATED: SessionCreated = {
  session_id: `sess_${'0'.repeat(32)}`,
  created_at: '2026-01-01T00:00:00.000Z',
  token: 'token',
  expires_at: '2026-01-01T02:00:00.000Z',
  permissions: ['read'],
  status: 'active',
}

/** A memory without sessions, in which none outlives its creation. */
export const fakeMemory = (): Memory => ({
  createSession: async () => CREATED,
  authorize: rejected,
  refreshToken: rejected,
  session: gone,
  updatePreferences: rejected,
  archive: rejected,
  deleteSession: rejected,
  startConversation: rejected,
  conversations: rejected,
  conversation: rejected,
  addTurns: rejected,
  startAnswered: rejected,
  complete: rejected,
  context: rejected,
  search: rejected,
  updateSummary: rejected,
  countCompletion: gone,
  analytics: rejected,
  export: rejected,
  exportStatus: rejected,
  download: async () => {
    throw memoryError('EXPORT_NOT_FOUND', 'there is no such export')
  },
  import: async () => ({ ...CREATED, conversations: 0, turns: 0 }),
  agentState: gone,
  updateAgentState: rejected,
})
