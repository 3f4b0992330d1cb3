import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VerdictCase } from '../../scripts/vectors/ed25519-verdicts.ts'
import { fromHex } from '../../src/kernel/base/bytes.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { readVectors } from './read.ts'

const { cases } = readVectors<{ cases: VerdictCase[] }>('ed25519-verdicts.json')

test('the vectors hold both verdicts', () => {
  assert.ok(cases.filter(({ valid }) => valid).length > 40)
  assert.ok(cases.filter(({ valid }) => !valid).length > 100)
})

for (const [name, verifier] of Object.entries({ native: nativeVerifier, pure: pureVerifier })) {
  test(`${name} verification gives the verdict of every vector`, () => {
    for (const { about, public_key, message, signature, valid } of cases) {
      assert.equal(verifier.ed25519(fromHex(public_key), fromHex(message), fromHex(signature)), valid, about)
    }
  })
}
