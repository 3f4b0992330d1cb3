import { getPublicKey, sign } from '@noble/ed25519'
import { sha256 } from '@noble/hashes/sha2.js'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import type { Contribution, ContributionPack } from '../../../protocol/contribution.ts'
import { toBase64Url, toHex, utf8 } from '../base/bytes.ts'
import { extrasText, leadingZeros, packBytes, workText } from './contribution-bytes.ts'
import { nodeIdOf } from './ids.ts'
import type { RequestKey } from './quantum-signature.ts'
import { signedBytes } from './signed.ts'
// Gives the signing library its SHA-512.
import './verify-pure.ts'

/** Contributions to goals, as their authors make them: hashed, worked for, signed. Browser-safe. */

/** Hashes between two pauses: some twenty milliseconds. */
const HASHES_PER_TURN = 8192

/** The key of a 32-byte seed. Throws for another length. */
export function contributorKey(seed: Uint8Array): RequestKey {
  const own = seed.slice()
  return { publicKey: getPublicKey(own), sign: (message) => sign(message, own) }
}

/** SHA-256 of {@link packBytes}, lower-case hexadecimal. */
export const packHash = (version: string, parameters: Uint8Array): string =>
  toHex(sha256(packBytes(version, parameters)))

/** SHA-256 of what a pack has of metadata and proofs (base64url), which its contributor signs; undefined where it has neither. */
export function packExtras(pack: Pick<ContributionPack, 'metadata' | 'proofs'>): string | undefined {
  const text = extrasText(pack)
  return text === undefined ? undefined : toHex(sha256(utf8(text)))
}

/** What a contribution is made of. */
export interface ContributionTerms {
  /** Digest of the goal's record. */
  readonly goal: string
  /** See {@link packHash}. */
  readonly packHash: string
  /** See {@link packExtras}. */
  readonly extras?: string | undefined
  /** Zero bits that the proof of work begins with; 0 for goals that want none. */
  readonly difficulty: number
  /** Ends the work, which takes twice as long per bit. */
  readonly signal?: AbortSignal | undefined
}

/** The contribution's record, worked for where that is asked, and signed. Rejects with the reason of the signal. */
export async function signContribution(
  key: RequestKey,
  network: string,
  { goal, packHash: pack_hash, extras, difficulty, signal }: ContributionTerms,
): Promise<Contribution> {
  const bare = {
    type: 'contribution',
    goal,
    contributor_id: nodeIdOf(key.publicKey),
    pack_hash,
    ...(extras === undefined ? {} : { extras }),
    public_key: toBase64Url(key.publicKey),
  } as const
  const unsigned = difficulty === 0 ? bare : { ...bare, work: await findWork(network, bare, difficulty, signal) }
  const signature = key.sign(signedBytes(network, CONTEXTS.contribution, unsigned))
  return { ...unsigned, signature: toBase64Url(signature) }
}

/** Zero bits at the beginning of the hash of a contribution with its `work`. */
export const workBits = (network: string, contribution: object): number =>
  leadingZeros(sha256(utf8(workText(network, contribution))))

/** Tries one number after the other. `work` is the last property in canonical order, so what is before it is hashed once. */
async function findWork(
  network: string,
  bare: object,
  difficulty: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const end = '"}'
  const before = sha256.create().update(utf8(workText(network, { ...bare, work: '' }).slice(0, -end.length)))
  for (let tried = 0; ; tried++) {
    const work = tried.toString(16)
    if (
      leadingZeros(
        before
          .clone()
          .update(utf8(work + end))
          .digest(),
      ) >= difficulty
    )
      return work
    if (tried % HASHES_PER_TURN !== HASHES_PER_TURN - 1) continue
    // Others go on meanwhile, and whoever asked may have thought better of it.
    await new Promise((resolve) => setTimeout(resolve))
    signal?.throwIfAborted()
  }
}
