import { Type } from 'typebox'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { Contribution, ContributionPack } from '../../../protocol/contribution.ts'
import type { Goal, RejectionType } from '../../../protocol/goal.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { fromBase64Url } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { sha256, sha256Hex } from '../../kernel/base/hash.ts'
import { schemaFinding } from '../../kernel/base/schema-findings.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { extrasText, leadingZeros, packBytes, workText } from '../../kernel/identity/contribution-bytes.ts'
import { nodeIdOf } from '../../kernel/identity/ids.ts'
import { decoded, signedBytes } from '../../kernel/identity/signed.ts'
import type { AsyncSignatureVerifier } from '../../kernel/identity/verify-pure.ts'

/** A contribution with its pack: a record of the set of its goal. */
export interface ContributionRecord {
  readonly contribution: Contribution
  readonly pack: ContributionPack
}

const recordSchema = checkerOf(
  Type.Object({ contribution: Contribution, pack: ContributionPack }, { additionalProperties: false }),
)

/** Why a record is refused, by its bytes and the goal's alone: every node says the same. */
export interface Refused {
  readonly type: RejectionType
  /** In words. */
  readonly reason: string
}

/** SHA-256 of version and parameters, in hexadecimal. */
export const packHash = ({ version, parameters }: Pick<ContributionPack, 'version' | 'parameters'>): string =>
  sha256Hex(packBytes(version, fromBase64Url(parameters)))

/** What a contribution says of its pack's metadata and proofs; undefined where there are none. */
export function extrasOf(pack: Pick<ContributionPack, 'metadata' | 'proofs'>): string | undefined {
  const text = extrasText(pack)
  return text && sha256Hex(text)
}

/** The name of a contribution: SHA-256 of its RFC 8785 bytes, signature included. */
export const contributionId = (contribution: Contribution): string => sha256Hex(canonicalJson(contribution))

/** The text as which a contribution is in the set of its goal. */
export const recordText = ({ contribution, pack }: ContributionRecord): string => canonicalJson({ contribution, pack })

/** Both at once, for who needs both. */
export function namedRecord({ contribution, pack }: ContributionRecord): {
  readonly id: string
  readonly text: string
} {
  const inner = canonicalJson(contribution)
  return { id: sha256Hex(inner), text: `{"contribution":${inner},"pack":${canonicalJson(pack)}}` }
}

/** Leading zero bits of a contribution's proof of work. */
export const workOf = (network: string, contribution: Omit<Contribution, 'signature'>): number =>
  leadingZeros(sha256(workText(network, contribution)))

/** Reads a record as it travels; undefined for what is not in the one form that it can have. */
export function readRecord(text: string): ContributionRecord | undefined {
  if (Buffer.byteLength(text) > LIMITS.contributionRecordBytes) return undefined
  try {
    const record = parseStrictJson(text)
    return recordSchema.Check(record) && canonicalJson(record) === text ? record : undefined
  } catch {
    return undefined
  }
}

/** What is wrong with the form of a record that was put together from a submission; undefined when nothing is. */
export function misshapen(record: ContributionRecord, text: string): Refused | undefined {
  if (!recordSchema.Check(record)) {
    return structure(schemaFinding('submission', record, recordSchema.Errors(record)))
  }
  const bytes = Buffer.byteLength(text)
  if (bytes <= LIMITS.contributionRecordBytes) return undefined
  return structure(`the contribution has ${bytes} bytes; at most ${LIMITS.contributionRecordBytes} are allowed`)
}

/** A goal, where contributions to it come in. */
interface Place {
  readonly goal: Goal
  readonly digest: string
  readonly network: string
}

/** Everything that admission to a goal's set asks of a record of the right form, but the signature. Undefined when it may come in. */
export function inadmissible(place: Place, { contribution, pack }: ContributionRecord): Refused | undefined {
  if (decoded(pack.parameters) === undefined) return structure('parameters are not base64url without padding')
  if (packHash(pack) !== contribution.pack_hash) return structure('pack_hash is not the hash of the pack')
  if (extrasOf(pack) !== contribution.extras) {
    return structure('extras is not the hash of metadata and proofs, which a contribution signs where it has them')
  }
  return notContributor(place, contribution)
}

/** The same of one whose hashes were made from its pack. */
export function notContributor({ goal, digest, network }: Place, contribution: Contribution): Refused | undefined {
  if (contribution.goal !== digest) return { type: 'INVALID_GOAL', reason: 'the contribution is to another goal' }
  const key = decoded(contribution.public_key)
  if (key === undefined || nodeIdOf(key, sha256) !== contribution.contributor_id) {
    return { type: 'INVALID_SIGNATURE', reason: 'contributor_id is not the node id of public_key' }
  }
  return notAdmitted(goal, network, contribution)
}

/** What the goal's admission has against a contribution; undefined when nothing. */
export function notAdmitted(
  { admission }: Pick<Goal, 'admission'>,
  network: string,
  contribution: Contribution,
): Refused | undefined {
  if (admission.kind === 'closed') {
    if (admission.contributors.includes(contribution.contributor_id)) return undefined
    return { type: 'INVALID_GOAL', reason: `the goal is closed, and ${contribution.contributor_id} is not on its list` }
  }
  if (admission.difficulty === 0) return undefined
  const bits = workOf(network, contribution)
  if (bits >= admission.difficulty) return undefined
  const reason = `the proof of work has ${bits} leading zero bits; the goal asks for ${admission.difficulty}`
  return { type: 'PROOF_INVALID', reason }
}

/** Whether a contribution is signed by its key. */
export async function isSigned(
  verifier: Pick<AsyncSignatureVerifier, 'ed25519'>,
  network: string,
  contribution: Contribution,
): Promise<boolean> {
  const key = decoded(contribution.public_key)
  const signature = decoded(contribution.signature)
  if (key === undefined || signature === undefined) return false
  return verifier.ed25519(key, signedBytes(network, CONTEXTS.contribution, contribution), signature)
}

const structure = (reason: string): Refused => ({ type: 'INVALID_STRUCTURE', reason })
