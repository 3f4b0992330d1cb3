import { LIMITS } from '../../../protocol/limits.ts'
import { ProofFile } from '../../../protocol/proof-file.ts'
import type { RoleCertificate } from '../../../protocol/roles.ts'
import { fromBase64Url, fromHex, toHex, utf8 } from '../base/bytes.ts'
import { checkerOf } from '../base/checker.ts'
import { schemaRule } from '../base/schema-findings.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import { verifyRoleCertificate } from '../identity/roles.ts'
import type { SignatureVerifier } from '../identity/verify-pure.ts'
import { type NodeCheckpoint, openLogNote } from './certified-checkpoint.ts'
import { witnessKey } from './cosignature.ts'
import type { NoteKey } from './note.ts'
import { leafHash, type NodeHash, nodeHash } from './tree.ts'
import { verifyConsistency, verifyInclusion, verifyMmrInclusion } from './verify.ts'

/** Proof files, as anybody verifies them without asking anybody. Browser-safe. */

const schema = checkerOf(ProofFile)

/** What a proof file must be about, where the caller knows. */
export interface ProofExpectation {
  /** Network whose certificates count. */
  readonly network: string
  /** The node whose log it must be; any unless given. Without it, the file proves what *somebody's* log says. */
  readonly providerId?: string | undefined
  /** Origin line of the log; any of the node unless given. */
  readonly origin?: string | undefined
}

/** What a proof file proves. */
export interface ProvenLeaf {
  readonly providerId: string
  /** Origin line of the log, and what it says. */
  readonly origin: string
  readonly epoch: number
  /** Undefined for the node's own log. */
  readonly goalId: string | undefined
  readonly index: number
  /** Leaves of the tree that was signed, and its root in hexadecimal. */
  readonly size: number
  readonly root: string
  readonly leaf: Uint8Array
  /** Hexadecimal. */
  readonly leafHash: string
  /** Leaves and root of the earlier tree with which that one begins; undefined where the file has none. */
  readonly older: { readonly size: number; readonly root: string } | undefined
  /** Provider ids of the witnesses whose cosignatures hold. Whether they are enough, and whose they are, is for the caller to say. */
  readonly witnesses: readonly string[]
}

/** A proof file of which nothing is verified yet but size, form and spelling of JSON. Throws `Error` with the reason. */
export function parseProofFile(text: Uint8Array | string): ProofFile {
  const bytes = typeof text === 'string' ? utf8(text) : text
  if (bytes.length > LIMITS.proofFileBytes) {
    throw new Error(`a proof file has at most ${LIMITS.proofFileBytes} bytes, this one ${bytes.length}`)
  }
  return checkedProofFile(parseStrictJson(bytes))
}

/** The same of what was parsed already. */
export function checkedProofFile(value: unknown): ProofFile {
  if (schema.Check(value)) return value
  throw new Error(`not a proof file: ${schemaRule('it', [...schema.Errors(value)])}`)
}

/**
 * Verifies everything that a proof file holds: certificates, signatures, both paths, and where they are there the consistency with an
 * earlier checkpoint and the cosignatures. A part that does not hold makes the whole file refused. That a certificate has expired does not
 * matter: what a key has signed stays signed. Throws `Error` with the reason.
 */
export function verifyProofFile(
  verifier: SignatureVerifier,
  file: ProofFile,
  { network, providerId: expected = file.provider_id, origin }: ProofExpectation,
  hashOf: NodeHash = nodeHash,
): ProvenLeaf {
  const { provider_id: providerId, log_index: index, tree_size: size } = file
  if (file.network !== network) throw new Error(`the file is of the network ${file.network}, expected ${network}`)
  if (providerId !== expected) throw new Error(`the file is about the log of ${providerId}, expected ${expected}`)
  const open = ({ certificate, checkpoint }: Pick<ProofFile, 'certificate' | 'checkpoint'>, witnesses: NoteKey[]) =>
    openLogNote(verifier, providerId, keyOf(verifier, network, certificate, 'log', providerId), checkpoint, witnesses)

  const witnesses = (file.witnesses ?? []).map((certificate) => {
    const { provider_id: witness } = certificate
    return { witness, key: witnessKey(witness, keyOf(verifier, network, certificate, 'witness', witness)) }
  })
  const keys = witnesses.map(({ key }) => key)
  const checkpoint = open(file, keys)
  if (origin !== undefined && checkpoint.origin !== origin) {
    throw new Error(`the checkpoint is of ${checkpoint.origin}, expected ${origin}`)
  }
  const silent = witnesses.find(({ key }) => !checkpoint.witnesses.includes(key))
  if (silent !== undefined) throw new Error(`the checkpoint is not cosigned by ${silent.witness}`)
  if (new Set(witnesses.map(({ witness }) => witness)).size < witnesses.length) {
    throw new Error('the file names a witness twice')
  }
  if (checkpoint.size !== size) {
    throw new Error(`the checkpoint is of ${checkpoint.size} leaves, the proof of ${size}`)
  }

  const leaf = fromBase64Url(file.leaf)
  const claim = { leafHash: leafHash(leaf), index, size, root: checkpoint.root }
  const mmr = { siblings: file.mmr.siblings.map(fromHex), peaks: file.mmr.peaks.map(fromHex) }
  if (!verifyInclusion(claim, file.inclusion.map(fromHex), hashOf) || !verifyMmrInclusion(claim, mmr, hashOf)) {
    throw new Error(`the leaf ${index} is not in the log of ${size} leaves that was signed`)
  }

  return {
    providerId,
    origin: checkpoint.origin,
    epoch: checkpoint.epoch,
    goalId: checkpoint.goalId,
    index,
    size,
    root: toHex(checkpoint.root),
    leaf,
    leafHash: toHex(claim.leafHash),
    older: file.older === undefined ? undefined : extended(checkpoint, open(file.older, []), file.older.consistency),
    witnesses: witnesses.map(({ witness }) => witness),
  }
}

/** What the earlier checkpoint says, once the later one is proven to extend it. */
function extended(later: NodeCheckpoint, earlier: NodeCheckpoint, hashes: readonly string[]): ProvenLeaf['older'] {
  if (earlier.origin !== later.origin) {
    throw new Error(`the older checkpoint is of ${earlier.origin}, expected ${later.origin}`)
  }
  const claim = { from: earlier.size, fromRoot: earlier.root, to: later.size, toRoot: later.root }
  if (!verifyConsistency(claim, hashes.map(fromHex))) {
    throw new Error(`the log of ${later.size} leaves does not extend the one of ${earlier.size} that was signed before`)
  }
  return { size: earlier.size, root: toHex(earlier.root) }
}

function keyOf(
  verifier: SignatureVerifier,
  network: string,
  certificate: RoleCertificate,
  role: 'log' | 'witness',
  providerId: string,
): Uint8Array {
  return verifyRoleCertificate(verifier, network, certificate, { providerId, role, now: certificate.not_before })
}
