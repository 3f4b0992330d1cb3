import type { RegistrationProof } from '../../../protocol/cells.ts'
import { LoggedAct } from '../../../protocol/log.ts'
import { fromBase64Url, fromHex } from '../base/bytes.ts'
import { checkerOf } from '../base/checker.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import { verifyRoleCertificate } from '../identity/roles.ts'
import type { SignatureVerifier } from '../identity/verify-pure.ts'
import { openLogNote } from './certified-checkpoint.ts'
import { leafHash } from './tree.ts'
import { verifyInclusion } from './verify.ts'

const actSchema = checkerOf(LoggedAct)

/** What a proof must be about. */
export interface RegisteredCell {
  /** Cell id. */
  readonly id: string
  /** The node that must have registered it; any unless given. */
  readonly providerId?: string | undefined
  /** Unix milliseconds: when the certificate of the log's key must be in force. */
  readonly now: number
}

/**
 * Verifies that a provider has registered a cell: its identity certifies the key of its log, that key signed a checkpoint, and the tree of that
 * checkpoint has the leaf that says so. Needs nothing else, and runs in any runtime. The caller has checked the shape. Throws `Error`
 * with the reason.
 */
export function verifyRegistration(
  verifier: SignatureVerifier,
  network: string,
  proof: RegistrationProof,
  cell: RegisteredCell,
): LoggedAct {
  const { provider_id: providerId, certificate, evidence } = proof
  if (cell.providerId !== undefined && providerId !== cell.providerId) {
    throw new Error(`the proof is by ${providerId}, expected ${cell.providerId}`)
  }
  const key = verifyRoleCertificate(verifier, network, certificate, { providerId, role: 'log', now: cell.now })
  const { inclusion } = evidence
  const checkpoint = openLogNote(verifier, providerId, key, evidence.checkpoint)
  if (checkpoint.goalId !== undefined) throw new Error(`the checkpoint is of the goal ${checkpoint.goalId}`)
  const leaf = fromBase64Url(evidence.leaf)
  const claim = {
    leafHash: leafHash(leaf),
    index: inclusion.log_index,
    size: inclusion.tree_size,
    root: checkpoint.root,
  }
  if (checkpoint.size !== inclusion.tree_size || !verifyInclusion(claim, inclusion.hashes.map(fromHex))) {
    throw new Error(`the leaf ${inclusion.log_index} is not in the log of ${checkpoint.size} leaves that was signed`)
  }
  const act = parseStrictJson(leaf)
  if (!actSchema.Check(act)) throw new Error('the leaf says nothing about a cell')
  if (act.act !== 'register' || act.cell_id !== cell.id) {
    throw new Error(`the leaf says ${act.act} of the cell ${act.cell_id}, expected register of ${cell.id}`)
  }
  return act
}
