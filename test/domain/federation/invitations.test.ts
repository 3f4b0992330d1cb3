import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FEDERATION_LIMITS } from '../../../protocol/federation.ts'
import {
  Invitations,
  isProof,
  newNonce,
  proofOf,
  readInvitation,
  type Transcript,
} from '../../../src/domain/federation/invitations.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { newIdentity } from '../../network/nodes.ts'
import { NETWORK, TestClock, temporaryFolder } from '../../support/cells.ts'

const [inviter, joiner, other] = [0, 1, 2].map(() => newIdentity(NETWORK).providerId) as [string, string, string]
const TERMS = {
  trust_level: 'limited',
  federation_policies: { auto_forward: false, capability_sharing: true, analytics_sharing: false },
  private_url: false,
} as const

async function openStore(t: TestContext, folder?: string): Promise<Store> {
  const store = await Store.open(folder ?? (await temporaryFolder(t)), { createIfMissing: true })
  t.after(() => store.close())
  return store
}

async function loaded(store: Store, clock = new TestClock()): Promise<Invitations> {
  const invitations = new Invitations({ store, clock, network: NETWORK, self: inviter })
  await invitations.load()
  return invitations
}

const refuses = (work: () => unknown) =>
  assert.rejects(
    async () => work(),
    (error) => error instanceof ProviderError && error.code === 'PROV_011',
  )

const created = async (invitations: Invitations) => {
  const { text, expiresAt } = await invitations.create(TERMS, () => undefined)
  return { ...readInvitation(text, NETWORK)!, text, expiresAt }
}

/** What a joiner covers by its proof, after it was challenged. */
function challenged(invitations: Invitations, id: string, who = joiner): Transcript {
  const joiner_nonce = newNonce()
  return {
    inviter,
    joiner: who,
    joiner_nonce,
    inviter_nonce: invitations.challenge(id, who, joiner_nonce),
    inviter_key: 'A',
    joiner_key: 'B',
  }
}

const prove = (invitations: Invitations, { id, key }: { id: string; key: Uint8Array }, who = joiner) => {
  const transcript = challenged(invitations, id, who)
  return invitations.prove(id, proofOf(key, NETWORK, 'joiner', transcript), transcript)
}

test('an invitation says who invites, and names itself without its secret', async (t) => {
  const invitation = await created(await loaded(await openStore(t)))
  assert.equal(invitation.providerId, inviter)
  const secret = invitation.text.split('.')[2]!
  assert.equal(secret.length, 22)
  assert.equal(invitation.id.includes(Buffer.from(secret, 'base64url').toString('hex')), false)
  assert.notEqual(readInvitation(invitation.text, 'another network')?.id, invitation.id)
  for (const text of ['', 'ci1.', `ci2.${inviter}.${secret}`, `ci1.${inviter}.${secret}A`, `ci1.${inviter}`]) {
    assert.equal(readInvitation(text, NETWORK), undefined, text)
  }
})

test('who holds it proves so, and gets its terms', async (t) => {
  const invitations = await loaded(await openStore(t))
  const { terms } = await prove(invitations, await created(invitations))
  assert.deepEqual([terms.trust_level, terms.private_url], ['limited', false])
})

test('a proof covers role, both ids, both nonces and both keys', async () => {
  const key = new Uint8Array(32).fill(1)
  const transcript = { inviter, joiner, inviter_nonce: 'n', joiner_nonce: 'm', inviter_key: 'A', joiner_key: 'B' }
  const proof = proofOf(key, NETWORK, 'joiner', transcript)
  assert.equal(isProof(proof, key, NETWORK, 'joiner', transcript), true)
  for (const field of Object.keys(transcript)) {
    assert.equal(isProof(proof, key, NETWORK, 'joiner', { ...transcript, [field]: 'x' }), false, field)
  }
  assert.equal(isProof(proof, key, NETWORK, 'inviter', transcript), false)
  assert.equal(isProof(proof, key, 'other', 'joiner', transcript), false)
  assert.equal(isProof(proof, new Uint8Array(32), NETWORK, 'joiner', transcript), false)
  assert.equal(isProof(`${proof}A`, key, NETWORK, 'joiner', transcript), false)
})

test('after ten minutes it is worth nothing', async (t) => {
  const clock = new TestClock()
  const invitations = await loaded(await openStore(t), clock)
  const invitation = await created(invitations)
  assert.equal(invitation.expiresAt, clock.now() + 600_000)
  const transcript = challenged(invitations, invitation.id)
  clock.advance(599_999)
  challenged(invitations, invitation.id)
  clock.advance(1)
  await refuses(() => challenged(invitations, invitation.id))
  await refuses(() =>
    invitations.prove(invitation.id, proofOf(invitation.key, NETWORK, 'joiner', transcript), transcript),
  )
})

test('it makes one partner; that one may repeat itself, because an answer may be lost', async (t) => {
  const store = await openStore(t)
  const invitations = await loaded(store)
  const invitation = await created(invitations)
  await prove(invitations, invitation)
  await store.transact((tx) => invitations.redeem(tx, invitation.id, joiner))
  invitations.redeemed(invitation.id)
  await prove(invitations, invitation)
  await refuses(() => prove(invitations, invitation, other))
  await refuses(() => store.transact((tx) => invitations.redeem(tx, invitation.id, other)))
})

test('of two who prove at once, the first to be added wins', async (t) => {
  const store = await openStore(t)
  const invitations = await loaded(store)
  const invitation = await created(invitations)
  await prove(invitations, invitation)
  await prove(invitations, invitation, other)
  const ends = await Promise.allSettled(
    [joiner, other].map((who) => store.transact((tx) => invitations.redeem(tx, invitation.id, who))),
  )
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
})

test('a challenge is answered once, by whom it was given to', async (t) => {
  const invitations = await loaded(await openStore(t))
  const { id, key } = await created(invitations)
  const transcript = challenged(invitations, id)
  const proof = proofOf(key, NETWORK, 'joiner', transcript)
  await invitations.prove(id, proof, transcript)
  await refuses(() => invitations.prove(id, proof, transcript))
  const stolen = { ...challenged(invitations, id), joiner: other }
  await refuses(() => invitations.prove(id, proofOf(key, NETWORK, 'joiner', stolen), stolen))
  const invented = { ...challenged(invitations, id), inviter_nonce: newNonce() }
  await refuses(() => invitations.prove(id, proofOf(key, NETWORK, 'joiner', invented), invented))
})

test('wrong proofs lock it, also across a restart', async (t) => {
  const store = await openStore(t)
  let invitations = await loaded(store)
  const invitation = await created(invitations)
  for (let wrong = 0; wrong < FEDERATION_LIMITS.wrongProofs; wrong++) {
    await prove(invitations, invitation)
    if (wrong === 2) invitations = await loaded(store)
    await refuses(() => prove(invitations, { id: invitation.id, key: new Uint8Array(32) }))
  }
  await refuses(() => prove(invitations, invitation))
  await refuses(async () => prove(await loaded(store), invitation))
})

test('it survives a restart', async (t) => {
  const store = await openStore(t)
  const invitation = await created(await loaded(store))
  await prove(await loaded(store), invitation)
})

test('no more than a hundred are open; what is over makes room', async (t) => {
  const clock = new TestClock()
  const invitations = await loaded(await openStore(t), clock)
  for (let i = 0; i < FEDERATION_LIMITS.invitations; i++) await created(invitations)
  await assert.rejects(created(invitations), (error) => error instanceof ProviderError && error.code === 'PROV_014')
  clock.advance(FEDERATION_LIMITS.invitationMs)
  await created(invitations)
})
