import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../../protocol/limits.ts'
import {
  contributionId,
  inadmissible,
  isSigned,
  packHash,
  readRecord,
  recordText,
  workOf,
} from '../../../src/domain/goals/contribution-record.ts'
import { toBase64Url, utf8 } from '../../../src/kernel/base/bytes.ts'
import { nodeIdOf } from '../../../src/kernel/identity/ids.ts'
import { pooledVerifier } from '../../../src/kernel/identity/verify.ts'
import { NETWORK } from '../../support/cells.ts'
import { contributionOf, goalOf, newContributor, packOf } from '../../support/goals.ts'

const pack = packOf({ reward: 1 })

describe('a contribution', () => {
  it('is read from its one text, admitted and verified', async () => {
    const { goal, digest } = goalOf()
    const record = contributionOf(digest, { ...pack, metadata: { strategy: 'momentum' }, proofs: { seal: 'AAAA' } })
    assert.deepEqual(readRecord(recordText(record)), record)
    assert.equal(inadmissible({ goal, digest, network: NETWORK }, record), undefined)
    assert.ok(await isSigned(pooledVerifier, NETWORK, record.contribution))
    assert.equal(await isSigned(pooledVerifier, 'other', record.contribution), false)
    assert.match(contributionId(record.contribution), /^[0-9a-f]{64}$/)
  })

  it('is refused in another spelling, with more in it, and too large', () => {
    const record = contributionOf(goalOf().digest, pack)
    assert.equal(readRecord(JSON.stringify(record, null, 1)), undefined)
    assert.equal(readRecord(JSON.stringify({ ...record, more: 1 })), undefined)
    assert.equal(readRecord('['), undefined)
    const metadata = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`key-${i}`, '']))
    assert.equal(readRecord(recordText(contributionOf(goalOf().digest, { ...pack, metadata }))), undefined)
    const parameters = toBase64Url(new Uint8Array(LIMITS.contributionParameterBytes + 1))
    assert.equal(readRecord(recordText(contributionOf(goalOf().digest, { ...pack, parameters }))), undefined)
  })

  it('as large as it may be fits one frame between nodes, as JSON in JSON', () => {
    const quotes = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`.padEnd(64, '-'), '"'.repeat(256)]))
    const fixed = recordText(contributionOf(goalOf().digest, { ...pack, metadata: quotes }))
    const room = LIMITS.contributionRecordBytes - fixed.length
    const text = fixed + 'A'.repeat(room)
    assert.ok(JSON.stringify({ texts: [text] }).length + 256 < LIMITS.frameBytes)
    assert.ok(text.length <= LIMITS.recordCharacters)
  })

  it('cannot be given other parameters, metadata, proofs, key or goal', () => {
    const { goal, digest } = goalOf()
    const why = (record: ReturnType<typeof contributionOf>) =>
      inadmissible({ goal, digest, network: NETWORK }, record)?.type
    const record = contributionOf(digest, { ...pack, metadata: { a: 'b' } })
    assert.equal(why({ ...record, pack: { ...record.pack, version: '2' } }), 'INVALID_STRUCTURE')
    assert.equal(why({ ...record, pack: { ...record.pack, metadata: { a: 'c' } } }), 'INVALID_STRUCTURE')
    assert.equal(why({ ...record, pack }), 'INVALID_STRUCTURE')
    assert.equal(why({ ...record, pack: { ...record.pack, proofs: {} } }), 'INVALID_STRUCTURE')
    assert.equal(why({ ...record, pack: { ...pack, parameters: 'A' } }), 'INVALID_STRUCTURE')
    const public_key = toBase64Url(newContributor().publicKey)
    assert.equal(why({ ...record, contribution: { ...record.contribution, public_key } }), 'INVALID_SIGNATURE')
    assert.equal(why(contributionOf(goalOf().digest, pack)), 'INVALID_GOAL')
  })

  it('to a closed goal comes from its list', () => {
    const key = newContributor()
    const contributors = [nodeIdOf(key.publicKey)]
    const { goal, digest } = goalOf({ admission: { kind: 'closed', contributors } })
    const admit = (by: typeof key) =>
      inadmissible({ goal, digest, network: NETWORK }, contributionOf(digest, pack, by))?.type
    assert.equal(admit(key), undefined)
    assert.equal(admit(newContributor()), 'INVALID_GOAL')
  })

  it('to an open goal brings as much work as the goal asks for', () => {
    const { goal, digest } = goalOf({ admission: { kind: 'open', difficulty: 8 } })
    const done = contributionOf(digest, pack, undefined, { difficulty: 8 })
    assert.ok(workOf(NETWORK, done.contribution) >= 8)
    assert.equal(inadmissible({ goal, digest, network: NETWORK }, done), undefined)
    let lazy = contributionOf(digest, pack)
    while (workOf(NETWORK, lazy.contribution) >= 8) lazy = contributionOf(digest, pack)
    assert.equal(inadmissible({ goal, digest, network: NETWORK }, lazy)?.type, 'PROOF_INVALID')
  })
})

describe('a pack hash', () => {
  it('tells packs apart whose parts have the same text together', () => {
    const hash = (version: string, text: string) => packHash({ version, parameters: toBase64Url(utf8(text)) })
    assert.notEqual(hash('1', '0abc'), hash('10', 'abc'))
  })
})
