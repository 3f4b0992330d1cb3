import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { concatBytes, fromHex } from '../../../src/kernel/base/bytes.ts'
import { leafHash, nodeHash, peakHeights } from '../../../src/kernel/log/tree.ts'
import { verifyConsistency, verifyInclusion, verifyMmrInclusion } from '../../../src/kernel/log/verify.ts'
import { leafAt } from './logs.ts'
import { naiveConsistency, naiveInclusion, naiveLeaf, naiveRoot } from './naive-tree.ts'

const LEAVES = Array.from({ length: 70 }, (_, i) => naiveLeaf(leafAt(i)))
const rootOf = (size: number): Uint8Array => naiveRoot(LEAVES.slice(0, size))
const OTHER = naiveLeaf(Uint8Array.of(1, 2, 3))

/** Every way in which a proof can be wrong by one hash: one changed, one left out, one too many, two swapped. */
function* spoiled(path: readonly Uint8Array[]): Generator<Uint8Array[]> {
  for (let i = 0; i < path.length; i++) {
    yield path.with(i, OTHER)
    yield path.toSpliced(i, 1)
    yield path.with(i, path[i]!.slice(0, 31))
    if (i > 0) yield path.with(i, path[i - 1]!).with(i - 1, path[i]!)
  }
  for (let i = 0; i <= path.length; i++) yield path.toSpliced(i, 0, OTHER)
  yield [...path, new Uint8Array()]
}

/** The Mountain Range form, from its definition: inside the leaf's own perfect subtree, then the roots of the others. */
function naiveMmr(index: number, size: number): { siblings: Uint8Array[]; peaks: Uint8Array[] } {
  let siblings: Uint8Array[] = []
  const peaks: Uint8Array[] = []
  let start = 0
  for (const height of peakHeights(size)) {
    const subtree = LEAVES.slice(start, start + 2 ** height)
    if (index >= start && index < start + subtree.length) siblings = naiveInclusion(index - start, subtree)
    else peaks.push(naiveRoot(subtree))
    start += subtree.length
  }
  return { siblings, peaks }
}

