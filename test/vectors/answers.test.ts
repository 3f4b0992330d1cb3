import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { answerVectors } from '../../scripts/vectors/answers.ts'
import { verifyAnswer } from '../../src/client/index.ts'
import { fromBase64Url } from '../../src/kernel/base/bytes.ts'
import { sha256 } from '../../src/kernel/base/hash.ts'
import { nativeVerifier, pooledVerifier } from '../../src/kernel/identity/verify.ts'
import { type AnswerArithmetic, pureArithmetic } from '../../src/kernel/log/verify-answer.ts'
import { inPython, pythonVerdicts, withoutPython } from '../support/python.ts'
import { readVectors } from './read.ts'

const { network, cases } = readVectors<ReturnType<typeof answerVectors>>('answers.json')
/** After all of them. */
const LATER = Date.UTC(2027, 0, 1)

const arithmetics: Record<string, AnswerArithmetic> = {
  'plain JavaScript': pureArithmetic,
  'native code': { verifier: nativeVerifier, records: pooledVerifier, sha256 },
}

for (const [name, arithmetic] of Object.entries(arithmetics)) {
  test(`answers.json: which answers hold, in ${name}`, async () => {
    assert.ok(cases.length > 55)
    for (const { about, text, holds, provider_id: providerId, keys, request, sources = [], now = LATER } of cases) {
      const known = { network, arithmetic, providerId, publicKeys: keys, request, now }
      const verified = verifyAnswer(text, { ...known, sources: sources.map(fromBase64Url) })
      if (holds) await assert.doesNotReject(verified, about)
      else await assert.rejects(verified, { name: 'IntegrityError', code: 'INTEGRITY' }, about)
    }
  })
}

test('answers.json: the same in Python, by a program that has nothing but the contract', {
  skip: withoutPython,
}, async () => {
  const verdicts = await pythonVerdicts(cases, network)
  for (const [i, { about, holds }] of cases.entries())
    assert.equal(verdicts[i] === '', holds, `${about}: ${verdicts[i]}`)
})

test('ed25519-verdicts.json: the same in Python', { skip: withoutPython }, async () => {
  const vectors = readVectors<{ cases: { public_key: string; message: string; signature: string; valid: boolean }[] }>(
    'ed25519-verdicts.json',
  )
  const verdicts = await inPython<boolean>(
    'def call(case): return verify_answer.ed25519(*(bytes.fromhex(case[name]) for name in ("public_key", "message", "signature")))',
    vectors.cases,
  )
  assert.deepEqual(
    verdicts,
    vectors.cases.map(({ valid }) => valid),
  )
})

test('the SDK reports what it verified, and what it could not compare', async () => {
  const found = cases.find(({ about }) => about === 'with log, witness and anchor')!
  const { text, keys, request } = found
  const bare = await verifyAnswer(text, { network })
  assert.deepEqual([bare.keyListed, bare.requestMatches, bare.compared], [false, false, []])
  const full = await verifyAnswer(JSON.parse(text), { network, publicKeys: keys, request })
  assert.deepEqual([full.keyListed, full.requestMatches, full.operatorId], [true, true, 'team@example.org'])
  assert.deepEqual(full.steps, ['request', 'normalization', 'retrieval', 'answer'])
  assert.deepEqual([full.log?.size, full.log?.registered.length, full.log?.missing], [7, 2, []])
  assert.deepEqual([full.log?.witnesses.length, full.log?.anchors], [1, [{ anchor: 'file', size: 6 }]])
  await assert.rejects(verifyAnswer(text, {}), /the answer does not hold: the role certificate is not signed by/)
  await assert.rejects(verifyAnswer(text, { network, publicKeys: {} as never }), /not a set of proof keys/)
  await assert.rejects(verifyAnswer(' '.repeat(4 * 1024 * 1024 + 1), { network }), /at most 4194304 bytes/)
})
