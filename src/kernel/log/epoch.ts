import { CONTEXTS } from '../../../protocol/contexts.ts'
import type { EpochRecord } from '../../../protocol/transparency.ts'
import { publicKeyOf } from '../identity/ids.ts'
import { verifyObject } from '../identity/signed.ts'
import type { SignatureVerifier } from '../identity/verify-pure.ts'
import { type NodeCheckpoint, openCertifiedNote } from './certified-checkpoint.ts'

/**
 * Verifies the statement that opens an epoch: the node's identity signed it, and the checkpoint that it supersedes is the node's own, of
 * the epoch before. Returns that checkpoint. Browser-safe. Throws `Error` with the reason. The caller has checked the shape.
 */
export function verifyEpoch(verifier: SignatureVerifier, network: string, record: EpochRecord): NodeCheckpoint {
  const { provider_id: providerId, epoch, superseded, signature } = record
  if (!verifyObject(verifier, publicKeyOf(providerId), network, CONTEXTS.logEpoch, record, signature)) {
    throw new Error(`the epoch is not signed by ${providerId} for the network ${network}`)
  }
  const before = openCertifiedNote(verifier, network, providerId, superseded)
  if (before.goalId !== undefined || before.epoch !== epoch - 1) {
    throw new Error(`the epoch ${epoch} supersedes ${before.origin}, expected the log of epoch ${epoch - 1}`)
  }
  return before
}