describe('inclusion', () => {
  it('holds for every leaf of every small tree, and for no other index', () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const path = naiveInclusion(index, LEAVES.slice(0, size))
        const claim = { leafHash: LEAVES[index]!, index, size, root: rootOf(size) }
        assert.ok(verifyInclusion(claim, path), `${index} of ${size}`)
        for (let other = 0; other < size; other++) {
          if (other !== index) assert.ok(!verifyInclusion({ ...claim, index: other }, path), `${other} of ${size}`)
        }
      }
    }
  })

  it('fails when a hash is changed, missing, too many, too short or out of place', () => {
    let seen = 0
    for (const [index, size] of [
      [0, 1],
      [0, 2],
      [3, 7],
      [6, 7],
      [10, 33],
      [32, 33],
      [64, 70],
    ] as const) {
      const claim = { leafHash: LEAVES[index]!, index, size, root: rootOf(size) }
      for (const path of spoiled(naiveInclusion(index, LEAVES.slice(0, size)))) {
        assert.ok(!verifyInclusion(claim, path))
        seen++
      }
    }
    assert.ok(seen > 60, `${seen} wrong proofs seen`)
  })

  it('fails for another leaf, another root, and numbers that are none of a tree', () => {
    const path = naiveInclusion(5, LEAVES.slice(0, 21))
    const claim = { leafHash: LEAVES[5]!, index: 5, size: 21, root: rootOf(21) }
    assert.ok(verifyInclusion(claim, path))
    assert.ok(!verifyInclusion({ ...claim, leafHash: OTHER }, path))
    assert.ok(!verifyInclusion({ ...claim, root: OTHER }, path))
    for (const index of [-1, 5.5, 21, Number.NaN, 2 ** 53]) assert.ok(!verifyInclusion({ ...claim, index }, path))
    for (const size of [0, -21, 5, 20.5, Number.POSITIVE_INFINITY]) {
      assert.ok(!verifyInclusion({ ...claim, size }, path), String(size))
    }
  })

  it('takes no inner node for a leaf', () => {
    const path = [nodeHash(LEAVES[2]!, LEAVES[3]!)]
    const forged = leafHash(concatBytes([LEAVES[0]!, LEAVES[1]!]))
    assert.ok(!verifyInclusion({ leafHash: forged, index: 0, size: 2, root: rootOf(4) }, path))
    // Even its own hash proves nothing, where the path is too short for the tree.
    assert.ok(
      !verifyInclusion({ leafHash: nodeHash(LEAVES[0]!, LEAVES[1]!), index: 0, size: 4, root: rootOf(4) }, path),
    )
  })

  it('takes no pair of hashes that is cut elsewhere, and no leaf beside the only one', () => {
    const pair = concatBytes([LEAVES[0]!, LEAVES[1]!])
    const cut = { leafHash: pair.slice(0, 31), index: 0, size: 2, root: rootOf(2) }
    assert.ok(!verifyInclusion(cut, [pair.slice(31)]))
    assert.ok(!verifyMmrInclusion(cut, { siblings: [pair.slice(31)], peaks: [] }))
    assert.ok(!verifyInclusion({ leafHash: LEAVES[0]!, index: 1, size: 1, root: rootOf(1) }, []))
  })

  it('counts beyond 32 bits', () => {
    // A tree of 2^40 equal leaves: each level has one hash.
    const levels = [LEAVES[0]!]
    for (let i = 0; i < 40; i++) levels.push(nodeHash(levels[i]!, levels[i]!))
    const claim = { leafHash: LEAVES[0]!, index: 2 ** 35 + 12345, size: 2 ** 40, root: levels[40]! }
    assert.ok(verifyInclusion(claim, levels.slice(0, 40)))
    assert.ok(verifyMmrInclusion(claim, { siblings: levels.slice(0, 40), peaks: [] }))
    assert.ok(!verifyInclusion({ ...claim, size: 2 ** 39 }, levels.slice(0, 40)))
  })
})

describe('inclusion in a Merkle Mountain Range', () => {
  it('holds for every leaf of every small tree, and for no other index', () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const claim = { leafHash: LEAVES[index]!, index, size, root: rootOf(size) }
        const path = naiveMmr(index, size)
        assert.ok(verifyMmrInclusion(claim, path), `${index} of ${size}`)
        for (let other = 0; other < size; other++) {
          if (other !== index) assert.ok(!verifyMmrInclusion({ ...claim, index: other }, path), `${other} of ${size}`)
        }
      }
    }
  })

  it('fails when a sibling or a peak is changed, missing, too many, too short or out of place', () => {
    let seen = 0
    for (const [index, size] of [
      [0, 1],
      [0, 3],
      [2, 3],
      [3, 7],
      [6, 7],
      [10, 33],
      [32, 33],
      [64, 70],
    ] as const) {
      const claim = { leafHash: LEAVES[index]!, index, size, root: rootOf(size) }
      const { siblings, peaks } = naiveMmr(index, size)
      for (const wrong of spoiled(siblings)) {
        assert.ok(!verifyMmrInclusion(claim, { siblings: wrong, peaks }))
        seen++
      }
      for (const wrong of spoiled(peaks)) {
        assert.ok(!verifyMmrInclusion(claim, { siblings, peaks: wrong }))
        seen++
      }
      // A hash moved from one list to the other keeps their sum.
      if (siblings.length > 0) {
        const moved = { siblings: siblings.slice(0, -1), peaks: [...peaks, siblings.at(-1)!] }
        assert.ok(!verifyMmrInclusion(claim, moved))
      }
    }
    assert.ok(seen > 60, `${seen} wrong proofs seen`)
  })

  it('takes no inner node for a leaf, and no root for a peak', () => {
    const inner = { leafHash: nodeHash(LEAVES[0]!, LEAVES[1]!), index: 0, size: 4, root: rootOf(4) }
    assert.ok(!verifyMmrInclusion(inner, { siblings: [nodeHash(LEAVES[2]!, LEAVES[3]!)], peaks: [] }))
    assert.ok(
      !verifyMmrInclusion({ leafHash: rootOf(3), index: 2, size: 3, root: rootOf(3) }, { siblings: [], peaks: [] }),
    )
  })
})

