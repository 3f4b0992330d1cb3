import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { equalBytes } from '../../../src/kernel/base/bytes.ts'
import { nodeHash } from '../../../src/kernel/log/tree.ts'
import * as verify from '../../../src/kernel/log/verify.ts'
import { type FunctionTree, numberedTree, sparseTree } from './function-tree.ts'
import { naiveLeaf } from './naive-tree.ts'

const OTHER = naiveLeaf(Uint8Array.of(1, 2, 3))

type Path = readonly Uint8Array[]

/**
 * The verifiers' own hash, computed once for a pair: most wrong proofs of a leaf share most of their hashes, and computing those again was nearly
 * all that these tests did. Nothing here changes a hash in place, so an array stands for its bytes.
 */
const known = new Map<Uint8Array, Map<Uint8Array, Uint8Array>>()
function hashOf(left: Uint8Array, right: Uint8Array): Uint8Array {
  const ofLeft = known.get(left) ?? new Map<Uint8Array, Uint8Array>()
  known.set(left, ofLeft)
  const hash = ofLeft.get(right) ?? nodeHash(left, right)
  ofLeft.set(right, hash)
  return hash
}

const verifyInclusion = (claim: verify.InclusionClaim, path: Path) => verify.verifyInclusion(claim, path, hashOf)
const verifyMmrInclusion = (claim: verify.InclusionClaim, path: verify.MmrPath) =>
  verify.verifyMmrInclusion(claim, path, hashOf)
const verifyConsistency = (claim: verify.ConsistencyClaim, path: Path) => verify.verifyConsistency(claim, path, hashOf)

/** The hash with one bit changed. */
function bent(hash: Uint8Array, bit: number): Uint8Array {
  const changed = hash.slice()
  changed[(bit >> 3) % changed.length]! ^= 1 << (bit % 8)
  return changed
}

/** Wrong by one hash: missing, trailing, one bit changed, cut off by a byte. `at` says where, and which bit. */
function wrongPaths(path: Path, at: number): Path[] {
  const wrong: Path[] = [
    [...path, OTHER],
    [OTHER, ...path],
    [...path, new Uint8Array(32)],
    [...path, ...path.slice(-1), OTHER],
  ]
  if (path.length === 0) return wrong
  const place = at % path.length
  const hash = path[place]!
  return [
    ...wrong,
    path.slice(1),
    path.slice(0, -1),
    path.toSpliced(place, 1),
    path.with(place, bent(hash, at)),
    path.with(place, hash.slice(1)),
  ]
}

/**
 * The proof of a leaf holds, and none that is wrong does: for an index beside it, for the tree of another size, for another leaf or root, and with a
 * hash missing, too many, or changed. Returns how many were refused.
 */
function checkInclusion(
  tree: FunctionTree,
  index: number,
  size: number,
  others: readonly number[],
  at: number,
): number {
  const claim = { leafHash: tree.leaf(index), index, size, root: tree.root(size) }
  const path = tree.inclusion(index, size)
  const mmr = tree.mmr(index, size)
  const where = `${index} of ${size}`
  assert.ok(verifyInclusion(claim, path), where)
  assert.ok(verifyMmrInclusion(claim, mmr), where)
  const claims = [
    ...[index - 1, index + 1, index + size, at % size, size - 1].map((other) => ({ ...claim, index: other })),
    ...others.map((other) => ({ ...claim, size: other, root: tree.root(other) })),
    { ...claim, root: bent(claim.root, at) },
    { ...claim, leafHash: bent(claim.leafHash, at) },
    { ...claim, leafHash: OTHER },
  ].filter(
    (wrong) =>
      wrong.index !== index || wrong.size !== size || wrong.root !== claim.root || wrong.leafHash !== claim.leafHash,
  )
  for (const wrong of claims) {
    assert.ok(!verifyInclusion(wrong, path), `${where}, claimed ${wrong.index} of ${wrong.size}`)
    assert.ok(!verifyMmrInclusion(wrong, mmr), `${where}, claimed ${wrong.index} of ${wrong.size}`)
  }
  const paths = wrongPaths(path, at)
  for (const wrong of paths) assert.ok(!verifyInclusion(claim, wrong), where)
  const { siblings, peaks } = mmr
  const ranges = [
    ...wrongPaths(siblings, at).map((wrong) => ({ siblings: wrong, peaks })),
    ...wrongPaths(peaks, at).map((wrong) => ({ siblings, peaks: wrong })),
    { siblings: [...siblings, ...peaks.slice(0, 1)], peaks: peaks.slice(1) },
    { siblings: siblings.slice(0, -1), peaks: [...siblings.slice(-1), ...peaks] },
  ]
  for (const wrong of ranges) {
    if (sameHashes(wrong.siblings, siblings) && sameHashes(wrong.peaks, peaks)) continue
    assert.ok(!verifyMmrInclusion(claim, wrong), where)
  }
  return 2 * claims.length + paths.length + ranges.length
}

