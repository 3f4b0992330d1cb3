import { Type } from 'typebox'
import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createAttestationVerifier } from './ed25519.ts'
import { createInclusionVerifier } from './inclusion.ts'

const network = Type.String({ minLength: 1, description: 'Network whose signatures count. The node fills it in.' })

/** The proof verifiers that come with the node. */
export function registerProofVerifiers(registry: ProviderRegistry): void {
  registry.registerProvider('proof-verifiers', 'ed25519', createAttestationVerifier, {
    capabilities: ['ed25519'],
    documentation: 'Attestations: an Ed25519 key, which the goal names as ed25519.<public key>, vouches for the pack.',
    config: {
      network,
      keys: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }), {
        default: [],
        description: 'Public keys (base64url) that count where a goal asks for ed25519 and names none.',
      }),
    },
  })
  registry.registerProvider('proof-verifiers', 'inclusion', createInclusionVerifier, {
    capabilities: ['inclusion'],
    documentation: 'Proof files: the log of a node, which the goal names as inclusion.<provider id>, has the pack.',
    config: {
      network,
      logs: Type.Array(Type.String({ minLength: 46 }), {
        default: [],
        description: 'Provider ids and origin lines of logs that count where a goal asks for inclusion and names none.',
      }),
    },
  })
}
