import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { LIMITS } from '../../../protocol/limits.ts'
import { toHex } from '../../../src/kernel/base/bytes.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../../src/kernel/base/merkle.ts'
import { BlobStore } from '../../../src/kernel/storage/blobs.ts'
import { ChunkThread } from '../../../src/kernel/storage/chunk-writer.ts'
import { collected, staged, temporaryFolder } from '../../support/cells.ts'
import { readVectors } from '../../vectors/read.ts'

interface ChunkVectors {
  readonly cases: readonly { size: number; digest: string; leaves: string[]; chunks_root: string }[]
}

async function openBlobs(t: TestContext) {
  const directory = join(await temporaryFolder(t), 'blobs')
  return { directory, blobs: await BlobStore.open(directory), incoming: join(directory, 'incoming') }
}

const patterned = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i % 251)
const bytes = new TextEncoder().encode('a package')
const DIGEST = sha256Hex(bytes)
const nobody = () => false
const somebody = () => true

/** Keeps the bytes as a registration does: whatever comes of it, the writer is closed. */
async function keep(blobs: BlobStore, named: (digest: string) => boolean, use: () => Promise<void>): Promise<void> {
  const writer = await staged(blobs, bytes)
  try {
    await blobs.keep(writer, named, use)
  } finally {
    await writer.discard()
  }
}

describe('what a writer finds out', () => {
  for (const { size, digest, leaves, chunks_root } of readVectors<ChunkVectors>('chunks-root.json').cases) {
    it(`of ${size} bytes is what the vectors say`, async (t) => {
      const { blobs } = await openBlobs(t)
      const content = patterned(size)
      const byPieces = blobs.create()
      for (let at = 0; at < size; at += 300_001) await byPieces.write(content.subarray(at, at + 300_001))
      const byChunks = blobs.create()
      const chunks = new ChunkThread().writeTo(byChunks)
      const writes: Promise<boolean>[] = []
      for (let at = 0; at < size; at += LIMITS.chunkBytes) {
        const chunk = content.subarray(at, at + LIMITS.chunkBytes)
        const buffer = chunks.buffer()
        buffer.set(chunk)
        writes.push(chunks.append(buffer, chunk.length, at, leafHash(chunk)))
        byChunks.flushAhead()
      }
      assert.ok((await Promise.all(writes)).every(Boolean))
      await chunks.hashed()
      chunks.close()
      for (const writer of [byPieces, byChunks]) {
        const summary = await writer.finish()
        assert.equal(`sha256:${summary.digest}`, digest)
        assert.equal(summary.size, size)
        assert.equal(summary.chunksRoot, chunks_root)
        assert.equal(toHex(summary.chunks), leaves.join(''))
        assert.ok(content.length === size && Buffer.from(content).equals(await readFile(writer.path)))
        await writer.discard()
      }
    })
  }

  it('does not depend on how the bytes arrive', async (t) => {
    const { blobs } = await openBlobs(t)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 8 }), async (pieces) => {
        const writer = blobs.create()
        for (const piece of pieces) await writer.write(piece)
        const whole = Buffer.concat(pieces)
        const { digest, chunksRoot, size } = await writer.finish()
        assert.equal(digest, sha256Hex(whole))
        assert.equal(size, whole.length)
        assert.equal(chunksRoot, toHex(merkleRoot(whole.length === 0 ? [] : [leafHash(whole)])))
        await writer.discard()
      }),
      { numRuns: 30 },
    )
  })

  it('is not there before the end', async (t) => {
    const { blobs } = await openBlobs(t)
    const writer = blobs.create()
    await writer.write(bytes)
    assert.throws(() => writer.summary, /not finished/)
    await writer.discard()
  })
})

