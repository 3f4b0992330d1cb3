import { type AgentState, MEMORY_LIMITS } from '../../../protocol/memory.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import type { Store } from '../../kernel/storage/store.ts'
import { memoryError } from './errors.ts'
import { mergeState } from './merge-state.ts'
import type { OpenSession, SessionChange, Versioned } from './open-session.ts'
import type { SessionBook } from './session-book.ts'
import { agentStates, type StoredState } from './session-records.ts'

/** What an update made of a state. */
export interface UpdatedState {
  readonly changed: readonly string[]
  readonly at: number
  readonly version: number
}

/** What agents know in a session. A version counts the writes of a state; 0 is one that was never written. */
export class AgentStates {
  readonly #store: Store
  readonly #clock: Clock
  readonly #book: SessionBook

  constructor({ store, clock, book }: { store: Store; clock: Clock; book: SessionBook }) {
    this.#store = store
    this.#clock = clock
    this.#book = book
  }

  find(session: OpenSession, agent: string): Versioned<StoredState> | undefined {
    return session.get<StoredState>(agentStates, keyOf(session, agent))
  }

  /** All of a session, in order of their names. */
  async *list(session: OpenSession): AsyncGenerator<readonly [agent: string, state: StoredState]> {
    const found: StoredState[] = []
    for await (const [key, text] of this.#store.scan(agentStates, { prefix: `${session.id}!` })) {
      found.push(session.read<StoredState>(agentStates, key, text).value)
    }
    for (const stored of found.sort((a, b) => (a.agent < b.agent ? -1 : 1))) yield [stored.agent, stored]
  }

  /** Merges an update into a state, when `mayWrite` its version; else throws `PRECONDITION_FAILED`. */
  update(
    sessionId: string,
    agent: string,
    { updates, reason }: { readonly updates: AgentState; readonly reason: string | null },
    mayWrite: (version: number) => boolean,
  ): Promise<UpdatedState> {
    return this.#book.change(sessionId, (session) => {
      const found = this.find(session, agent)
      const version = found?.version ?? 0
      if (!mayWrite(version)) {
        throw memoryError('PRECONDITION_FAILED', `the state has changed: its ETag is ${etagOf(version)} by now`)
      }
      const { state, changed } = mergeState(found?.value.state ?? {}, updates)
      const at = this.#clock.now()
      this.put(session, agent, { state, at, reason }, version + 1)
      return { changed, at, version: version + 1 }
    })
  }

  /** Keeps a state, inside a change of its session. Throws `STORAGE_QUOTA_EXCEEDED` for one that is too large, or of one agent too many. */
  put(session: SessionChange, agent: string, stored: Omit<StoredState, 'agent'>, version: number): void {
    const bytes = Buffer.byteLength(JSON.stringify(stored.state))
    if (bytes > MEMORY_LIMITS.agentStateBytes) {
      const message = `found ${bytes} bytes in the state with this, allowed are ${MEMORY_LIMITS.agentStateBytes}`
      throw memoryError('STORAGE_QUOTA_EXCEEDED', message)
    }
    const { agents } = session.record
    if (version === 1) {
      if (agents >= MEMORY_LIMITS.agents) {
        const message = `found ${agents} agents with a state in the session, allowed are ${MEMORY_LIMITS.agents}`
        throw memoryError('STORAGE_QUOTA_EXCEEDED', message)
      }
      session.update({ agents: agents + 1 })
    }
    session.put(agentStates, keyOf(session, agent), version, { ...stored, agent })
  }
}

/** The entity tag of a version (RFC 9110 §8.8.3). */
export const etagOf = (version: number): string => `"${version}"`

const keyOf = (session: OpenSession, agent: string): string => `${session.id}!${session.nameOf(agent)}`
