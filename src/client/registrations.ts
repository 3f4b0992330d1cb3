import { RegistrationProof } from '../../protocol/cells.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { pureVerifier } from '../kernel/identity/verify-pure.ts'
import { verifyRegistration } from '../kernel/log/registration-proof.ts'
import type { Trust } from './ask.ts'
import { IntegrityError, NotFoundError } from './errors.ts'
import { call, checked, type Transport, withQuery } from './transport.ts'
import type { Cell } from './verify.ts'

const schema = checkerOf(RegistrationProof)

/** Finds the proof that a cell was registered; undefined where its provider has none. */
export type ProofOf = (cell: Cell, signal: AbortSignal | undefined) => Promise<RegistrationProof | undefined>

/**
 * Asks the node that answered for the proof, unless it came with the answer, and verifies it: the leaf is in the log, whose checkpoint extends what
 * was seen of that log before. Rejects with `IntegrityError` for one that does not hold.
 */
export const registrationsOf =
  (transport: Transport, { network, logs }: Pick<Trust, 'network' | 'logs'>): ProofOf =>
  async (cell, signal) => {
    if (cell.log !== undefined) return cell.log
    const { cell_id: id, node } = cell
    const path = withQuery('/api/v1/log/registration', { cell_id: id, provider_id: cell.metadata.provider })
    let proof: RegistrationProof
    try {
      proof = checked(schema, await call(transport, node, { path, signal }))
    } catch (error) {
      if (error instanceof NotFoundError) return undefined
      throw error
    }
    try {
      verifyRegistration(pureVerifier, network, proof, { id, now: Date.now() })
    } catch (cause) {
      throw new IntegrityError(`${node} sent a proof of registration that does not hold: ${errorMessage(cause)}`, {
        node,
        cause,
      })
    }
    await logs.check(node, proof)
    return proof
  }
