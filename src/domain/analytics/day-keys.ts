import { createHmac, randomBytes } from 'node:crypto'
import { KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { Transaction } from '../../kernel/storage/store.ts'
import { dayName } from './periods.ts'

export const analyticsKeys = textKeyspace(KEYSPACES.analyticsKeys)

/** Characters of a digest, of base64url: 132 bits. */
const DIGEST_LENGTH = 22

/**
 * The random key of a day, made when it is first asked for. Once it is deleted nobody can tell any more whether an id or a signature is
 * behind a digest of that day, not even who has all data and knows all ids.
 */
export function dayKey(tx: Transaction, day: number): string {
  const name = dayName(day)
  const held = tx.get(analyticsKeys, name)
  if (held !== undefined) return held
  const key = randomBytes(32).toString('base64url')
  tx.put(analyticsKeys, name, key)
  return key
}

export const keyedDigest = (key: string, kind: 'report' | 'signature', text: string): string =>
  createHmac('sha256', key).update(`${kind} ${text}`).digest('base64url').slice(0, DIGEST_LENGTH)
