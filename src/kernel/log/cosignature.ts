import { concatBytes, fromHex, utf8 } from '../base/bytes.ts'
import type { CheckpointKey } from './checkpoint.ts'
import { formatNote, NOTE_KEY_TYPES, type NoteKey, noteKey, parseNote } from './note.ts'

/** Cosignatures of witnesses (C2SP `tlog-cosignature`, `cosignature/v1`). Browser-safe. */

/** The key of a node as a witness, under its name in notes. */
export const witnessKey = (providerId: string, publicKey: Uint8Array): NoteKey =>
  noteKey(`${providerId}/witness`, publicKey, NOTE_KEY_TYPES.cosignature)

/** The line, without its newline, by which the witness `name` says that it saw this checkpoint at `seconds` (Unix), consistent with all before. */
export function cosign(note: string, { name, id }: NoteKey, key: CheckpointKey, seconds: number): string {
  const { text } = parseNote(note)
  const time = fromHex(seconds.toString(16).padStart(16, '0'))
  const signature = concatBytes([time, key.sign(utf8(`cosignature/v1\ntime ${seconds}\n${text}`))])
  const alone = formatNote({ text: '\n', signatures: [{ name, id, signature }] })
  return alone.slice(2, -1)
}

/** A note with further signature lines. Throws `TypeError` when it is none. */
export function withLines(note: string, lines: readonly string[]): string {
  const extended = lines.length === 0 ? note : `${note}${lines.join('\n')}\n`
  parseNote(extended)
  return extended
}
