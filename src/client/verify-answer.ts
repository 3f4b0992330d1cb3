import type { QueryResponse } from '../../protocol/assurance.ts'
import type { PublicKeys } from '../../protocol/public-keys.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import {
  type AnswerArithmetic,
  type AnswerExpectation,
  checkedAnswer,
  checkedKeys,
  parseAnswer,
  pureArithmetic,
  type VerifiedAnswer,
  verifyProvenAnswer,
} from '../kernel/log/verify-answer.ts'
import { IntegrityError } from './errors.ts'

/** What an answer must be, where the caller knows; in the network `main`, and not of the future, unless told otherwise. */
export interface AnswerTrust extends Partial<Omit<AnswerExpectation, 'publicKeys'>> {
  /** `GET /.well-known/public-keys.json` of the node. */
  readonly publicKeys?: PublicKeys | undefined
  /** What verification computes with. Default: plain JavaScript, which works everywhere. */
  readonly arithmetic?: AnswerArithmetic | undefined
}

/**
 * Verifies an answer with its proof offline: as text or bytes, or parsed already. Of any node's unless `providerId` or `publicKeys` say whom you
 * trust, and of any request unless you give yours. Rejects with `IntegrityError` and the reason.
 */
export async function verifyAnswer(
  answer: string | Uint8Array | QueryResponse,
  { arithmetic = pureArithmetic, publicKeys, ...expected }: AnswerTrust = {},
): Promise<VerifiedAnswer> {
  try {
    const isParsed = typeof answer === 'object' && !(answer instanceof Uint8Array)
    const response = isParsed ? checkedAnswer(answer) : parseAnswer(answer)
    return await verifyProvenAnswer(arithmetic, response, {
      ...expected,
      network: expected.network ?? 'main',
      now: expected.now ?? Date.now(),
      ...(publicKeys === undefined ? {} : { publicKeys: checkedKeys(publicKeys) }),
    })
  } catch (error) {
    throw new IntegrityError(`the answer does not hold: ${errorMessage(error)}`, { cause: error })
  }
}
