import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { Publishers } from '../../src/domain/cells/publishers.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { KnownOffers, OfferVerifier } from '../../src/node/offers.ts'
import { manifestOf, NETWORK, newPublisher, openCells, signedCell, summaryOf } from '../support/cells.ts'
import { offerOf } from '../support/node-pairs.ts'

const alice = newPublisher()

/** An offer of a package of its own. */
const offered = (number: number) => {
  const manifest = manifestOf(alice.publisher, summaryOf(Uint8Array.of(number)), { cell_type: `cell-${number}` })
  return offerOf(signedCell(alice, manifest))
}

test('offers are recognised until their bytes are more than the budget', async (t) => {
  const { store } = await openCells(t)
  const offers = Array.from({ length: 4 }, (_, number) => offered(number))
  const verifier = new OfferVerifier(
    NETWORK,
    nativeVerifier,
    new Publishers(store),
    3.5 * JSON.stringify(offers[0]).length,
  )
  for (const offer of offers) await verifier.verify(offer)
  assert.deepEqual(
    offers.map((offer) => verifier.known(offer) !== undefined),
    [false, true, true, true],
  )
  assert.equal(verifier.known({ ...offers[1]!, status: 'deprecated' }), undefined)
})

test('packages are remembered within a budget of bytes, each with the latest providers', async (t) => {
  const { store } = await openCells(t)
  const verifier = new OfferVerifier(NETWORK, nativeVerifier, new Publishers(store))
  const offers = await Promise.all(Array.from({ length: 4 }, (_, number) => verifier.verify(offered(number))))
  const digests = offers.map(({ manifest }) => manifest.package.digest)
  const answer = new KnownOffers().remember(offers[0]!, 'provider-0')
  const length = answer.before.length + answer.middle.length + answer.after.length
  const known = new KnownOffers(2 * 3.5 * length)
  for (const offer of offers) known.remember(offer, 'provider-0')
  assert.deepEqual(
    digests.map((digest) => known.offerOf(digest) !== undefined),
    [false, true, true, true],
  )
  for (let number = 1; number < 20; number++) known.remember(offers[3]!, `provider-${number}`)
  assert.deepEqual(
    known.providersOf(digests[3]!),
    Array.from({ length: LIMITS.askBudget }, (_, number) => `provider-${19 - number}`),
  )
  assert.deepEqual(known.providersOf(digests[0]!), [])
})
