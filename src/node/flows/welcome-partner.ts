import type { JoinChallenge, JoinHello, JoinProof, JoinRequest, JoinWelcome } from '../../../protocol/federation.ts'
import type { Administration } from '../../domain/access/administration.ts'
import { type Invitations, proofOf, type Transcript } from '../../domain/federation/invitations.ts'
import { checkMessage, signMessage } from '../../domain/federation/join-messages.ts'
import type { FederationTokens } from '../../domain/federation/tokens.ts'
import type { NodeParts } from '../parts.ts'
import { describePartner, introductionOf } from './introduce.ts'

/** What the side that invites is made of. */
export interface WelcomeParts extends Pick<NodeParts, 'config' | 'clock' | 'keys' | 'network' | 'partners'> {
  readonly invitations: Invitations
  readonly tokens: FederationTokens
  readonly administration: Administration
}

/** Answers a node that holds an invitation of this one: first with a challenge, then, when it proves what it must, as a partner. Throws `PROV_011`. */
export async function welcomePartner(parts: WelcomeParts, message: JoinRequest): Promise<JoinChallenge | JoinWelcome> {
  const { config, keys, clock } = parts
  checkMessage(config.network.name, message, keys.providerId, clock.now())
  return message.type === 'join_hello' ? challenged(parts, message) : welcomed(parts, message)
}

function challenged({ config, keys, invitations }: WelcomeParts, hello: JoinHello): JoinChallenge {
  return signMessage(keys.token, config.network.name, {
    type: 'join_challenge' as const,
    provider_id: keys.providerId,
    audience: hello.provider_id,
    joiner_nonce: hello.nonce,
    nonce: invitations.challenge(hello.invitation, hello.provider_id, hello.nonce),
  })
}

async function welcomed(parts: WelcomeParts, message: JoinProof): Promise<JoinWelcome> {
  const { config, keys, partners, invitations, tokens, administration } = parts
  const network = config.network.name
  const { provider_id: joiner, invitation, introduction } = message
  const transcript: Transcript = {
    inviter: keys.providerId,
    joiner,
    inviter_nonce: message.inviter_nonce,
    joiner_nonce: message.nonce,
    inviter_key: keys.token.certificate.public_key,
    joiner_key: message.certificate.public_key,
  }
  const { terms, key } = await invitations.prove(invitation, message.proof, transcript)
  const generation = await partners.nextGeneration()
  const partnerKey = message.certificate.public_key
  const token = await tokens.issue({ provider_id: joiner, generation, key: partnerKey })
  await partners.add(
    {
      provider_id: joiner,
      name: introduction.name,
      url: introduction.url,
      private_url: terms.private_url,
      contact_info: {},
      trust_level: terms.trust_level,
      federation_policies: terms.federation_policies,
      generation,
      joined_by: 'invitation',
      publisher: introduction.publisher,
      key: partnerKey,
      token: message.token,
      addresses: introduction.addresses,
    },
    {
      // Who was a partner before has lost its side of it, or it would not ask again; the operator invited it.
      replace: true,
      witness(tx, partner) {
        invitations.redeem(tx, invitation, joiner)
        administration.add(tx, { act: 'partner_joined', by: `partner:${joiner}`, details: describePartner(partner) })
      },
    },
  )
  invitations.redeemed(invitation)
  return signMessage(keys.token, network, {
    type: 'join_welcome' as const,
    provider_id: keys.providerId,
    audience: joiner,
    nonce: message.inviter_nonce,
    joiner_nonce: message.nonce,
    proof: proofOf(key, network, 'inviter', transcript),
    introduction: introductionOf(parts, undefined),
    token,
  })
}
