import type { Acceptance } from '../../../protocol/rpc.ts'
import type { IdIndex } from './id-index.ts'

/**
 * A set of signed records that peers reconcile. A record is a text that proves itself to whoever reads it; its id is the SHA-256 of the
 * text's UTF-8 bytes, and each record has one text only.
 */
export interface RecordSet {
  readonly name: string
  /** Whether what is in it stays: then its root is compared between peers. */
  readonly isPermanent: boolean
  /** What is in it now. */
  readonly ids: IdIndex
  /** The text of a record; undefined when it is not here any more. `id` is hexadecimal. */
  text(id: string): string | undefined
  /**
   * Verifies a record that `from` brought and takes it in. `rejected` is what every node would refuse, by the record's bytes alone; `ignored`
   * what this node does not take: it has no room, knows something newer, or cannot judge yet. Never throws for what the record says.
   */
  accept(text: string, from: string): Promise<Acceptance>
}
