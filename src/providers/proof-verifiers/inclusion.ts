import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { type ProvenLeaf, parseProofFile, verifyProofFile } from '../../kernel/log/proof-file.ts'
import { nativeNodeHash } from '../../kernel/log/tree-hashes.ts'
import type { ProofVerifier } from '../../kernel/plugins/packages/proof-verifiers.ts'
import { argumentOf } from './argument.ts'

/** Fields of the configuration. */
export interface InclusionConfig {
  readonly network: string
  /** Provider ids, and origin lines of logs, that count where the goal names none. */
  readonly logs: readonly string[]
}

const NAME = 'inclusion'

/**
 * Proof files whose leaf names the pack: some node has logged it. The goal says which node: `inclusion.<provider id>`. Then every node comes to the
 * same verdict; plain `inclusion` means the logs of the configuration.
 */
export function createInclusionVerifier(_signal: AbortSignal, { network, logs }: InclusionConfig): ProofVerifier {
  return {
    name: NAME,
    async verify(proof, { proof: name, contribution }) {
      const proven = verified(proof, network)
      if (proven === undefined) return false
      const { providerId, origin, leaf } = proven
      const provider = argumentOf(NAME, name)
      const counts =
        provider === undefined ? logs.includes(providerId) || logs.includes(origin) : providerId === provider
      return counts && packHashOf(leaf) === contribution.pack_hash
    },
  }
}

function verified(proof: Uint8Array, network: string): ProvenLeaf | undefined {
  try {
    return verifyProofFile(nativeVerifier, parseProofFile(proof), { network }, nativeNodeHash)
  } catch {
    return undefined
  }
}

/** `pack_hash` of a leaf that is a JSON object and has one. */
function packHashOf(leaf: Uint8Array): unknown {
  try {
    const value = parseStrictJson(leaf)
    return typeof value === 'object' && value !== null && 'pack_hash' in value ? value.pack_hash : undefined
  } catch {
    return undefined
  }
}
