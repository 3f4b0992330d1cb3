import { utf8 } from '../base/bytes.ts'
import type { SignatureVerifier } from '../identity/verify-pure.ts'
import { formatNote, fromBase64, type NoteKey, noteKey, parseNote, signersOf, toBase64 } from './note.ts'
import { HASH_BYTES } from './tree.ts'

/** Checkpoints of a log (C2SP `tlog-checkpoint`): its size and root, in a signed note. Browser-safe. */

/** What a log commits to. */
export interface Checkpoint {
  /** Which log: see {@link logOrigin}. */
  readonly origin: string
  /** Number of leaves. */
  readonly size: number
  readonly root: Uint8Array
}

/** Signs checkpoints: the log's role key, which signs nothing else. */
export interface CheckpointKey {
  /** Raw Ed25519 key. */
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
}

/** A checkpoint that its log has signed. */
export interface OpenedCheckpoint extends Checkpoint {
  /** Lines that others' logs may add below the root; nothing is known of their meaning. */
  readonly extensions: readonly string[]
  /** Which of the expected witnesses have signed as well. How many are enough is for the caller to say. */
  readonly witnesses: readonly NoteKey[]
}

/** Which log of which node an origin line names. */
export interface LogOrigin {
  readonly providerId: string
  /** From 1 on: a node's logs go on in a new epoch when what it signed is lost to it. */
  readonly epoch: number
  /** Undefined for the node's own log. */
  readonly goalId: string | undefined
}

const ORIGIN = /^([1-9A-HJ-NP-Za-km-z]{46,62})\/log(?:\.([1-9]\d{0,6}))?(?:\/([A-Za-z0-9_-]{1,64}))?$/

/**
 * The origin line of a node's own log, or of the log of one of its goals: `<provider id>/log[.<epoch>][/<goal>]`, without the first epoch.
 * It is also the name of the key that signs. The point keeps epochs and goals apart.
 */
export const logOrigin = (providerId: string, goalId?: string, epoch = 1): string =>
  `${providerId}/log${epoch === 1 ? '' : `.${epoch}`}${goalId === undefined ? '' : `/${goalId}`}`

/** What an origin line names; undefined for one that no node of this kind has. */
export function parseLogOrigin(origin: string): LogOrigin | undefined {
  const [, providerId, epoch, goalId] = ORIGIN.exec(origin) ?? []
  if (providerId === undefined || epoch === '1') return undefined
  return { providerId, epoch: Number(epoch ?? 1), goalId }
}

/** The checkpoint as a note, signed under the name of its origin. */
export function signCheckpoint({ origin, size, root }: Checkpoint, key: CheckpointKey): string {
  const { name, id } = noteKey(origin, key.publicKey)
  const text = `${origin}\n${size}\n${toBase64(root)}\n`
  return formatNote({ text, signatures: [{ name, id, signature: key.sign(utf8(text)) }] })
}

/**
 * The checkpoint in a note that the key `log` has signed, for the log of that name. Throws `TypeError` for anything else, and when
 * `log` or one of `witnesses` appears with a signature that is not its own. Other signatures are ignored.
 */
export function openCheckpoint(
  verifier: SignatureVerifier,
  signed: string,
  log: NoteKey,
  witnesses: readonly NoteKey[] = [],
): OpenedCheckpoint {
  const note = parseNote(signed)
  if (signersOf(verifier, note, [log]).length === 0) throw new TypeError(`the checkpoint is not signed by ${log.name}`)
  const checkpoint = parseText(note.text)
  if (checkpoint.origin !== log.name) {
    throw new TypeError(`the checkpoint is of the log ${checkpoint.origin}, expected ${log.name}`)
  }
  return { ...checkpoint, witnesses: signersOf(verifier, note, witnesses) }
}

function parseText(text: string): Omit<OpenedCheckpoint, 'witnesses'> {
  const [origin, size, root, ...extensions] = text.slice(0, -1).split('\n')
  if (!origin || size === undefined || root === undefined) throw new TypeError('a checkpoint has at least three lines')
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new TypeError(
      `a checkpoint's second line is the number of leaves, found ${JSON.stringify(size.slice(0, 80))}`,
    )
  }
  const bytes = fromBase64(root)
  if (bytes?.length !== HASH_BYTES) {
    throw new TypeError(`a checkpoint's third line is a root in base64, found ${JSON.stringify(root.slice(0, 80))}`)
  }
  if (extensions.includes('')) throw new TypeError('a checkpoint has no empty lines')
  return { origin, size: Number(size), root: bytes, extensions }
}
