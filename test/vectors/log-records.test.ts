import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EpochRecord, EquivocationRecord } from '../../protocol/transparency.ts'
import type { logRecordVectors } from '../../scripts/vectors/log-records.ts'
import { NETWORK } from '../../scripts/vectors/seeds.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { withLines } from '../../src/kernel/log/cosignature.ts'
import { verifyEpoch } from '../../src/kernel/log/epoch.ts'
import { verifyEquivocation } from '../../src/kernel/log/equivocation.ts'
import { logRecordId, parseLogRecord } from '../../src/kernel/log/log-record.ts'
import { parseNote, parseNoteKey, signersOf } from '../../src/kernel/log/note.ts'
import { readVectors } from './read.ts'

const vectors = readVectors<ReturnType<typeof logRecordVectors>>('log-records.json')

for (const [name, verifier] of Object.entries({ native: nativeVerifier, pure: pureVerifier })) {
  test(`log-records.json: evidence of equivocation, and what is none, with ${name} verification`, () => {
    for (const { about, text, id, verdict } of vectors.equivocations) {
      assert.equal(logRecordId(text), id, about)
      const record = parseLogRecord(text) as EquivocationRecord
      const verify = () => verifyEquivocation(verifier, NETWORK, record)
      if (verdict === null) assert.throws(verify, Error, about)
      else assert.deepEqual(verify(), { providerId: record.provider_id, ...verdict }, about)
      assert.throws(() => verifyEquivocation(verifier, 'another', record), /not signed by/, about)
    }
  })

  test(`log-records.json: epochs with ${name} verification`, () => {
    for (const { about, text, id, verdict } of vectors.epochs) {
      assert.equal(logRecordId(text), id, about)
      const verify = () => verifyEpoch(verifier, NETWORK, parseLogRecord(text) as EpochRecord)
      if (verdict === null) assert.throws(verify, Error, about)
      else assert.equal(verify().origin, verdict, about)
    }
  })

  test(`log-records.json: cosignatures with ${name} verification`, () => {
    for (const { checkpoint, vkey, line } of vectors.cosignatures) {
      const key = parseNoteKey(vkey)
      assert.deepEqual(signersOf(verifier, parseNote(withLines(checkpoint, [line])), [key]), [key])
    }
  })
}

test('a statement has one spelling, and a bounded size', () => {
  const { text } = vectors.equivocations[0]!
  assert.throws(() => parseLogRecord(`${text} `), /RFC 8785/)
  assert.throws(() => parseLogRecord(text.replace('{', '{ ')), /RFC 8785/)
  assert.throws(() => parseLogRecord(text.replace('"equivocation"', '"slander"')), /not a statement/)
  assert.throws(() => parseLogRecord(new Uint8Array(17 * 1024)), /at most 16384 bytes/)
})
