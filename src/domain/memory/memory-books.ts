import type { Clock } from '../../kernel/base/clock.ts'
import type { TokenKey } from '../../kernel/identity/key-directory.ts'
import type { SecretSeal } from '../../kernel/identity/sealed-secret.ts'
import type { Store } from '../../kernel/storage/store.ts'
import { AgentStates } from './agent-states.ts'
import { ConversationBook } from './conversation-book.ts'
import { KeptTexts } from './kept-texts.ts'
import { SessionBook, type SessionLimits } from './session-book.ts'
import { SessionSummaries } from './session-summaries.ts'
import { SessionTokens } from './session-tokens.ts'

/** Everything that a node keeps of sessions. */
export interface MemoryBooks {
  readonly sessions: SessionBook
  readonly conversations: ConversationBook
  readonly agents: AgentStates
  readonly summaries: SessionSummaries
  readonly texts: KeptTexts
  readonly tokens: SessionTokens
}

export interface MemoryBooksParts {
  readonly store: Store
  readonly clock: Clock
  /** Wraps the keys of sessions. */
  readonly seal: SecretSeal
  readonly limits: SessionLimits
  /** Id of the node that gives out tokens, the key that signs them, and minutes that they are in force. */
  readonly self: string
  readonly token: TokenKey
  readonly tokenMinutes: number
}

export function memoryBooks(parts: MemoryBooksParts): MemoryBooks {
  const { store, clock, self, token, tokenMinutes: minutes } = parts
  const sessions = new SessionBook(parts)
  const conversations = new ConversationBook({ store, clock, book: sessions })
  return {
    sessions,
    conversations,
    agents: new AgentStates({ store, clock, book: sessions }),
    summaries: new SessionSummaries({ store, clock, book: sessions }),
    texts: new KeptTexts({ store, book: sessions, conversations }),
    tokens: new SessionTokens({ self, token, clock, minutes }),
  }
}
