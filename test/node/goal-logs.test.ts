import assert from 'node:assert/strict'
import { it } from 'node:test'
import { verifyProof } from '../../src/client/index.ts'
import { fromHex, toHex } from '../../src/kernel/base/bytes.ts'
import { parseProofFile } from '../../src/kernel/log/proof-file.ts'
import { decodeEntries } from '../../src/kernel/log/tiles.ts'
import { leafHash } from '../../src/kernel/log/tree.ts'
import { verifyConsistency, verifyInclusion } from '../../src/kernel/log/verify.ts'
import { goalLog, textOf } from '../support/proof-files.ts'

const NETWORK = 'test'
const leaves = Array.from({ length: 21 }, (_, n) => ({ goal: 'ab'.repeat(32), n }))
const notFound = (message: RegExp) => ({ code: 'PROV_001', status: 404, message })

it("a goal's log has checkpoints under an origin of its own, and proofs and tiles that fit them", async (t) => {
  const { log, merkle, providerId, append } = await goalLog(t, NETWORK, leaves)
  assert.match(log.checkpoint(), new RegExp(`^${providerId}/log/fast\n21\n`))
  const { hashes, leaf_hash, tree_size } = log.inclusion(4)
  const claim = { leafHash: fromHex(leaf_hash), index: 4, size: tree_size, root: merkle.root(21) }
  assert.ok(verifyInclusion(claim, hashes.map(fromHex)))
  const { hashes: extension } = log.consistency(8)
  const sizes = { from: 8, fromRoot: merkle.root(8), to: 21, toRoot: merkle.root(21) }
  assert.ok(verifyConsistency(sizes, extension.map(fromHex)))
  const bundle = decodeEntries(log.tile('tile/entries/000.p/21'), 21)
  assert.equal(Buffer.from(log.tile('tile/0/000.p/21').subarray(0, 32)).toString('hex'), toHex(leafHash(bundle[0]!)))
  await append({ n: 21 })
  assert.match(log.checkpoint(), /\n22\n/)
})

it('a proof file of every leaf verifies offline, since every earlier size', async (t) => {
  const { log, providerId } = await goalLog(t, NETWORK, leaves)
  for (let index = 0; index < 21; index++) {
    const file = textOf(log.proofFile(index, index))
    const proven = verifyProof(file, { network: NETWORK, providerId, origin: `${providerId}/log/fast` })
    assert.deepEqual([proven.index, proven.size, proven.older?.size, proven.goalId], [index, 21, index, 'fast'])
    assert.deepEqual(JSON.parse(new TextDecoder().decode(proven.leaf)), leaves[index])
  }
})

it('a proof file in which anything is changed is refused', async (t) => {
  const { log } = await goalLog(t, NETWORK, leaves)
  const text = textOf(log.proofFile(10, 5))
  verifyProof(text, { network: NETWORK })
  let refused = 0
  for (let at = 0; at < text.length; at += 3) {
    const character = text[at] === '1' ? '2' : '1'
    const changed = text.slice(0, at) + character + text.slice(at + 1)
    assert.throws(() => verifyProof(changed, { network: NETWORK }), { name: 'IntegrityError' }, `at ${at}: ${changed}`)
    refused++
  }
  assert.ok(refused > 500)
  const file = parseProofFile(text)
  for (const change of [{ log_index: 9 }, { log_index: 11 }, { tree_size: 20 }, { tree_size: 22 }, { tree_size: 10 }]) {
    assert.throws(() => verifyProof({ ...file, ...change }, { network: NETWORK }), { name: 'IntegrityError' })
  }
})

it('what the log does not have is not found, in the documented words', async (t) => {
  const { log } = await goalLog(t, NETWORK, leaves)
  assert.throws(() => log.proofFile(21), notFound(/^Log index 21 out of bounds \[0, 21\)$/))
  assert.throws(() => log.inclusion(30), notFound(/^Log index 30 out of bounds \[0, 21\)$/))
  assert.throws(() => log.proofFile(1, 22), notFound(/^Tree size 22 out of bounds \[0, 21\]$/))
  assert.throws(() => log.consistency(22), notFound(/out of bounds/))
  assert.throws(() => log.tile('tile/0/001'), notFound(/the log has no tile\/0\/001/))
})
