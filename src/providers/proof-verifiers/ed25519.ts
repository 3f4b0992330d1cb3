import { Type } from 'typebox'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { decoded, verifyObject } from '../../kernel/identity/signed.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import type { ProofVerifier } from '../../kernel/plugins/packages/proof-verifiers.ts'
import { argumentOf } from './argument.ts'

/** Fields of the configuration. */
export interface AttestationConfig {
  readonly network: string
  /** Public keys whose attestations count where the goal names none. */
  readonly keys: readonly string[]
}

const NAME = 'ed25519'

const schema = checkerOf(
  Type.Object(
    {
      public_key: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
      signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' }),
    },
    { additionalProperties: false },
  ),
)

/**
 * Attestations: an Ed25519 key vouches for a pack in a goal (context `attestation`). The goal says whose: `ed25519.<public key>`. Then every node
 * comes to the same verdict; plain `ed25519` means the keys of the configuration.
 */
export function createAttestationVerifier(_signal: AbortSignal, { network, keys }: AttestationConfig): ProofVerifier {
  return {
    name: NAME,
    async verify(proof, { proof: name, goalDigest, contribution }) {
      const attestation = parsed(proof)
      if (attestation === undefined) return false
      const key = argumentOf(NAME, name)
      const counts = key === undefined ? keys.includes(attestation.public_key) : attestation.public_key === key
      const publicKey = decoded(attestation.public_key)
      if (!counts || publicKey === undefined) return false
      const attested = { goal: goalDigest, pack_hash: contribution.pack_hash }
      return verifyObject(nativeVerifier, publicKey, network, CONTEXTS.attestation, attested, attestation.signature)
    },
  }
}

function parsed(proof: Uint8Array): { readonly public_key: string; readonly signature: string } | undefined {
  try {
    const attestation = parseStrictJson(proof)
    return schema.Check(attestation) ? attestation : undefined
  } catch {
    return undefined
  }
}
