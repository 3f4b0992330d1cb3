import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { Check } from 'typebox/value'
import { ConsistencyProof, InclusionProof, LogEvidence } from '../../../protocol/log.ts'
import { fromBase64Url, fromHex, toBase64Url, toHex, utf8 } from '../../../src/kernel/base/bytes.ts'
import { ed25519FromSeed } from '../../../src/kernel/identity/keys.ts'
import { pureVerifier } from '../../../src/kernel/identity/verify-pure.ts'
import { openCheckpoint } from '../../../src/kernel/log/checkpoint.ts'
import { CheckpointSigner } from '../../../src/kernel/log/checkpoint-signer.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { formatNoteKey, noteKey, parseNoteKey } from '../../../src/kernel/log/note.ts'
import {
  decodeEntries,
  encodeEntries,
  formatTilePath,
  parseTilePath,
  TILE_WIDTH,
} from '../../../src/kernel/log/tiles.ts'
import { leafHash } from '../../../src/kernel/log/tree.ts'
import { verifyConsistency, verifyInclusion } from '../../../src/kernel/log/verify.ts'
import { fill, leafAt, temporaryStore } from './logs.ts'
import { naiveLeaf, naiveRoot } from './naive-tree.ts'

describe('tile paths', () => {
  it('are those of the specification', () => {
    const known: readonly [path: string, level: number | 'entries', index: number, width: number][] = [
      ['tile/0/000', 0, 0, 256],
      ['tile/0/x001/x234/067', 0, 1234067, 256],
      ['tile/63/999', 63, 999, 256],
      ['tile/1/x001/000.p/17', 1, 1000, 17],
      ['tile/entries/x273/x000/000', 'entries', 273_000_000, 256],
      ['tile/entries/000.p/255', 'entries', 0, 255],
    ]
    for (const [path, level, index, width] of known) {
      assert.equal(formatTilePath({ level, index, width }), path)
      assert.deepEqual(parseTilePath(path), { level, index, width })
    }
  })

  it('are read as they were written', () => {
    const level = fc.oneof(fc.nat({ max: 63 }), fc.constant('entries' as const))
    const tiles = fc.record(
      {
        level,
        index: fc.nat({ max: 10 ** 15 - 1 }),
        width: fc.integer({ min: 1, max: TILE_WIDTH }),
      },
      { noNullPrototype: true },
    )
    fc.assert(fc.property(tiles, (tile) => assert.deepEqual(parseTilePath(formatTilePath(tile)), tile)))
  })

  it('have one spelling', () => {
    const refused = [
      '',
      'tile',
      'tile/0',
      'tile/0/',
      'tile/0/0',
      'tile/0/00',
      'tile/0/0000',
      'tile/0/000/',
      '/tile/0/000',
      'tile/00/000',
      'tile/01/000',
      'tile/64/000',
      'tile/-1/000',
      'tile/1e1/000',
      'tile/Entries/000',
      'tile/data/000',
      'tile/0/x000/001',
      'tile/0/001/000',
      'tile/0/x001/x000',
      'tile/0/X001/000',
      'tile/0/1000',
      'tile/0/x1/000',
      'tile/0/000.p',
      'tile/0/000.p/',
      'tile/0/000.p/0',
      'tile/0/000.p/01',
      'tile/0/000.p/256',
      'tile/0/000.p/257',
      'tile/0/000.p/1000',
      'tile/0/000.p/-1',
      'tile/0/000/p/1',
      'tile/0/000.P/1',
      'tile/0/٠٠٠',
      'tile/0/000\n',
      'tile/0/../000',
      'tile/0/x001/x000/x000/x000/x000/000',
    ]
    for (const path of refused) assert.equal(parseTilePath(path), undefined, path)
  })
})

describe('bundles of entries', () => {
  it('are leaves behind their lengths', () => {
    const leaves = [utf8('one'), new Uint8Array(), new Uint8Array(65_535).fill(9), new Uint8Array(256)]
    const bundle = encodeEntries(leaves)
    assert.equal(toHex(bundle.subarray(0, 9)), `0003${toHex(utf8('one'))}0000ffff`)
    assert.deepEqual(decodeEntries(bundle, 4), leaves)
  })

  it('are refused when cut off, too short or too long', () => {
    const bundle = encodeEntries([utf8('one'), utf8('two')])
    for (let length = 0; length < bundle.length; length++) {
      assert.throws(() => decodeEntries(bundle.subarray(0, length), 2), TypeError)
    }
    assert.throws(() => decodeEntries(bundle, 1), new TypeError('5 bytes follow the 1 leaves of the bundle'))
    assert.throws(() => decodeEntries(bundle, 3), new TypeError('the bundle holds 2 leaves, expected 3'))
  })
})

