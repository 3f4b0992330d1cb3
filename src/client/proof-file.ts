import type { ProofFile } from '../../protocol/proof-file.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { pureVerifier } from '../kernel/identity/verify-pure.ts'
import {
  checkedProofFile,
  type ProofExpectation,
  type ProvenLeaf,
  parseProofFile,
  verifyProofFile,
} from '../kernel/log/proof-file.ts'
import { IntegrityError } from './errors.ts'

/**
 * Verifies a proof file offline: as text or bytes, or parsed already. Unless told otherwise, in the network `main`, and of any node's log: say
 * which node you trust. Throws `IntegrityError` with the reason.
 */
export function verifyProof(
  file: string | Uint8Array | ProofFile,
  expected: Partial<ProofExpectation> = {},
): ProvenLeaf {
  try {
    const isParsed = typeof file === 'object' && !(file instanceof Uint8Array)
    const parsed = isParsed ? checkedProofFile(file) : parseProofFile(file)
    return verifyProofFile(pureVerifier, parsed, { ...expected, network: expected.network ?? 'main' })
  } catch (error) {
    throw new IntegrityError(`the proof does not hold: ${errorMessage(error)}`, { cause: error })
  }
}
