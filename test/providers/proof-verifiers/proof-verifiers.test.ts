import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { toBase64Url, utf8 } from '../../../src/kernel/base/bytes.ts'
import { ed25519FromSeed, newSeed, signObject } from '../../../src/kernel/identity/keys.ts'
import { type ProofClaim, proofVerifiers } from '../../../src/kernel/plugins/packages/proof-verifiers.ts'
import type { ProviderConfig } from '../../../src/kernel/plugins/provider-config.ts'
import { proofVerifierSuite } from '../../../src/kernel/plugins/suites/proof-verifiers.ts'
import { ProofVerifiers } from '../../../src/node/proof-verifiers.ts'
import { isolatedRegistry } from '../../../src/providers/built-in.ts'
import { goalLog, textOf } from '../../support/proof-files.ts'

const NETWORK = 'test'
const PACK_HASH = 'cd'.repeat(32)
const GOAL = 'ab'.repeat(32)

const registry = isolatedRegistry()
const create = (name: string, config: ProviderConfig = {}) =>
  registry.createProvider(proofVerifiers, name, { network: NETWORK, ...config })
const claim = (proof: string): ProofClaim =>
  ({ proof, goalDigest: GOAL, contribution: { goal: GOAL, pack_hash: PACK_HASH } }) as unknown as ProofClaim

const key = ed25519FromSeed(newSeed())
const publicKey = toBase64Url(key.publicKey)
const attestation = (
  about: object = { goal: GOAL, pack_hash: PACK_HASH },
  network = NETWORK,
  context = CONTEXTS.attestation,
) => utf8(JSON.stringify({ public_key: publicKey, signature: signObject(key, network, context as never, about) }))

describe('ed25519', () => {
  proofVerifierSuite({
    test: it,
    factory: () => create('ed25519'),
    valid: () => ({ proof: attestation(), about: claim(`ed25519.${publicKey}`) }),
  })

  it('counts the key that the goal names, or else those of the configuration', async () => {
    const proof = attestation()
    const stranger = toBase64Url(ed25519FromSeed(newSeed()).publicKey)
    const [plain, trusting] = [await create('ed25519'), await create('ed25519', { keys: [publicKey] })]
    assert.equal(await plain.verify(proof, claim('ed25519')), false)
    assert.equal(await trusting.verify(proof, claim('ed25519')), true)
    assert.equal(await trusting.verify(proof, claim(`ed25519.${stranger}`)), false)
    assert.equal(await trusting.verify(proof, claim('ed25519.')), false)
  })

  it('counts for one goal, one network and one purpose', async () => {
    const verifier = await create('ed25519')
    const about = claim(`ed25519.${publicKey}`)
    const right = { goal: GOAL, pack_hash: PACK_HASH }
    for (const wrong of [
      attestation({ ...right, goal: PACK_HASH }),
      attestation({ ...right, more: 1 }),
      attestation(right, 'main'),
      attestation(right, NETWORK, CONTEXTS.contribution as never),
    ]) {
      assert.equal(await verifier.verify(wrong, about), false)
    }
  })
})

describe('inclusion', async () => {
  const ends: (() => Promise<void>)[] = []
  const leaves = [{ n: 0 }, { pack_hash: PACK_HASH, score: 1 }, { n: 2 }, { pack_hash: [PACK_HASH] }]
  const { log, providerId } = await goalLog({ after: (end) => void ends.push(end) }, NETWORK, leaves)
  const proof = utf8(textOf(log.proofFile(1)))

  proofVerifierSuite({
    test: it,
    factory: () => create('inclusion'),
    valid: () => ({ proof, about: claim(`inclusion.${providerId}`) }),
  })

  it('counts the node that the goal names, or else the logs of the configuration', async () => {
    const other = `${providerId.slice(0, -1)}${providerId.endsWith('x') ? 'y' : 'x'}`
    assert.equal(await (await create('inclusion')).verify(proof, claim('inclusion')), false)
    for (const logs of [[providerId], [`${providerId}/log/fast`]]) {
      assert.equal(await (await create('inclusion', { logs })).verify(proof, claim('inclusion')), true)
    }
    const trusting = await create('inclusion', { logs: [providerId] })
    assert.equal(await trusting.verify(proof, claim(`inclusion.${other}`)), false)
    assert.equal(
      await (await create('inclusion', { logs: [`${providerId}/log/slow`] })).verify(proof, claim('inclusion')),
      false,
    )
  })

  it('is refused for a leaf that does not name the pack, and in another network', async () => {
    const about = claim(`inclusion.${providerId}`)
    const verifier = await create('inclusion')
    for (const index of [0, 2, 3]) assert.equal(await verifier.verify(utf8(textOf(log.proofFile(index))), about), false)
    const elsewhere = await registry.createProvider(proofVerifiers, 'inclusion', { network: 'main' })
    assert.equal(await elsewhere.verify(proof, about), false)
  })

  it('ends with its store', async () => {
    for (const end of ends) await end()
  })
})

it('a node finds the verifier of a proof by what stands before the point, and has one of each kind', async () => {
  const verifiers = new ProofVerifiers([await create('ed25519'), await create('inclusion')])
  const about = claim('') as Parameters<NonNullable<ReturnType<typeof verifiers.get>>>[1]
  assert.equal(await verifiers.get(`ed25519.${publicKey}`)!(attestation(), about), true)
  assert.equal(await verifiers.get('ed25519')!(attestation(), about), false)
  for (const unknown of ['', 'x', 'ed25519x', '.ed25519', 'constructor'])
    assert.equal(verifiers.get(unknown), undefined)
  const twice = [await create('ed25519'), await create('ed25519')]
  assert.throws(() => new ProofVerifiers(twice), { name: 'StartError', message: /two of them verify "ed25519"/ })
})

it('a configuration that cannot be is refused before anything is made', async () => {
  await assert.rejects(create('ed25519', { keys: ['short'] }), /config\.keys/)
  await assert.rejects(registry.createProvider(proofVerifiers, 'inclusion', {}), /network/)
})
