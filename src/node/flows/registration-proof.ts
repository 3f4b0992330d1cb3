import type { RegistrationProof } from '../../../protocol/cells.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { verifyRegistration } from '../../kernel/log/registration-proof.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'logger' | 'network'> {
  readonly config: Pick<NodeParts['config'], 'network'>
}

/** Asks a provider for the proof that it registered a cell, and verifies it. Undefined where there is none that holds. Never throws. */
export async function registrationProof(
  { clock, config, logger, network }: Parts,
  provider: string,
  cellId: string,
  signal: AbortSignal,
): Promise<RegistrationProof | undefined> {
  try {
    const answer = await network.request(provider, 'evidence_request', { cell_id: cellId }, { signal })
    const { certificate, evidence } = answer
    if (certificate === undefined || evidence === undefined) return undefined
    const proof = { provider_id: provider, certificate, evidence }
    const cell = { id: cellId, providerId: provider, now: clock.now() }
    verifyRegistration(nativeVerifier, config.network.name, proof, cell)
    return proof
  } catch (error) {
    logger.debug({ provider, err: error }, 'a peer did not prove a registration')
    return undefined
  }
}
