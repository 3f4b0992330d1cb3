import type { Constraint } from '../../protocol/constraints.ts'
import { CONTEXTS } from '../../protocol/contexts.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { ed25519FromSeed, newSeed, signObject } from '../../src/kernel/identity/keys.ts'
import { NETWORK } from './cells.ts'

/** What a constraint says, before it is signed. */
export type ConstraintTerms = Constraint extends infer One
  ? One extends Constraint
    ? Pick<One, 'kind' | 'parameters'>
    : never
  : never

/** A constraint, signed by a key of its own. */
export function signedConstraint(id: string, terms: ConstraintTerms, version = 1): Constraint {
  const key = ed25519FromSeed(newSeed())
  const public_key = toBase64Url(key.publicKey)
  const unsigned = { format: 1, constraint_id: id, version, ...terms, public_key }
  return { ...unsigned, signature: signObject(key, NETWORK, CONTEXTS.constraint, unsigned) } as Constraint
}
