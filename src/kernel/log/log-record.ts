import { sha256 } from '@noble/hashes/sha2.js'
import { LIMITS } from '../../../protocol/limits.ts'
import { LogRecord } from '../../../protocol/transparency.ts'
import { toHex, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import { checkerOf } from '../base/checker.ts'
import { parseStrictJson } from '../base/strict-json.ts'

/** Statements about logs as text. Browser-safe. */

const schema = checkerOf(LogRecord)

/** The text of a statement, by which it travels and is named. */
export const logRecordText = (record: LogRecord): string => canonicalJson(record)

/** The name of a statement: SHA-256 of its text, in hexadecimal. */
export const logRecordId = (text: string): string => toHex(sha256(utf8(text)))

/** The statement of a text, of which nothing is verified yet but size, form and spelling. Throws `Error` with the reason. */
export function parseLogRecord(text: Uint8Array | string): LogRecord {
  if (text.length > LIMITS.logRecordBytes) {
    throw new Error(`a statement has at most ${LIMITS.logRecordBytes} bytes, this one ${text.length}`)
  }
  const parsed = parseStrictJson(text)
  if (!schema.Check(parsed)) throw new Error('not a statement about a log')
  const spelled = typeof text === 'string' ? text : new TextDecoder().decode(text)
  if (canonicalJson(parsed) !== spelled) throw new Error('a statement is spelled as RFC 8785 says')
  return parsed
}
