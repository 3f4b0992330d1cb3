import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { LIMITS } from '../../../../protocol/limits.ts'
import { concatBytes, equalBytes, toHex } from '../../base/bytes.ts'
import { sha256Hex } from '../../base/hash.ts'
import { leafHash, merkleRoot } from '../../base/merkle.ts'
import type { BlobReader, BlobStore, BlobSummary, BlobWriter } from '../packages/blob-stores.ts'
import type { TestRunner } from './test-runner.ts'

/** What the suite needs. */
export interface BlobStoreSuite {
  readonly test: TestRunner
  /** Makes an empty store with room for 64 MiB. The suite closes it. */
  readonly factory: () => Promise<BlobStore>
}

const CHUNK = LIMITS.chunkBytes
/** Sizes about which stores are likely to err: of nothing, of small buffers, of a chunk, of several. */
const SIZES = [0, 1, 256 * 1024, 256 * 1024 + 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7]
const BYTES = patterned(100, 1)
const DIGEST = sha256Hex(BYTES)
const LARGE = patterned(2 * CHUNK + 7, 2)
const nobody = (): boolean => false
const somebody = (): boolean => true

/** What `BlobStore` promises, as tests that every store must pass, whoever made it. */
export function blobStoreSuite({ test, factory }: BlobStoreSuite): void {
  const check = (name: string, run: (store: BlobStore) => Promise<void>): unknown =>
    test(name, async () => {
      const store = await factory()
      try {
        await run(store)
      } finally {
        await store.close()
      }
    })

  for (const size of SIZES) {
    check(
      `${size} bytes: hashes are right, and the bytes come back, while they are written and from their place`,
      async (store) => {
        const bytes = patterned(size, 3)
        const byPieces = store.create()
        // The same buffer again and again: it is the caller's when a write has resolved.
        const buffer = new Uint8Array(100_001)
        for (let at = 0; at < size; at += buffer.length) {
          const piece = bytes.subarray(at, at + buffer.length)
          buffer.set(piece)
          await byPieces.write(buffer.subarray(0, piece.length))
          assert.equal(byPieces.size, at + piece.length)
        }
        const byChunks = store.create()
        const chunks = Array.from({ length: Math.ceil(size / CHUNK) }, (_, index) => append(byChunks, bytes, index))
        assert.ok((await Promise.all(chunks)).every(Boolean))
        assert.equal(byChunks.size, size)
        for (const writer of [byPieces, byChunks]) {
          assert.throws(() => writer.summary)
          assert.throws(() => writer.source())
          assert.deepEqual(plain(await writer.hashed()), plain(summaryOf(bytes)))
          assert.ok(equalBytes(await readAll(writer, size), bytes))
          assert.deepEqual(plain(await writer.finish()), plain(summaryOf(bytes)))
          assert.deepEqual(plain(writer.summary), plain(summaryOf(bytes)))
          await store.keep(writer, somebody, async () => {
            assert.ok(equalBytes(await opened(writer.source()), bytes))
            assert.ok(equalBytes(await readAll(writer, size), bytes))
          })
          await writer.discard()
          const reader = await readerOf(store, sha256Hex(bytes))
          assert.ok(equalBytes(await readAll(reader, size), bytes))
          await reader.close()
        }
      },
    )
  }

  check('any range can be read, by many at once, and nothing past the end', async (store) => {
    await kept(store, LARGE, somebody)
    const reader = await readerOf(store, sha256Hex(LARGE))
    const ranges = [
      [0, 1],
      [CHUNK - 1, 2],
      [CHUNK, CHUNK],
      [LARGE.length - 1, 1],
      [5, LARGE.length - 5],
    ] as const
    await Promise.all(
      ranges.map(async ([position, length]) => {
        const bytes = await readAll(reader, length, position)
        assert.ok(equalBytes(bytes, LARGE.subarray(position, position + length)), `${length} bytes at ${position}`)
      }),
    )
    const buffer = new Uint8Array(10)
    assert.equal((await reader.read(buffer, 10, LARGE.length - 4)).bytesRead, 4)
    assert.ok(equalBytes(buffer.subarray(0, 4), LARGE.subarray(-4)))
    assert.equal((await reader.read(buffer, 10, LARGE.length)).bytesRead, 0)
    await reader.close()
  })

  check('what is written can be read before the rest comes', async (store) => {
    const byPieces = store.create()
    for (const at of [0, CHUNK, 2 * CHUNK]) {
      const piece = LARGE.subarray(at, at + CHUNK)
      await byPieces.write(piece)
      assert.ok(equalBytes(await readAll(byPieces, piece.length, at), piece))
      assert.equal((await byPieces.read(new Uint8Array(10), 10, byPieces.size - 4)).bytesRead, 4)
    }
    const byChunks = store.create()
    for (const index of [0, 1, 2]) {
      assert.ok(await append(byChunks, LARGE, index))
      assert.ok(equalBytes(await readAll(byChunks, byChunks.size), LARGE.subarray(0, byChunks.size)))
    }
    for (const writer of [byPieces, byChunks]) assert.equal((await writer.finish()).digest, sha256Hex(LARGE))
  })

  check('a chunk that is not what its leaf says is refused, and the others stay', async (store) => {
    const writer = store.create()
    const wrong = LARGE.slice()
    wrong[CHUNK + 3]! ^= 1
    const first = [append(writer, LARGE, 0), append(writer, wrong, 1, LARGE), append(writer, LARGE, 2)]
    assert.deepEqual(await Promise.all(first), [true, false, true])
    assert.equal(writer.size, CHUNK)
    await assert.rejects(writer.hashed())
    assert.ok(await append(writer, LARGE, 1))
    assert.deepEqual(plain(await writer.finish()), plain(summaryOf(LARGE)))
    assert.ok(equalBytes(await readAll(writer, LARGE.length), LARGE))
  })

  check('chunks come in any order, some of them twice', async (store) => {
    for (const order of [
      [2, 1, 0],
      [1, 2, 0],
      [0, 2, 1],
      [2, 2, 0, 0, 1, 2],
    ]) {
      const writer = store.create()
      const sizes: number[] = []
      const answers = order.map(async (index) => {
        const isGood = await append(writer, LARGE, index)
        sizes.push(writer.size)
        return isGood
      })
      assert.ok((await Promise.all(answers)).every(Boolean))
      assert.deepEqual([...sizes].sort(ascending), sizes, 'the size never shrinks')
      assert.equal(writer.size, LARGE.length)
      assert.deepEqual(plain(await writer.hashed()), plain(summaryOf(LARGE)))
      assert.ok(equalBytes(await readAll(writer, LARGE.length), LARGE))
      await writer.discard()
    }
    const writer = store.create()
    assert.ok(await append(writer, LARGE, 1))
    assert.equal(writer.size, 0)
  })

  check('blobs that are written at once do not disturb each other', async (store) => {
    const digests = await Promise.all(
      [5, 6, 7, 8].map(async (seed) => {
        const bytes = patterned(CHUNK + seed, seed)
        const [byPieces, byChunks] = [store.create(), store.create()]
        for (let at = 0; at < bytes.length; at += 200_000) await byPieces.write(bytes.subarray(at, at + 200_000))
        for (const index of [0, 1]) assert.ok(await append(byChunks, bytes, index))
        const [{ digest }, other] = await Promise.all([byPieces.finish(), byChunks.finish()])
        assert.equal(digest, sha256Hex(bytes))
        assert.equal(other.digest, digest)
        return digest
      }),
    )
    assert.equal(new Set(digests).size, 4)
  })

  check('a finished blob takes nothing more', async (store) => {
    const [byPieces, byChunks] = [store.create(), store.create()]
    await byPieces.write(LARGE.subarray(0, CHUNK))
    assert.ok(await append(byChunks, LARGE, 0))
    for (const writer of [byPieces, byChunks]) await writer.finish()
    await assert.rejects(byPieces.write(BYTES))
    await assert.rejects(append(byChunks, LARGE, 1))
  })

  check(
    'the bytes that somebody opens are theirs: whatever they do to them, the blob stays as it is',
    async (store) => {
      const writer = await finished(store, BYTES)
      await store.keep(writer, somebody, async () => {
        const source = writer.source()
        if (typeof source === 'string') return
        structuredClone(source.fill(0), { transfer: [source.buffer] })
        assert.ok(equalBytes(await opened(writer.source()), BYTES))
      })
      const reader = await readerOf(store, DIGEST)
      assert.ok(equalBytes(await readAll(reader, BYTES.length), BYTES))
      await reader.close()
    },
  )

  check('a blob is here from its placing on, and listed once', async (store) => {
    const writer = await finished(store, BYTES)
    assert.equal(await store.open(DIGEST), undefined)
    assert.deepEqual(await listed(store), [])
    const result = await store.keep(writer, somebody, async () => {
      assert.ok(await isHere(store, DIGEST))
      return 'used'
    })
    assert.equal(result, 'used')
    await kept(store, BYTES, somebody)
    await kept(store, LARGE, somebody)
    assert.deepEqual(await listed(store), [DIGEST, sha256Hex(LARGE)].sort())
  })

  check('discard leaves nothing, before the end and after it, and twice', async (store) => {
    const [empty, small, large, byChunks] = [store.create(), store.create(), store.create(), store.create()]
    await small.write(BYTES)
    await large.write(LARGE)
    assert.ok(await append(byChunks, LARGE, 0))
    const done = await finished(store, BYTES)
    for (const writer of [empty, small, large, byChunks, done, done]) await writer.discard()
    assert.deepEqual(await listed(store), [])
    assert.equal(await store.open(DIGEST), undefined)
    for (const writer of [small, large]) await assert.rejects(writer.write(BYTES))
    await assert.rejects(append(byChunks, LARGE, 1))
    await assert.rejects(readAll(large, 1))
    await assert.rejects(small.finish())
    await assert.rejects(store.place(done, somebody))
  })

  check('discard after placing leaves the blob', async (store) => {
    const writer = await finished(store, LARGE)
    const release = await store.place(writer, somebody)
    await writer.discard()
    release()
    const reader = await readerOf(store, sha256Hex(LARGE))
    assert.ok(equalBytes(await readAll(reader, LARGE.length), LARGE))
    await reader.close()
  })

  check('only a finished blob of this store can be placed', async (store) => {
    const writer = store.create()
    await writer.write(BYTES)
    await assert.rejects(store.place(writer, somebody))
    const other = await factory()
    try {
      await assert.rejects(store.place(await finished(other, BYTES), somebody))
    } finally {
      await other.close()
    }
    assert.deepEqual(await listed(store), [])
  })

  check('a blob whose use fails goes, unless something else names it', async (store) => {
    const failure = new Error('the version exists')
    const fail = async (): Promise<never> => {
      throw failure
    }
    await assert.rejects(kept(store, BYTES, nobody, fail), failure)
    assert.ok(!(await isHere(store, DIGEST)))
    await assert.rejects(kept(store, BYTES, somebody, fail), failure)
    assert.ok(await isHere(store, DIGEST))
  })

  check('a removal spares what is named, and what is placed until it is released', async (store) => {
    store.removeUnless(DIGEST, nobody)
    const names = new Set<string>()
    const isNamed = (digest: string): boolean => names.has(digest)
    await kept(store, BYTES, isNamed, async () => {
      store.removeUnless(DIGEST, isNamed)
      assert.ok(await isHere(store, DIGEST))
      names.add(DIGEST)
    })
    store.removeUnless(DIGEST, isNamed)
    assert.ok(await isHere(store, DIGEST))
    names.delete(DIGEST)
    store.removeUnless(DIGEST, isNamed)
    assert.ok(!(await isHere(store, DIGEST)))
    assert.deepEqual(await listed(store), [])
    await kept(store, BYTES, somebody)
    assert.ok(await isHere(store, DIGEST))
  })

  check('a writer can be placed twice, and the last release counts', async (store) => {
    const writer = await finished(store, BYTES)
    const first = await store.place(writer, nobody)
    const second = await store.place(writer, nobody)
    first()
    assert.ok(await isHere(store, DIGEST))
    second()
    assert.ok(!(await isHere(store, DIGEST)))
  })

  check('two who write the same bytes share one blob, which stays while either needs it', async (store) => {
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const writers = await Promise.all([finished(store, LARGE), finished(store, LARGE)])
      const releases = await Promise.all(writers.map((writer) => store.place(writer, nobody)))
      assert.deepEqual(await listed(store), [sha256Hex(LARGE)])
      const [first, last] = order
      await writers[first].discard()
      releases[first]!()
      const reader = await readerOf(store, sha256Hex(LARGE))
      assert.ok(equalBytes(await readAll(reader, LARGE.length), LARGE))
      assert.ok(equalBytes(await readAll(writers[last], LARGE.length), LARGE))
      await reader.close()
      await writers[last].discard()
      releases[last]!()
      assert.deepEqual(await listed(store), [])
    }
  })

  check('a reader reads to the end what is removed meanwhile', async (store) => {
    await kept(store, LARGE, somebody)
    const reader = await readerOf(store, sha256Hex(LARGE))
    store.removeUnless(sha256Hex(LARGE), nobody)
    assert.ok(!(await isHere(store, sha256Hex(LARGE))))
    assert.ok(equalBytes(await readAll(reader, LARGE.length), LARGE))
    await reader.close()
  })

  test('closing discards what is being written, and afterwards nothing is done', async () => {
    const store = await factory()
    await kept(store, LARGE, somebody)
    const [byPieces, byChunks] = [store.create(), store.create()]
    const done = await finished(store, BYTES)
    await byPieces.write(LARGE)
    const appending = append(byChunks, LARGE, 0)
    const release = await store.place(done, nobody)
    await store.close()
    // It was under way when the store closed: either is right, but it is answered.
    await appending.catch(() => undefined)
    await assert.rejects(byPieces.write(BYTES))
    await assert.rejects(append(byChunks, LARGE, 1))
    release()
    assert.throws(() => store.create())
    assert.throws(() => store.removeUnless(DIGEST, nobody))
    await assert.rejects(store.open(DIGEST))
    await assert.rejects(store.place(done, somebody))
    await assert.rejects(store.keep(done, somebody, async () => undefined))
    await assert.rejects(listed(store))
    await done.discard()
  })
}

