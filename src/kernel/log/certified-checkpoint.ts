import type { RoleCertificate } from '../../../protocol/rpc.ts'
import { verifyRoleCertificate } from '../identity/roles.ts'
import type { SignatureVerifier } from '../identity/verify-pure.ts'
import { type LogOrigin, type OpenedCheckpoint, openCheckpoint, parseLogOrigin } from './checkpoint.ts'
import { type NoteKey, noteKey } from './note.ts'

/** Checkpoints of nodes, whose log key is certified by their identity. Browser-safe. */

/** A checkpoint as it travels. */
export interface CertifiedNote {
  readonly certificate: RoleCertificate
  /** The signed note. */
  readonly checkpoint: string
}

/** A node's checkpoint that was verified, and which of its logs it is of. */
export interface NodeCheckpoint extends OpenedCheckpoint, LogOrigin {}

/**
 * A checkpoint of one of a node's logs, of any epoch, signed by its raw log key. Throws `TypeError` for anything else; `witnesses` are the
 * keys whose signatures are looked for.
 */
export function openLogNote(
  verifier: SignatureVerifier,
  providerId: string,
  publicKey: Uint8Array,
  note: string,
  witnesses: readonly NoteKey[] = [],
): NodeCheckpoint {
  const line = note.split('\n', 1)[0]!
  const origin = parseLogOrigin(line)
  if (origin === undefined || origin.providerId !== providerId) {
    throw new TypeError(`the checkpoint is of ${JSON.stringify(line.slice(0, 80))}, expected ${providerId}/log`)
  }
  return { ...openCheckpoint(verifier, note, noteKey(line, publicKey), witnesses), ...origin }
}

/**
 * The same with the key's certificate, which must belong to `providerId`. Whether it is still in force is judged where `now` (Unix
 * milliseconds) is given: what a key has signed stays signed when its certificate expires. Throws `Error` with the reason.
 */
export function openCertifiedNote(
  verifier: SignatureVerifier,
  network: string,
  providerId: string,
  { certificate, checkpoint }: CertifiedNote,
  now: number = certificate.not_before,
): NodeCheckpoint {
  const key = verifyRoleCertificate(verifier, network, certificate, { providerId, role: 'log', now })
  return openLogNote(verifier, providerId, key, checkpoint)
}