describe('consistency', () => {
  it('holds between any two sizes, and for no other pair with the same proof', () => {
    for (let to = 1; to <= 34; to++) {
      for (let from = 1; from <= to; from++) {
        const path = naiveConsistency(from, LEAVES.slice(0, to))
        const claim = { from, fromRoot: rootOf(from), to, toRoot: rootOf(to) }
        assert.ok(verifyConsistency(claim, path), `${from} to ${to}`)
        if (from < to) {
          assert.ok(!verifyConsistency({ ...claim, fromRoot: OTHER }, path))
          assert.ok(!verifyConsistency({ ...claim, toRoot: OTHER }, path))
          assert.ok(!verifyConsistency({ ...claim, from: from + 1 }, path), `${from} + 1 to ${to}`)
        }
      }
    }
  })

  it('fails when a hash is changed, missing, too many, too short or out of place', () => {
    let seen = 0
    for (const [from, to] of [
      [1, 2],
      [4, 7],
      [6, 7],
      [8, 33],
      [31, 33],
      [63, 70],
    ] as const) {
      const claim = { from, fromRoot: rootOf(from), to, toRoot: rootOf(to) }
      for (const path of spoiled(naiveConsistency(from, LEAVES.slice(0, to)))) {
        assert.ok(!verifyConsistency(claim, path), `${from} to ${to}`)
        seen++
      }
    }
    assert.ok(seen > 60, `${seen} wrong proofs seen`)
  })

  it('fails for a log that was rewritten, whatever the proof says', () => {
    const rewritten = LEAVES.with(3, OTHER)
    for (const from of [4, 5, 8, 20]) {
      const claim = { from, fromRoot: rootOf(from), to: 30, toRoot: naiveRoot(rewritten.slice(0, 30)) }
      assert.ok(!verifyConsistency(claim, naiveConsistency(from, LEAVES.slice(0, 30))))
      assert.ok(!verifyConsistency(claim, naiveConsistency(from, rewritten.slice(0, 30))))
    }
  })

  it('of one size asks for one root and no proof; a log does not shrink', () => {
    const claim = { from: 5, fromRoot: rootOf(5), to: 5, toRoot: rootOf(5) }
    assert.ok(verifyConsistency(claim, []))
    assert.ok(!verifyConsistency(claim, [OTHER]))
    assert.ok(!verifyConsistency({ ...claim, toRoot: OTHER }, []))
    assert.ok(!verifyConsistency({ from: 6, fromRoot: rootOf(6), to: 5, toRoot: rootOf(5) }, []))
  })

  it('from no leaves asks for the empty root', () => {
    const empty = fromHex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    assert.ok(verifyConsistency({ from: 0, fromRoot: empty, to: 5, toRoot: rootOf(5) }, []))
    assert.ok(!verifyConsistency({ from: 0, fromRoot: OTHER, to: 5, toRoot: rootOf(5) }, []))
    assert.ok(!verifyConsistency({ from: 0, fromRoot: empty, to: 5, toRoot: rootOf(5) }, [OTHER]))
  })
})

it('no proof makes a verifier throw or run on', () => {
  const hash = fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ maxLength: 40 }))
  const path = fc.array(hash, { maxLength: 200 })
  const number = fc.oneof(fc.integer({ min: -2, max: 80 }), fc.double(), fc.maxSafeInteger())
  fc.assert(
    fc.property(number, number, path, path, hash, (a, b, siblings, peaks, root) => {
      const claim = { leafHash: LEAVES[0]!, index: a, size: b, root }
      assert.ok(!verifyInclusion(claim, siblings))
      assert.ok(!verifyMmrInclusion(claim, { siblings, peaks }))
      assert.ok(!verifyConsistency({ from: a, fromRoot: root, to: b, toRoot: OTHER }, siblings))
    }),
  )
})
