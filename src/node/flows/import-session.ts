import type { SessionFile } from '../../../protocol/memory-export.ts'
import type { MemoryBooks } from '../../domain/memory/memory-books.ts'
import type { SessionChange } from '../../domain/memory/open-session.ts'
import { checkedFile } from '../../domain/memory/session-file.ts'
import type { SessionRecord } from '../../domain/memory/session-records.ts'
import type { Clock } from '../../kernel/base/clock.ts'

/** Records that one transaction stores, and UTF-16 code units of them: others need not wait for more. */
const ITEMS_PER_WRITE = 200
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
  const { id, record } = await books.sessions.build(
    session.user_preferences,
    stepsOf(itemsOf(books, file)),
    (change) => {
      // Nothing in it is older than the session, whatever the file says: retention relies on it.
      const created_at = conversations.reduce(
        (first, conversation) => Math.min(first, beginningOf(conversation)),
        timeOf(session.created_at),
      )
      const isArchived = session.status === 'archived'
      change.update({
        created_at,
        ...(isArchived ? { status: 'archived', archived_at: clock.now() } : {}),
      })
    },
  )
  const turns = conversations.reduce((sum, conversation) => sum + conversation.turns.length, 0)
  return { id, record, conversations: conversations.length, turns }
}

type Step = (session: SessionChange) => void

/** Something to store, and the UTF-16 code units of it. */
interface Item {
  readonly characters: number
  readonly store: Step
}

/** What is stored in one transaction each: as many items as may be, in their order. */
function* stepsOf(items: Iterable<Item>): Generator<Step> {
  let group: Item[] = []
  let characters = 0
  const step =
    (stored: readonly Item[]): Step =>
    (session) => {
      for (const { store } of stored) store(session)
    }
  for (const item of items) {
    group.push(item)
    characters += item.characters
    if (group.length < ITEMS_PER_WRITE && characters < CHARACTERS_PER_WRITE) continue
    yield step(group)
    group = []
    characters = 0
  }
  if (group.length > 0) yield step(group)
}

function* itemsOf({ conversations, summaries, agents }: MemoryBooks, file: SessionFile): Generator<Item> {
  for (const { summary, key_topics: topics, trigger, created_at } of file.summaries) {
    const stored = { summary, topics, trigger, at: timeOf(created_at) }
    yield { characters: summary.length, store: (session) => summaries.put(session, stored) }
  }
  for (const { agent, state, last_updated } of file.agent_states) {
    const stored = { state, at: timeOf(last_updated), reason: null }
    yield { characters: 0, store: (session) => agents.put(session, agent, stored, 1) }
  }
  for (const conversation of file.conversations) {
    let id = ''
    yield {
      characters: 0,
      store: (session) => {
        id = conversations.begin(session, beginningOf(conversation))
      },
    }
    for (const { turn_number: number, agent, content, timestamp, metadata = {} } of conversation.turns) {
      const store: Step = (session) => {
        const record = conversations.find(session, id)
        // Some before it may be missing.
        if (record.last !== number - 1) session.putConversation(id, { ...record, last: number - 1 })
        conversations.append(session, id, [{ agent, content, metadata, at: timeOf(timestamp) }])
      }
      yield { characters: content.length, store }
    }
    const { completed_at, summary, key_topics: topics } = conversation
    if (completed_at === null) continue
    const outcome = summary === null ? null : { summary, topics }
    yield { characters: 0, store: (session) => conversations.close(session, id, timeOf(completed_at), outcome) }
  }
}

/** When a conversation began: no turn of it is older. */
const beginningOf = ({ created_at, turns }: SessionFile['conversations'][number]): number =>
  Math.min(timeOf(created_at), timeOf(turns[0]!.timestamp))

const timeOf = (text: string): number => Date.parse(text)