const sameHashes = (a: Path, b: Path): boolean => a.length === b.length && a.every((hash, i) => equalBytes(hash, b[i]!))

/** The same of the proof that one tree is the beginning of another. */
function checkConsistency(tree: FunctionTree, from: number, to: number, others: readonly number[], at: number): number {
  const claim = { from, fromRoot: tree.root(from), to, toRoot: tree.root(to) }
  const path = tree.consistency(from, to)
  const where = `${from} to ${to}`
  assert.ok(verifyConsistency(claim, path), where)
  const claims = [
    ...others.filter((other) => other !== from).map((other) => ({ ...claim, from: other, fromRoot: tree.root(other) })),
    ...others.filter((other) => other !== to).map((other) => ({ ...claim, to: other, toRoot: tree.root(other) })),
    { ...claim, fromRoot: bent(claim.fromRoot, at) },
    { ...claim, toRoot: bent(claim.toRoot, at) },
    { ...claim, from: to, to: from, fromRoot: claim.toRoot, toRoot: claim.fromRoot },
  ]
  let refused = 0
  for (const wrong of claims) {
    // That a tree begins with itself needs no proof.
    if (wrong.from === wrong.to && path.length === 0 && sameHashes([wrong.fromRoot], [wrong.toRoot])) continue
    assert.ok(!verifyConsistency(wrong, path), `${where}, claimed ${wrong.from} to ${wrong.to}`)
    refused++
  }
  for (const wrong of wrongPaths(path, at)) {
    assert.ok(!verifyConsistency(claim, wrong), where)
    refused++
  }
  return refused
}

const SIZE = 200

describe('every proof of every tree of up to 200 leaves', () => {
  const tree = numberedTree(SIZE + 64)

  it('holds for its leaf, and every other is refused', () => {
    let refused = 0
    for (let index = 0; index < SIZE; index++) {
      known.clear()
      for (let size = index + 1; size <= SIZE; size++) {
        const others = [size - 1, size + 1, 2 ** Math.ceil(Math.log2(size + 1))].filter(
          (other) => other > index && other !== size,
        )
        refused += checkInclusion(
          tree,
          index,
          size,
          others.filter((other) => other <= SIZE + 64),
          index * 31 + size * 7,
        )
      }
    }
    assert.ok(refused > 20_100 * 20, `${refused} were refused`)
  })

  it('holds for no other index, in a tree of any size', () => {
    for (let size = 1; size <= SIZE; size += size < 20 ? 1 : 30) {
      const root = tree.root(size)
      for (let index = 0; index < size; index++) {
        const leafHash = tree.leaf(index)
        const path = tree.inclusion(index, size)
        const mmr = tree.mmr(index, size)
        known.clear()
        for (let other = 0; other < size; other++) {
          if (other === index) continue
          const claim = { leafHash, index: other, size, root }
          assert.ok(!verifyInclusion(claim, path) && !verifyMmrInclusion(claim, mmr), `${other} of ${size}`)
        }
      }
    }
  })

  it('of consistency holds for its two sizes, and every other is refused', () => {
    let refused = 0
    for (let from = 1; from <= SIZE; from++) {
      known.clear()
      for (let to = from; to <= SIZE; to++) {
        const others = [from - 1, from + 1, to - 1, to + 1].filter((other) => other >= 1)
        refused += checkConsistency(tree, from, to, others, from * 31 + to * 7)
      }
    }
    assert.ok(refused > 20_100 * 8, `${refused} were refused`)
  })
})

describe('proofs of trees of up to 2^40 leaves', () => {
  const sizes = fc.oneof(
    fc.integer({ min: 1, max: 2 ** 40 }),
    fc.integer({ min: 1, max: 40 }).chain((bits) => fc.constantFrom(2 ** bits, 2 ** bits - 1, 2 ** bits + 1)),
    fc.double({ min: 0, max: 40, noNaN: true }).map((bits) => Math.ceil(2 ** bits)),
  )
  const places = sizes.chain((size) =>
    fc.tuple(fc.constant(size), fc.nat({ max: size - 1 }), fc.nat({ max: size - 1 }), fc.nat(1 << 20)),
  )

  it('hold for their leaf, and every other is refused', () => {
    fc.assert(
      fc.property(places, ([size, index, other, at]) => {
        known.clear()
        // Leaves that are alike would make a proof of one a proof of the other.
        const tree = sparseTree([index, other, size - 1, 0])
        const larger = [size + 1, 2 * size, Math.max(index + 1, other)].filter((one) => one !== size && one > index)
        checkInclusion(tree, index, size, larger, at)
      }),
      { numRuns: 500 },
    )
  })

  it('of consistency hold for their sizes, and every other is refused', () => {
    fc.assert(
      fc.property(places, ([to, before, other, at]) => {
        const from = before + 1
        known.clear()
        const tree = sparseTree([before, other, to - 1, 0, from, to])
        const others = [from + 1, to + 1, before, to - 1].filter((one) => one >= 1)
        checkConsistency(tree, from, to, others, at)
      }),
      { numRuns: 500 },
    )
  })
})