const ascending = (a: number, b: number): number => a - b

function patterned(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * (2 * seed + 1) + seed) % 251)
}

function summaryOf(bytes: Uint8Array): BlobSummary {
  const leaves = Array.from({ length: Math.ceil(bytes.length / CHUNK) }, (_, index) =>
    leafHash(bytes.subarray(index * CHUNK, (index + 1) * CHUNK)),
  )
  return {
    digest: sha256Hex(bytes),
    size: bytes.length,
    chunks: concatBytes(leaves),
    chunksRoot: toHex(merkleRoot(leaves)),
  }
}

/** A summary as it can be compared: a `Buffer` is as good as a `Uint8Array`. */
const plain = ({ digest, size, chunks, chunksRoot }: BlobSummary): object => ({
  digest,
  size,
  chunks: toHex(chunks),
  chunksRoot,
})

/** Appends a chunk of `bytes`, as that chunk of `claimed`. */
function append(writer: BlobWriter, bytes: Uint8Array, index: number, claimed = bytes): Promise<boolean> {
  const [start, end] = [index * CHUNK, (index + 1) * CHUNK]
  const chunk = bytes.subarray(start, end)
  let buffer: Uint8Array
  try {
    buffer = writer.chunkBuffer()
  } catch {
    // A writer that was discarded need not have buffers; it has to refuse the chunk.
    buffer = new Uint8Array(CHUNK)
  }
  assert.equal(buffer.length, CHUNK)
  buffer.set(chunk)
  return writer.append(buffer, chunk.length, start, leafHash(claimed.subarray(start, end)))
}

