import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Compile } from 'typebox/compile'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { Contribution } from '../../../protocol/contribution.ts'
import { type ContributionVector, contributionVectors } from '../../../scripts/vectors/contribution.ts'
import { fromBase64Url, fromHex } from '../../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../../src/kernel/base/canonical-json.ts'
import { sha256, sha256Hex } from '../../../src/kernel/base/hash.ts'
import {
  contributorKey,
  packExtras,
  packHash,
  signContribution,
  workBits,
} from '../../../src/kernel/identity/contribution-signature.ts'
import { newSeed, verifyObject } from '../../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'

const file = new URL('../../../protocol/vectors/contribution.json', import.meta.url)
const vector = JSON.parse(await readFile(file, 'utf8')) as ContributionVector
const schema = Compile(Contribution)
const goal = 'ab'.repeat(32)
const terms = { goal, packHash: packHash('1', new Uint8Array()), difficulty: 0 }

test('packs are hashed, and contributions signed, as the published vectors say', async () => {
  assert.equal(contributionVectors().contribution_id, vector.contribution_id)
  for (const { version, parameters, pack_hash } of vector.packs) {
    assert.equal(packHash(version, fromBase64Url(parameters)), pack_hash)
  }
  const { contribution, contributor_seed, network } = vector
  const made = await signContribution(contributorKey(fromHex(contributor_seed)), network, {
    goal: contribution.goal,
    packHash: contribution.pack_hash,
    extras: contribution.extras,
    difficulty: 0,
  })
  assert.deepEqual(made, contribution)
})

test('the work that was found is what the definition asks for, and the signature covers it', async () => {
  for (const difficulty of [1, 8, 12]) {
    const made = await signContribution(contributorKey(newSeed()), 'test', { ...terms, difficulty })
    assert.ok(schema.Check(made))
    const { signature, ...unsigned } = made
    const hash = sha256(`cytoplex/test/contribution-work/v1\n${canonicalJson(unsigned)}`)
    const bits = [...hash].map((byte) => byte.toString(2).padStart(8, '0')).join('')
    assert.equal(bits.indexOf('1'), workBits('test', made))
    assert.ok(workBits('test', made) >= difficulty)
    const key = fromBase64Url(made.public_key)
    assert.ok(verifyObject(nativeVerifier, key, 'test', CONTEXTS.contribution, made, signature))
    const other = { ...made, work: `${made.work}0` }
    assert.equal(verifyObject(nativeVerifier, key, 'test', CONTEXTS.contribution, other, signature), false)
  }
})

test('a goal that wants no work gets none, and one that wants too much is given up when the caller wants', async () => {
  assert.equal('work' in (await signContribution(contributorKey(newSeed()), 'test', terms)), false)
  const controller = new AbortController()
  const never = signContribution(contributorKey(newSeed()), 'test', {
    ...terms,
    difficulty: 256,
    signal: controller.signal,
  })
  controller.abort(new Error('enough'))
  await assert.rejects(never, /enough/)
})

test('metadata and proofs are signed where a pack has them', async () => {
  assert.equal(packExtras({}), undefined)
  assert.equal(packExtras({ metadata: { b: '1', a: '2' } }), sha256Hex('{"metadata":{"a":"2","b":"1"}}'))
  assert.equal(packExtras({ metadata: {}, proofs: { zk: 'AA' } }), sha256Hex('{"metadata":{},"proofs":{"zk":"AA"}}'))
  const extras = packExtras({ metadata: { a: '1' } })
  const made = await signContribution(contributorKey(newSeed()), 'test', { ...terms, extras, difficulty: 4 })
  assert.ok(schema.Check(made))
  assert.equal(made.extras, extras)
  assert.ok(workBits('test', made) >= 4)
})
