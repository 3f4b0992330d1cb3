import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConstraint } from '../../src/domain/assurance/constraint.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { verifyEd25519Pure } from '../../src/kernel/identity/verify-pure.ts'
import { readVectors } from './read.ts'

interface ConstraintCase {
  readonly about: string
  readonly network: string
  readonly constraint: object
  readonly valid: boolean
}

test('questions.json: constraints hold with every verifier, or with none', () => {
  const { constraints } = readVectors<{ constraints: ConstraintCase[] }>('questions.json')
  for (const { about, network, constraint, valid } of constraints) {
    for (const verifier of [nativeVerifier, { ...nativeVerifier, ed25519: verifyEd25519Pure }]) {
      const read = (): unknown => readConstraint(constraint, network, verifier)
      if (valid) assert.doesNotThrow(read, about)
      else assert.throws(read, ProviderError, about)
    }
  }
})

test('questions.json: the bytes of every sentence that was found are what is quoted', () => {
  const { answers, sentences } = readVectors<{
    answers: { question: string; sentences: { quoted: string; start_byte: number; end_byte: number }[] }[]
    sentences: { text: string }[]
  }>('questions.json')
  assert.ok(answers.some((one) => one.sentences.length > 1))
  for (const one of answers) {
    for (const { quoted, start_byte, end_byte } of one.sentences) {
      const found = sentences.some(
        ({ text }) => Buffer.from(text).subarray(start_byte, end_byte).toString().replace(/\s+/g, ' ') === quoted,
      )
      assert.ok(found, quoted)
    }
  }
})
