import { sha256 } from '@noble/hashes/sha2.js'
import { fromString } from 'uint8arrays/from-string'
import { toString as encode } from 'uint8arrays/to-string'
import { concatBytes, equalBytes, toHex, utf8 } from '../base/bytes.ts'
import type { SignatureVerifier } from '../identity/verify-pure.ts'

/** Signed notes (C2SP `signed-note`): text with any number of signatures below it. Browser-safe. */

/** Signature types: by the log itself, and with a time by a witness (C2SP `tlog-cosignature`, `cosignature/v1`). */
export const NOTE_KEY_TYPES = { ed25519: 1, cosignature: 4 } as const

/** Signatures in a note that is read, at most; the specification asks for sixteen. */
const MAX_SIGNATURES = 64
const KEY_ID_BYTES = 4
const PUBLIC_KEY_BYTES = 32
/** Bytes of the time in front of a witness's signature. */
const TIME_BYTES = 8

const SIGNATURE_LINE = /^— (\S+) (\S+)$/u
const KEY_NAME = /^[^\p{White_Space}\p{Cc}+]+$/u
const KEY_TEXT = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u
/** ASCII control characters below the space, other than the newline. */
const CONTROL = /[^\P{Cc}\n\u007f-\u009f]/u

/** A key that signs notes, under a name. Name and id together identify it. */
export interface NoteKey {
  readonly name: string
  readonly type: (typeof NOTE_KEY_TYPES)[keyof typeof NOTE_KEY_TYPES]
  /** Raw Ed25519 key. */
  readonly publicKey: Uint8Array
  /** The first four bytes of SHA-256(name ‖ newline ‖ type ‖ public key). */
  readonly id: Uint8Array
}

/** A signature as it stands in a note; nothing says yet that it is one. */
export interface NoteSignature {
  readonly name: string
  readonly id: Uint8Array
  readonly signature: Uint8Array
}

/** A note whose signatures have not been verified. */
export interface Note {
  /** What is signed, to the newline at its end. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** Throws `TypeError` for a name that no note can carry and for another length of key. */
export function noteKey(name: string, publicKey: Uint8Array, type: NoteKey['type'] = NOTE_KEY_TYPES.ed25519): NoteKey {
  if (!KEY_NAME.test(name) || !name.isWellFormed()) {
    throw new TypeError(`${JSON.stringify(name)} cannot name a key: spaces and "+" are not allowed`)
  }
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new TypeError(`an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes, this one ${publicKey.length}`)
  }
  const id = sha256(concatBytes([utf8(`${name}\n`), Uint8Array.of(type), publicKey])).slice(0, KEY_ID_BYTES)
  return { name, type, publicKey, id }
}

/** The text form of a key (*vkey*), `<name>+<id>+<base64 of type and key>`, which transparency tools are configured with. */
export const formatNoteKey = ({ name, type, publicKey, id }: NoteKey): string =>
  `${name}+${toHex(id)}+${toBase64(concatBytes([Uint8Array.of(type), publicKey]))}`

/** The key of a text form. Throws `TypeError` for another form, for a type that is not known here, and for a wrong id. */
export function parseNoteKey(text: string): NoteKey {
  const [, name, id, encoded] = KEY_TEXT.exec(text) ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || bytes === undefined) throw new TypeError('not a key of the form <name>+<id>+<base64>')
  const type = Object.values(NOTE_KEY_TYPES).find((known) => known === bytes[0])
  if (type === undefined) throw new TypeError(`the key ${name} has the type ${bytes[0]}; 1 and 4 are known here`)
  const key = noteKey(name, bytes.subarray(1), type)
  if (toHex(key.id) !== id) throw new TypeError(`the key ${name} has the id ${toHex(key.id)}, its text says ${id}`)
  return key
}

/** The note, ready to be served. `text` ends with a newline. */
export function formatNote({ text, signatures }: Note): string {
  const lines = signatures.map(({ name, id, signature }) => `— ${name} ${toBase64(concatBytes([id, signature]))}\n`)
  return `${text}\n${lines.join('')}`
}

/** Takes a note apart. Throws `TypeError` for what is not one. */
export function parseNote(note: string): Note {
  if (!note.isWellFormed() || CONTROL.test(note)) throw new TypeError('the note holds characters that none may hold')
  // The last empty line ends the text, which may have empty lines of its own.
  const end = note.lastIndexOf('\n\n') + 1
  if (end === 0) throw new TypeError('the note has no empty line before its signatures')
  if (!note.endsWith('\n')) throw new TypeError('the note does not end with a newline')
  const lines = note.slice(end + 1, -1).split('\n', MAX_SIGNATURES + 1)
  if (lines.length > MAX_SIGNATURES) throw new TypeError(`the note has more than ${MAX_SIGNATURES} signatures`)
  return { text: note.slice(0, end), signatures: lines.map(parseSignature) }
}

/**
 * Which of `keys` have signed. Signatures of other keys are ignored. Throws `TypeError` when one of `keys` appears with a
 * signature that is not its own; that none appears is for the caller to judge.
 */
export function signersOf(verifier: SignatureVerifier, note: Note, keys: readonly NoteKey[]): NoteKey[] {
  return keys.filter((key) => {
    const signatures = note.signatures.filter(({ name, id }) => name === key.name && equalBytes(id, key.id))
    if (signatures.every(({ signature }) => holds(verifier, note.text, key, signature))) return signatures.length > 0
    throw new TypeError(`the note's signature by ${key.name} does not hold`)
  })
}

function holds(
  verifier: SignatureVerifier,
  text: string,
  { type, publicKey }: NoteKey,
  signature: Uint8Array,
): boolean {
  if (type === NOTE_KEY_TYPES.ed25519) return verifier.ed25519(publicKey, utf8(text), signature)
  if (signature.length < TIME_BYTES) return false
  const time = BigInt(`0x${toHex(signature.subarray(0, TIME_BYTES))}`)
  const message = utf8(`cosignature/v1\ntime ${time}\n${text}`)
  return verifier.ed25519(publicKey, message, signature.subarray(TIME_BYTES))
}

function parseSignature(line: string): NoteSignature {
  const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || !KEY_NAME.test(name) || bytes === undefined || bytes.length <= KEY_ID_BYTES) {
    throw new TypeError(`the note has a line among its signatures that is none: ${JSON.stringify(line.slice(0, 80))}`)
  }
  return { name, id: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) }
}

/** Base64 with padding, as notes have it. */
export const toBase64 = (bytes: Uint8Array): string => encode(bytes, 'base64pad')

/** Bytes of base64 with padding; undefined for anything that {@link toBase64} does not write. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    const bytes = fromString(text, 'base64pad')
    return toBase64(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}