async function finished(store: BlobStore, bytes: Uint8Array): Promise<BlobWriter> {
  const writer = store.create()
  await writer.write(bytes)
  await writer.finish()
  return writer
}

/** Keeps bytes as a registration does: whatever comes of it, the writer is discarded. */
async function kept(
  store: BlobStore,
  bytes: Uint8Array,
  named: (digest: string) => boolean,
  use: () => Promise<void> = async () => undefined,
): Promise<void> {
  const writer = await finished(store, bytes)
  try {
    await store.keep(writer, named, use)
  } finally {
    await writer.discard()
  }
}

async function readerOf(store: BlobStore, digest: string): Promise<BlobReader> {
  const reader = await store.open(digest)
  assert.ok(reader, `${digest} is not here`)
  return reader
}

async function isHere(store: BlobStore, digest: string): Promise<boolean> {
  const reader = await store.open(digest)
  await reader?.close()
  return reader !== undefined
}

async function listed(store: BlobStore): Promise<string[]> {
  const digests: string[] = []
  for await (const digest of store.digests()) digests.push(digest)
  return digests.sort()
}

/** Reads exactly `length` bytes. */
async function readAll(from: Pick<BlobReader, 'read'>, length: number, position = 0): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await from.read(bytes.subarray(done), length - done, position + done)
    assert.ok(bytesRead > 0 && bytesRead <= length - done, `${bytesRead} bytes were read of ${length - done}`)
    done += bytesRead
  }
  return bytes
}

const opened = async (source: string | Uint8Array): Promise<Uint8Array> =>
  typeof source === 'string' ? await readFile(source) : source
