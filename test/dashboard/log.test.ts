import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entriesPath, readBundle, readCheckpoint } from '../../src/dashboard/checkpoint.ts'

test('a checkpoint is taken apart, and what is none is refused', () => {
  const note = 'origin/log\n42\nroot=\n\n— origin/log AAAA\n— witness BBBB\n'
  assert.deepEqual(readCheckpoint(note), {
    origin: 'origin/log',
    size: 42,
    root: 'root=',
    signers: ['origin/log', 'witness'],
  })
  for (const text of ['', 'origin\n-1\nroot\n\n', 'origin\n1\n\n— a b\n'.slice(0, 8), '<html></html>']) {
    assert.throws(() => readCheckpoint(text), /something else than a checkpoint/)
  }
})

test('bundles are found where C2SP tlog-tiles puts them', () => {
  assert.equal(entriesPath(0, 10), 'tile/entries/000.p/10')
  assert.equal(entriesPath(0, 256), 'tile/entries/000')
  assert.equal(entriesPath(1, 300), 'tile/entries/001.p/44')
  assert.equal(entriesPath(1234067, 2 ** 40), 'tile/entries/x001/x234/067')
})

test('leaves are read from a bundle, and one that ends in the middle of a leaf is refused', () => {
  const bundle = Uint8Array.of(0, 2, 104, 105, 0, 0, 0, 1, 33)
  assert.deepEqual(
    readBundle(bundle).map((leaf) => new TextDecoder().decode(leaf)),
    ['hi', '', '!'],
  )
  for (const length of [1, 3, 8]) assert.throws(() => readBundle(bundle.subarray(0, length)), /in the middle/)
})