describe('files', () => {
  it('a blob that is kept lies under its digest, readable by the owner only', async (t) => {
    const { blobs, incoming } = await openBlobs(t)
    const writer = await staged(blobs, bytes)
    assert.equal(await blobs.open(DIGEST), undefined)
    const result = await blobs.keep(writer, somebody, async () => {
      assert.ok(existsSync(blobs.path(DIGEST)))
      return 'used'
    })
    await writer.discard()
    assert.equal(result, 'used')
    const handle = await blobs.open(DIGEST)
    assert.ok(handle)
    assert.deepEqual(await handle.readFile(), Buffer.from(bytes))
    await handle.close()
    assert.equal((await stat(blobs.path(DIGEST))).mode & 0o777, 0o600)
    assert.deepEqual(await collected(blobs.digests()), [DIGEST])
    assert.deepEqual(await readdir(incoming), [])
  })

  it('discard leaves nothing, before the end and after it, and twice', async (t) => {
    const { blobs, incoming } = await openBlobs(t)
    const inMemory = blobs.create()
    await inMemory.write(bytes)
    assert.deepEqual(inMemory.copy(), new Uint8Array(bytes))
    const unfinished = blobs.create()
    await unfinished.write(new Uint8Array(300_000))
    assert.equal(unfinished.copy(), undefined)
    const finished = await staged(blobs, bytes)
    assert.equal((await readdir(incoming)).length, 2)
    for (const writer of [inMemory, unfinished, finished, finished]) await writer.discard()
    assert.deepEqual(await readdir(incoming), [])
    assert.deepEqual(await collected(blobs.digests()), [])
  })

  it('a blob whose use fails goes, unless something else names it', async (t) => {
    const { blobs } = await openBlobs(t)
    const failure = new Error('the version exists')
    const fail = async () => {
      throw failure
    }
    await assert.rejects(keep(blobs, nobody, fail), failure)
    assert.ok(!existsSync(blobs.path(DIGEST)))
    await assert.rejects(keep(blobs, somebody, fail), failure)
    assert.ok(existsSync(blobs.path(DIGEST)))
  })

  it('opening removes what was half written and keeps the rest', async (t) => {
    const { blobs, directory, incoming } = await openBlobs(t)
    await keep(blobs, somebody, async () => undefined)
    await writeFile(join(incoming, 'abandoned'), 'half')
    await mkdir(join(incoming, 'folder'))
    const again = await BlobStore.open(directory)
    assert.deepEqual(await readdir(incoming), [])
    assert.deepEqual(await collected(again.digests()), [DIGEST])
  })

  it('removing what is not there is no error', async (t) => {
    const { blobs } = await openBlobs(t)
    blobs.removeUnless(DIGEST, nobody)
  })
})

describe('registrations of the same bytes at the same time', () => {
  it('a removal spares what a registration is about to name', async (t) => {
    const { blobs } = await openBlobs(t)
    const named = new Set<string>()
    const isNamed = (digest: string) => named.has(digest)
    await keep(blobs, isNamed, async () => {
      blobs.removeUnless(DIGEST, isNamed)
      assert.ok(existsSync(blobs.path(DIGEST)))
      named.add(DIGEST)
    })
    assert.ok(existsSync(blobs.path(DIGEST)))
    named.delete(DIGEST)
    blobs.removeUnless(DIGEST, isNamed)
    assert.ok(!existsSync(blobs.path(DIGEST)))
  })

  it('the file is there exactly when somebody names it, whoever fails and in whatever order', async (t) => {
    const { blobs, incoming } = await openBlobs(t)
    const outcomes = fc.array(fc.boolean(), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(outcomes, fc.scheduler(), async (succeeds, scheduler) => {
        let names = 0
        const isNamed = () => names > 0
        const writers = await Promise.all(succeeds.map(() => staged(blobs, bytes)))
        const keeps = writers.map((writer, i) =>
          blobs.keep(writer, isNamed, async () => {
            await scheduler.schedule(Promise.resolve(), `registration ${i}`)
            if (!succeeds[i]) throw new Error('refused')
            names++
            assert.ok(existsSync(blobs.path(DIGEST)))
          }),
        )
        const done = Promise.allSettled(keeps)
        await scheduler.waitFor(done)
        const results = await done
        assert.deepEqual(
          results.map(({ status }) => status === 'fulfilled'),
          succeeds,
        )
        assert.equal(existsSync(blobs.path(DIGEST)), succeeds.includes(true))
        await Promise.all(writers.map((writer) => writer.discard()))
        assert.deepEqual(await readdir(incoming), [])
        blobs.removeUnless(DIGEST, nobody)
      }),
      { numRuns: 30 },
    )
  })
})
