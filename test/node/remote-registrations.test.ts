import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { RegistrationProof } from '../../protocol/cells.ts'
import { verifyAnswer } from '../../src/client/index.ts'
import { sha256 } from '../../src/kernel/base/hash.ts'
import { nativeVerifier, pooledVerifier } from '../../src/kernel/identity/verify.ts'
import { RemoteRegistrations } from '../../src/node/flows/remote-registrations.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { silentLogger } from '../network/nodes.ts'
import { newOperator, question, signedBody } from '../support/assurance.ts'
import { NETWORK, newPublisher, TestClock } from '../support/cells.ts'
import { registerDocument } from '../support/documents.ts'
import { nextEvent, nodeInProcess } from '../support/node-pairs.ts'
import { loggingProvider, registered } from '../support/registration-proofs.ts'

const QUERY = '/api/v1/query'
const LEASE = "# Lease\n\nEither party may end this lease with three months' notice.\n"
const arithmetic = { verifier: nativeVerifier, records: pooledVerifier, sha256 }

/** A node with a document, and one that follows its publisher and has a copy. */
async function pair(t: TestContext) {
  const publisher = newPublisher()
  const home = await nodeInProcess(t)
  const follow = [{ publisher: publisher.publisher, max_bytes: 1_000_000 }]
  const { node: copy } = await nodeInProcess(t, { seeds: home.node.addresses, follow })
  await copy.sources.approve({ domain: 'legal', publisher: publisher.publisher }, 'admin')
  const cached = nextEvent(copy, 'cell_cached')
  const { cellId } = await registerDocument(home.node, publisher, { cellType: 'lease', text: LEASE })
  await cached
  return { home, copy, cellId }
}

/** A signed question in mode strict, answered and verified by somebody who has nothing but the node's keys. */
async function askStrictly(node: RunningNode) {
  const key = await newOperator(node, { permissions: [{ domain: 'legal', jurisdictions: null }] })
  const asked = { context: { domain: 'legal' as const }, verification_mode: 'strict' as const, return_proof: true }
  const request = signedBody(key, node, QUERY, question('May either party end this lease with notice?', asked))
  const from = await node.assurance.verifyRequest(request, { method: 'POST', path: QUERY })
  const response = await node.assurance.query(request, from, AbortSignal.timeout(60_000))
  const publicKeys = node.proofKeys.list()
  const known = { network: NETWORK, publicKeys, providerId: node.providerId, request, arithmetic }
  return { response, verified: await verifyAnswer(JSON.stringify(response), known) }
}

test('a strict answer from a copy carries the registration in the log of the node that it came from', async (t) => {
  const { home, copy, cellId } = await pair(t)
  const { response, verified } = await askStrictly(copy)
  assert.deepEqual([response.status, response.errors], ['success', []])
  const { registered: own, elsewhere, missing } = verified.log!
  assert.deepEqual([own, missing], [[], []])
  assert.deepEqual(elsewhere, [{ cell: cellId, providerId: home.node.providerId }])

  // The proof is kept: the home is not needed again.
  await home.stop()
  const again = await askStrictly(copy)
  assert.deepEqual([again.response.status, again.verified.log!.elsewhere], ['success', elsewhere])
})

test('where nobody proves it, the answer is partial and says so with 602', async (t) => {
  const { home, copy, cellId } = await pair(t)
  await home.stop()
  const { response, verified } = await askStrictly(copy)
  assert.equal(response.status, 'partial')
  assert.deepEqual(
    response.errors.map(({ code, severity }) => [code, severity]),
    [['602', 'warning']],
  )
  assert.match(
    response.errors[0]!.message,
    new RegExp(`no registration of the cell ${cellId}, and no other node proves`),
  )
  assert.deepEqual([verified.log!.missing, verified.log!.elsewhere], [[cellId], []])
})

const ID = 'c'.repeat(64)
const { act: _, at: __, cell_id: ___, digest, ...manifest } = registered(ID)
const NEVER = new AbortController().signal

