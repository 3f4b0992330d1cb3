import { ProviderError } from '../../kernel/base/errors.ts'
import type { Store } from '../../kernel/storage/store.ts'
import type { ConversationBook, KnownConversation, NumberedTurn } from './conversation-book.ts'
import type { OpenSession } from './open-session.ts'
import type { MemoryText, SessionTexts } from './recall.ts'
import type { SessionBook } from './session-book.ts'
import { type Outcome, textKey, turnKey, turns, vectors } from './session-records.ts'

/** Vectors that one transaction keeps: others need not wait for more. */
const VECTORS_PER_WRITE = 64
/** Texts that are opened before others get a turn. */
const TEXTS_PER_TURN = 64

/** The texts of sessions, opened from their sealed records, and the vectors that were made of them. */
export class KeptTexts implements SessionTexts {
  readonly #store: Store
  readonly #book: SessionBook
  readonly #conversations: ConversationBook

  constructor({ store, book, conversations }: { store: Store; book: SessionBook; conversations: ConversationBook }) {
    this.#store = store
    this.#book = book
    this.#conversations = conversations
  }

  async *texts(sessionId: string): AsyncGenerator<MemoryText> {
    const session = this.#book.open(sessionId)
    let opened = 0
    for await (const conversation of this.#conversations.list(session, { newestFirst: false })) {
      for await (const turn of this.#conversations.turns(session, conversation.id)) {
        yield textOfTurn(conversation.id, turn)
        if (++opened % TEXTS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      const outcome = this.#conversations.outcome(session, conversation)
      if (outcome !== null) yield textOfOutcome(conversation, outcome)
    }
  }

  text(sessionId: string, key: string): MemoryText | undefined {
    const session = this.#book.open(sessionId)
    const [id = '', part = ''] = key.split('!')
    const record = session.conversation(id)
    if (record === undefined) return undefined
    if (part === 'summary') {
      const outcome = this.#conversations.outcome(session, { id, record })
      return outcome === null ? undefined : textOfOutcome({ id, record }, outcome)
    }
    const turn = this.#conversations.turn(session, id, Number(part))
    return turn === undefined ? undefined : textOfTurn(id, turn)
  }

  async *vectors(sessionId: string, model: string): AsyncGenerator<readonly [key: string, vector: Float32Array]> {
    const session = this.#book.open(sessionId)
    const prefix = `${sessionId}!`
    for await (const [key, text] of this.#store.scan(vectors, { prefix })) {
      const vector = decodeVector(session.readBytes(vectors, key, text), model)
      if (vector !== undefined) yield [key.slice(prefix.length), vector]
    }
  }

  async keepVectors(sessionId: string, model: string, made: ReadonlyMap<string, Float32Array>): Promise<void> {
    const entries = [...made]
    for (let at = 0; at < entries.length; at += VECTORS_PER_WRITE) {
      try {
        await this.#keep(sessionId, model, entries.slice(at, at + VECTORS_PER_WRITE))
      } catch (error) {
        // It went meanwhile, or is full: they can be made again.
        if (error instanceof ProviderError) return
        throw error
      }
    }
  }

  #keep(sessionId: string, model: string, entries: readonly (readonly [string, Float32Array])[]): Promise<void> {
    return this.#book.change(
      sessionId,
      (session) => {
        for (const [key, vector] of entries) {
          if (this.#isThere(session, key)) session.putBytes(vectors, `${sessionId}!${key}`, encodeVector(model, vector))
        }
      },
      { archived: true, touches: false },
    )
  }

  #isThere(session: OpenSession, key: string): boolean {
    const [id = '', part = ''] = key.split('!')
    const record = session.conversation(id)
    if (record === undefined) return false
    return part === 'summary' ? record.outcome !== null : session.has(turns, turnKey(session.id, id, Number(part)))
  }
}

export const textOfTurn = (conversationId: string, { number, agent, at, content }: NumberedTurn): MemoryText => ({
  key: textKey(conversationId, number),
  conversationId,
  turnNumber: number,
  agent,
  at,
  text: content,
})

export const textOfOutcome = ({ id, record }: KnownConversation, { summary }: Outcome): MemoryText => ({
  key: textKey(id, null),
  conversationId: id,
  turnNumber: null,
  agent: null,
  at: record.completed_at ?? record.last_at,
  text: summary,
})

/** The length of the model's name in two bytes, the name, and the numbers, little-endian. */
function encodeVector(model: string, vector: Float32Array): Uint8Array {
  const name = Buffer.from(model)
  const bytes = Buffer.alloc(2 + name.length + 4 * vector.length)
  bytes.writeUInt16LE(name.length)
  name.copy(bytes, 2)
  let at = 2 + name.length
  for (const number of vector) at = bytes.writeFloatLE(number, at)
  return bytes
}

/** Undefined for those of another model. */
function decodeVector(bytes: Buffer, model: string): Float32Array | undefined {
  const start = 2 + bytes.readUInt16LE(0)
  if (bytes.toString('utf8', 2, start) !== model) return undefined
  const vector = new Float32Array((bytes.length - start) / 4)
  for (let i = 0; i < vector.length; i++) vector[i] = bytes.readFloatLE(start + 4 * i)
  return vector
}
