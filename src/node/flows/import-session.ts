import type { SessionFile } from '../../../protocol/memory-export.ts'
import type { MemoryBooks } from '../../domain/memory/memory-books.ts'
import type { SessionChange } from '../../domain/memory/open-session.ts'
import { checkedFile } from '../../domain/memory/session-file.ts'
import type { SessionRecord } from '../../domain/memory/session-records.ts'
import type { Clock } from '../../kernel/base/clock.ts'

/** Turns that one transaction stores, and UTF-16 code units of them: others need not wait for more. */
const TURNS_PER_WRITE = 200
const CHARACTERS_PER_WRITE = 1024 * 1024

export interface Imported {
  readonly id: string
  readonly record: SessionRecord
  readonly conversations: number
  readonly turns: number
}

/**
 * Makes a session of an export: all of it, or nothing. Numbers and times are kept, ids are new. Throws `INVALID_REQUEST`, and as making a session and
 * writing to it do.
 */
export async function importSession(books: MemoryBooks, clock: Clock, value: unknown): Promise<Imported> {
  const file = checkedFile(value, clock.now())
  const { session, conversations } = file
  const { id, record } = await books.sessions.build(session.user_preferences, stepsOf(books, file), (change) => {
    const created_at = timeOf(session.created_at)
    const isArchived = session.status === 'archived'
    change.update({
      created_at,
      ...(isArchived ? { status: 'archived', archived_at: clock.now() } : {}),
    })
  })
  const turns = conversations.reduce((sum, conversation) => sum + conversation.turns.length, 0)
  return { id, record, conversations: conversations.length, turns }
}

type Step = (session: SessionChange) => void

/** What is stored in one transaction each. */
function* stepsOf({ conversations, summaries, agents }: MemoryBooks, file: SessionFile): Generator<Step> {
  yield (session) => {
    for (const { summary, key_topics: topics, trigger, created_at } of file.summaries) {
      summaries.put(session, { summary, topics, trigger, at: timeOf(created_at) })
    }
    for (const { agent, state, last_updated } of file.agent_states) {
      agents.put(session, agent, { state, at: timeOf(last_updated), reason: null }, 1)
    }
  }
  for (const conversation of file.conversations) {
    let id = ''
    yield (session) => {
      id = conversations.begin(session, timeOf(conversation.created_at))
    }
    for (const turns of chunksOf(conversation.turns)) {
      yield (session) => {
        for (const { turn_number: number, agent, content, timestamp, metadata = {} } of turns) {
          const record = conversations.find(session, id)
          // Some before it may be missing.
          if (record.last !== number - 1) session.putConversation(id, { ...record, last: number - 1 })
          conversations.append(session, id, [{ agent, content, metadata, at: timeOf(timestamp) }])
        }
      }
    }
    const { completed_at, summary, key_topics: topics } = conversation
    if (completed_at !== null) {
      yield (session) =>
        conversations.close(session, id, timeOf(completed_at), summary === null ? null : { summary, topics })
    }
  }
}

function* chunksOf(turns: SessionFile['conversations'][number]['turns']): Generator<typeof turns> {
  let chunk: typeof turns = []
  let characters = 0
  for (const turn of turns) {
    if (chunk.length === TURNS_PER_WRITE || characters > CHARACTERS_PER_WRITE) {
      yield chunk
      chunk = []
      characters = 0
    }
    chunk.push(turn)
    characters += turn.content.length
  }
  yield chunk
}

const timeOf = (text: string): number => Date.parse(text)