/** Registrations as peers prove them: what each answers, and who was asked. */
function remote(proofs: Record<string, RegistrationProof | undefined>, announced: readonly object[] = []) {
  const clock = new TestClock(Date.now())
  const asked: string[] = []
  const cell = { id: ID, origin: 'cached', source: 'source', manifest: { ...manifest, package: { digest } } }
  const parts = {
    clock,
    config: { network: { name: NETWORK } },
    logger: silentLogger,
    index: { get: (id: string) => (id === ID ? cell : undefined) },
    directory: { find: () => announced.values() },
    network: {
      async request(provider: string) {
        asked.push(provider)
        const { certificate, evidence } = proofs[provider] ?? {}
        return { certificate, evidence }
      },
    },
  }
  return { registrations: new RemoteRegistrations(parts as never), asked, clock, proofs }
}

const announcing = (provider: string, more: object = {}) => ({ provider, cell: { manifest_digest: ID, ...more } })

test('who announces that it registered the cell is asked where its source has no proof; holders of copies are not', async () => {
  const home = loggingProvider(NETWORK)
  const { registrations, asked } = remote({ [home.providerId]: home.prove(registered(ID)) }, [
    announcing('holder', { copy: true }),
    announcing('other', { manifest_digest: 'd'.repeat(64) }),
    announcing(home.providerId),
  ])
  const found = await registrations.of([ID, 'e'.repeat(64)], NEVER)
  assert.deepEqual([...found.keys()], [ID])
  assert.equal(found.get(ID)?.provider_id, home.providerId)
  assert.deepEqual(asked, ['source', home.providerId])
  await registrations.of([ID], NEVER)
  assert.equal(asked.length, 2)
})

test('a log that says something else of the cell, at too great length, or of another node proves nothing', async () => {
  const home = loggingProvider(NETWORK)
  const announced = [announcing(home.providerId)]
  for (const [about, proof] of Object.entries({
    'another version': home.prove({ ...registered(ID), version: '9.9.9' }),
    'another publisher': home.prove({ ...registered(ID), publisher: 'f'.repeat(64) }),
    'another document': home.prove({ ...registered(ID), digest: `sha256:${'f'.repeat(64)}` }),
    'another cell': home.prove(registered('f'.repeat(64))),
    'something long': home.prove({ ...registered(ID), more: 'x'.repeat(5000) }),
    'the word of somebody else': loggingProvider(NETWORK).prove(registered(ID)),
  })) {
    const { registrations, asked } = remote({ [home.providerId]: proof }, announced)
    assert.equal((await registrations.of([ID], NEVER)).size, 0, about)
    assert.deepEqual(asked, ['source', home.providerId])
  }
})

test('a cell without a proof is asked about again after a minute, and at most four nodes are', async () => {
  const home = loggingProvider(NETWORK)
  const { registrations, asked, clock, proofs } = remote(
    {},
    ['a', 'b', home.providerId, 'c', 'd', 'e'].map((provider) => announcing(provider)),
  )
  assert.equal((await registrations.of([ID], NEVER)).size, 0)
  assert.deepEqual(asked, ['source', 'a', 'b', home.providerId])
  proofs[home.providerId] = home.prove(registered(ID))
  assert.equal((await registrations.of([ID], NEVER)).size, 0)
  assert.equal(asked.length, 4)
  clock.advance(60_000)
  assert.equal((await registrations.of([ID], NEVER)).size, 1)
})

test('who gave up waiting has not learnt that there is no proof', async () => {
  const home = loggingProvider(NETWORK)
  const { registrations, asked } = remote({ [home.providerId]: home.prove(registered(ID)) }, [
    announcing(home.providerId),
  ])
  assert.equal((await registrations.of([ID], AbortSignal.abort())).size, 0)
  assert.deepEqual(asked, [])
  assert.equal((await registrations.of([ID], NEVER)).size, 1)
})