describe('tiles of a log', async () => {
  // The specification's own example, 70,000 leaves, needs three levels.
  const SIZE = 70_000
  const { store } = await temporaryStore({ after })
  const log = new MerkleLog(store, '')
  await fill(store, log, SIZE)
  const hashes = Array.from({ length: SIZE }, (_, i) => naiveLeaf(leafAt(i)))

  it('hold the roots of full tiles below, at any width', () => {
    const hash = (level: number, i: number): Uint8Array =>
      naiveRoot(hashes.slice(i * 256 ** level, (i + 1) * 256 ** level))
    for (const [level, index, width] of [
      [0, 0, 1],
      [0, 3, 256],
      [0, 273, 112],
      [1, 0, 2],
      [1, 1, 17],
      [2, 0, 1],
    ] as const) {
      const tile = log.tile(level, index, width)
      assert.equal(tile?.length, width * 32)
      for (const i of [0, width - 1]) {
        assert.deepEqual(tile?.slice(i * 32, i * 32 + 32), hash(level, index * 256 + i), `${level}/${index} ${i}`)
      }
    }
  })

  it('are there exactly as far as the tree is', () => {
    for (const [level, index, width] of [
      [0, 272, 256],
      [0, 273, 112],
      [1, 0, 256],
      [1, 1, 17],
      [2, 0, 1],
    ] as const) {
      assert.ok(log.tile(level, index, width), `${level}/${index} ${width}`)
      if (width < 256) assert.equal(log.tile(level, index, width + 1), undefined, `${level}/${index} ${width + 1}`)
    }
    assert.equal(log.tile(0, 274, 1), undefined)
    assert.equal(log.tile(3, 0, 1), undefined)
    assert.equal(log.tile(63, 0, 1), undefined)
    assert.ok(log.entries(273, 112))
    assert.equal(log.entries(273, 113), undefined)
  })

  const signing = ed25519FromSeed(new Uint8Array(32).fill(7))
  const origin = 'node.example/log'
  const signer = new CheckpointSigner(log, origin, signing)
  /** What a static web server of this log would answer. */
  const get = (path: string): Uint8Array => {
    if (path === 'checkpoint') return utf8(signer.latest())
    const tile = parseTilePath(path)
    assert.ok(tile, path)
    const { level, index, width } = tile
    const body = level === 'entries' ? log.entries(index, width) : log.tile(level, index, width)
    assert.ok(body, `404 ${path}`)
    return body
  }

  it('and the checkpoint are all that a stranger needs: the root is found again, and every entry below it', () => {
    const vkey = formatNoteKey(noteKey(origin, signing.publicKey))
    const { size, root } = openCheckpoint(pureVerifier, new TextDecoder().decode(get('checkpoint')), parseNoteKey(vkey))
    assert.equal(size, SIZE)

    const pathOf = (level: number | 'entries', index: number, count: number): string => {
      const width = Math.min(256, count - index * 256)
      const digits = String(index).padStart(3, '0')
      const name = digits.length > 3 ? `x${digits.slice(0, -3).padStart(3, '0')}/${digits.slice(-3)}` : digits
      return `tile/${level}/${name}${width === 256 ? '' : `.p/${width}`}`
    }
    const hashesAt = (level: number, count: number): Uint8Array[] =>
      Array.from({ length: Math.ceil(count / 256) }, (_, index) => get(pathOf(level, index, count))).flatMap((tile) =>
        Array.from({ length: tile.length / 32 }, (_, i) => tile.slice(i * 32, i * 32 + 32)),
      )

    // From the leaves up, each level's hashes are the roots of the full tiles below.
    const leaves = hashesAt(0, size)
    assert.equal(leaves.length, size)
    let below = leaves
    for (let level = 1; below.length >= 256; level++) {
      const above = hashesAt(level, Math.floor(below.length / 256))
      assert.equal(above.length, Math.floor(below.length / 256))
      above.forEach((hash, i) => {
        assert.deepEqual(naiveRoot(below.slice(i * 256, i * 256 + 256)), hash)
      })
      below = above
    }
    assert.deepEqual(naiveRoot(leaves), root)

    for (let index = 0; index * 256 < size; index++) {
      const width = Math.min(256, size - index * 256)
      decodeEntries(get(pathOf('entries', index, size)), width).forEach((entry, i) => {
        assert.deepEqual(naiveLeaf(entry), leaves[index * 256 + i])
      })
    }
  })

  it('evidence of one leaf is verified offline, from JSON', () => {
    const { size } = log
    const text = JSON.stringify({
      leaf: toBase64Url(log.leaf(4711)!),
      inclusion: {
        log_index: 4711,
        tree_size: size,
        leaf_hash: toHex(leafHash(log.leaf(4711)!)),
        hashes: log.inclusion(4711, size).map(toHex),
      },
      checkpoint: signer.latest(),
    } satisfies LogEvidence)
    const evidence: unknown = JSON.parse(text)
    assert.ok(Check(LogEvidence, evidence))
    assert.ok(Check(InclusionProof, evidence.inclusion))
    const { root, size: signedSize } = openCheckpoint(
      pureVerifier,
      evidence.checkpoint,
      noteKey(origin, signing.publicKey),
    )
    assert.equal(signedSize, evidence.inclusion.tree_size)
    const leaf = leafHash(fromBase64Url(evidence.leaf))
    assert.equal(toHex(leaf), evidence.inclusion.leaf_hash)
    const claim = { leafHash: leaf, index: evidence.inclusion.log_index, size: signedSize, root }
    assert.ok(verifyInclusion(claim, evidence.inclusion.hashes.map(fromHex)))
  })

  it('a later checkpoint is proven to follow from an earlier one, from JSON', () => {
    const text = JSON.stringify({ from: 1000, to: SIZE, hashes: log.consistency(1000, SIZE).map(toHex) })
    const proof: unknown = JSON.parse(text)
    assert.ok(Check(ConsistencyProof, proof))
    const claim = { from: proof.from, fromRoot: log.root(1000), to: proof.to, toRoot: log.root() }
    assert.ok(verifyConsistency(claim, proof.hashes.map(fromHex)))
  })
})
