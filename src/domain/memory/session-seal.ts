import { createHmac } from 'node:crypto'
import { seal, unseal } from '../../kernel/identity/aes-gcm.ts'

/** 128 bits. */
const NAME_DIGITS = 32

/**
 * Seals the records of one session with its own key. What is kept is `<version>.<base64>`; additional data are the record's whole key in the store,
 * which names the session, and the version: no record can be put in the place of another, nor an older one pass under a newer version.
 */
export class SessionSeal {
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    this.#key = key
  }

  seal(record: string, version: number, bytes: Uint8Array): string {
    return `${version}.${seal(this.#key, bytes, additional(record, version)).toString('base64')}`
  }

  /** What stands for a name in keys of the store: nobody without the key can tell which name it is. */
  nameOf(name: string): string {
    return createHmac('sha256', this.#key).update(`cytoplex session name\n${name}`).digest('hex').slice(0, NAME_DIGITS)
  }

  /** Throws for what was sealed for another record, with another key, or was changed since. */
  open(record: string, text: string): { readonly version: number; readonly bytes: Buffer } {
    const dot = text.indexOf('.')
    const version = Number(text.slice(0, dot))
    const bytes = unseal(this.#key, Buffer.from(text.slice(dot + 1), 'base64'), additional(record, version))
    return { version, bytes }
  }
}

const additional = (record: string, version: number): Uint8Array =>
  Buffer.from(`cytoplex session record\n${record}\n${version}`)
