import type { UserPreferences } from '../../../protocol/memory.ts'
import type { Keyspace } from '../../kernel/storage/keyspaces.ts'
import type { Transaction } from '../../kernel/storage/store.ts'
import {
  type ConversationRecord,
  conversationKey,
  conversations,
  type SessionRecord,
  sessions,
} from './session-records.ts'
import type { SessionSeal } from './session-seal.ts'

/** A sealed value, and how often it was written. */
export interface Versioned<Value> {
  readonly value: Value
  readonly version: number
}

/** A session and the key to its records. */
export class OpenSession {
  readonly id: string
  protected readonly seal: SessionSeal
  readonly #from: Pick<Transaction, 'get'>
  protected current: SessionRecord

  constructor(from: Pick<Transaction, 'get'>, id: string, record: SessionRecord, seal: SessionSeal) {
    this.#from = from
    this.id = id
    this.current = record
    this.seal = seal
  }

  get record(): SessionRecord {
    return this.current
  }

  get preferences(): UserPreferences {
    return this.read<UserPreferences>(sessions, this.id, this.record.preferences).value
  }

  /** What stands for a name in keys of the store. */
  nameOf(name: string): string {
    return this.seal.nameOf(name)
  }

  conversation(conversationId: string): ConversationRecord | undefined {
    return this.#from.get(conversations, conversationKey(this.id, conversationId))
  }

  has(space: Keyspace<string>, key: string): boolean {
    return this.#from.get(space, key) !== undefined
  }

  /** Opens what is kept under a key. */
  get<Value>(space: Keyspace<string>, key: string): Versioned<Value> | undefined {
    const text = this.#from.get(space, key)
    return text === undefined ? undefined : this.read(space, key, text)
  }

  /** Opens text that was sealed for a key. */
  read<Value>(space: Keyspace<unknown>, key: string, text: string): Versioned<Value> {
    const { version, bytes } = this.seal.open(space.prefix + key, text)
    return { value: JSON.parse(bytes.toString()) as Value, version }
  }

  /** Bytes, sealed for a key of something that is written once and counted elsewhere. */
  sealBytes(space: Keyspace<unknown>, key: string, bytes: Uint8Array): string {
    return this.seal.seal(space.prefix + key, 1, bytes)
  }

  /** The same of what is no JSON. */
  readBytes(space: Keyspace<unknown>, key: string, text: string): Buffer {
    return this.seal.open(space.prefix + key, text).bytes
  }
}

/** A session inside a transaction that changes it. Counts the bytes of what is put and deleted. */
export class SessionChange extends OpenSession {
  readonly #tx: Transaction

  constructor(tx: Transaction, id: string, record: SessionRecord, seal: SessionSeal) {
    super(tx, id, record, seal)
    this.#tx = tx
  }

  /** Changes what the session is counted by. */
  update(change: Partial<SessionRecord>): void {
    this.current = { ...this.current, ...change }
  }

  setPreferences(preferences: UserPreferences): void {
    this.update({ preferences: this.sealed(sessions, this.id, 1, preferences) })
  }

  putConversation(conversationId: string, record: ConversationRecord): void {
    this.#write(conversations as Keyspace<unknown>, conversationKey(this.id, conversationId), record)
  }

  /** The text of a value, sealed for a key. */
  sealed(space: Keyspace<unknown>, key: string, version: number, value: unknown): string {
    return this.seal.seal(space.prefix + key, version, Buffer.from(JSON.stringify(value)))
  }

  /** Seals a value and keeps it. */
  put(space: Keyspace<string>, key: string, version: number, value: unknown): void {
    this.#write(space as Keyspace<unknown>, key, this.sealed(space, key, version, value))
  }

  /** The same of what is no JSON. */
  putBytes(space: Keyspace<string>, key: string, bytes: Uint8Array): void {
    this.#write(space as Keyspace<unknown>, key, this.seal.seal(space.prefix + key, 1, bytes))
  }

  delete(space: Keyspace<unknown>, key: string): void {
    this.update({ bytes: this.current.bytes - this.#size(space, key) })
    this.#tx.delete(space, key)
  }

  #write(space: Keyspace<unknown>, key: string, value: unknown): void {
    const bytes = this.current.bytes - this.#size(space, key) + space.prefix.length + key.length
    this.update({ bytes: bytes + space.encode(value).length })
    this.#tx.put(space, key, value)
  }

  /** Bytes of a record with its key, both of which are ASCII; 0 for none. */
  #size(space: Keyspace<unknown>, key: string): number {
    const text = this.#tx.get<string>({ prefix: space.prefix, encode: String, decode: (found) => found }, key)
    return text === undefined ? 0 : space.prefix.length + key.length + text.length
  }
}
