import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../../protocol/limits.ts'
import type { ForwardedQuestion } from '../../../protocol/rpc.ts'
import { addHop, questionDigest, verifyHops } from '../../../src/domain/federation/hop-chain.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { NETWORK, newIdentity } from '../../network/nodes.ts'

const [a, b, c, d] = [newIdentity(), newIdentity(), newIdentity(), newIdentity()] as const
const question: ForwardedQuestion = {
  by: 'capability',
  name: 'parse',
  origin: a.providerId,
  nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
  at: Date.now(),
}
const by = ({ wire }: typeof a, network = NETWORK) => ({ network, wire })
const toB = addHop([], question, b.providerId, by(a))
const toC = addHop(toB, question, c.providerId, by(b))
const expected = { network: NETWORK, verifier: nativeVerifier, from: b.providerId, self: c.providerId, now: Date.now() }

describe('a chain of hops', () => {
  it('names everybody whom a question has passed', () => {
    assert.deepEqual(verifyHops(toC, question, expected), [a.providerId, b.providerId])
    const first = { ...expected, from: a.providerId, self: b.providerId }
    assert.deepEqual(verifyHops(toB, question, first), [a.providerId])
  })

  for (const [about, hops, asked, other, reason] of [
    ['meant for another node', toC, question, { self: d.providerId }, /asked .* not/],
    ['brought by another peer', toC, question, { from: d.providerId }, /ends at/],
    ['of another network', toC, question, { network: 'other' }, /certificate/],
    ['of another question', toC, { ...question, name: 'else' }, {}, /not signed/],
    ['of another origin', toC, { ...question, origin: d.providerId }, {}, /begins at/],
    ['without its first hop', toC.slice(1), question, {}, /begins at/],
    [
      'signed by another than its certificate names',
      [{ ...toC[0]!, certificate: d.wire.certificate }, toC[1]!],
      { ...question, origin: d.providerId },
      {},
      /not signed/,
    ],
    [
      'with a hop that was put on another one',
      [addHop([], question, b.providerId, by(a))[0]!, { ...toC[1]!, signature: toB[0]!.signature }],
      question,
      {},
      /not signed/,
    ],
    [
      'that comes back',
      addHop(toC, question, a.providerId, by(c)),
      question,
      { from: c.providerId, self: a.providerId },
      /twice/,
    ],
    ['of an old question', toC, { ...question, at: question.at - LIMITS.clockSkewMs - 60_000 }, {}, /old/],
  ] as const) {
    it(`${about} is refused`, () => {
      assert.throws(() => verifyHops(hops, asked, { ...expected, ...other }), reason)
    })
  }

  it('leaves a question what it is: its digest is the same on every way', () => {
    assert.equal(questionDigest({ ...question }), questionDigest(question))
    assert.notEqual(questionDigest({ ...question, nonce: 'BAAAAAAAAAAAAAAAAAAAAA' }), questionDigest(question))
  })
})
