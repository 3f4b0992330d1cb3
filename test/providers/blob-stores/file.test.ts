import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { LIMITS } from '../../../protocol/limits.ts'
import { toHex } from '../../../src/kernel/base/bytes.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../../src/kernel/base/merkle.ts'
import type { BlobStore } from '../../../src/kernel/plugins/packages/blob-stores.ts'
import { blobStoreSuite } from '../../../src/kernel/plugins/suites/blob-stores.ts'
import { createFileBlobStore } from '../../../src/providers/blob-stores/file.ts'
import { collected, openBlobs, packageFile, staged, temporaryFolder } from '../../support/cells.ts'
import { readVectors } from '../../vectors/read.ts'

interface ChunkVectors {
  readonly cases: readonly { size: number; digest: string; leaves: string[]; chunks_root: string }[]
}

const folder = await mkdtemp(join(tmpdir(), 'cytoplex-blobs-'))
after(() => rm(folder, { recursive: true }))

async function openStore(t: TestContext) {
  const directory = await temporaryFolder(t)
  const blobs = await openBlobs(join(directory, 'blobs'))
  t.after(() => blobs.close())
  return { blobs, path: packageFile({ directory }, DIGEST), incoming: join(directory, 'blobs', 'incoming'), directory }
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

describe('the blob store in files', () => {
  let stores = 0
  blobStoreSuite({ test: it, factory: () => openBlobs(join(folder, String(stores++))) })
})

describe('what a writer finds out', () => {
  for (const { size, digest, leaves, chunks_root } of readVectors<ChunkVectors>('chunks-root.json').cases) {
    it(`of ${size} bytes is what the vectors say`, async (t) => {
      const { blobs, directory } = await openStore(t)
      const content = patterned(size)
      const byPieces = blobs.create()
      for (let at = 0; at < size; at += 300_001) await byPieces.write(content.subarray(at, at + 300_001))
      const byChunks = blobs.create()
      const writes: Promise<boolean>[] = []
      for (let at = 0; at < size; at += LIMITS.chunkBytes) {
        const chunk = content.subarray(at, at + LIMITS.chunkBytes)
        const buffer = byChunks.chunkBuffer()
        buffer.set(chunk)
        writes.push(byChunks.append(buffer, chunk.length, at, leafHash(chunk)))
      }
      assert.ok((await Promise.all(writes)).every(Boolean))
      for (const writer of [byPieces, byChunks]) {
        const summary = await writer.finish()
        assert.equal(`sha256:${summary.digest}`, digest)
        assert.equal(summary.size, size)
        assert.equal(summary.chunksRoot, chunks_root)
        assert.equal(toHex(summary.chunks), leaves.join(''))
        await blobs.keep(writer, somebody, async () => undefined)
        await writer.discard()
        assert.ok(Buffer.from(content).equals(await readFile(packageFile({ directory }, summary.digest))))
      }
    })
  }

  it('does not depend on how the bytes arrive', async (t) => {
    const { blobs } = await openStore(t)
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
})

describe('files', () => {
  it('a blob that is kept lies under its digest, readable by the owner only', async (t) => {
    const { blobs, path, incoming } = await openStore(t)
    const writer = await staged(blobs, bytes)
    assert.ok(!existsSync(path))
    await blobs.keep(writer, somebody, async () => assert.ok(existsSync(path)))
    await writer.discard()
    assert.deepEqual(await readFile(path), Buffer.from(bytes))
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(incoming), [])
  })

  it('a small blob is in no file before it is finished, a larger one is; discarding removes both', async (t) => {
    const { blobs, incoming } = await openStore(t)
    const small = blobs.create()
    await small.write(bytes)
    assert.deepEqual(await readdir(incoming), [])
    const large = blobs.create()
    await large.write(new Uint8Array(300_000))
    assert.equal((await readdir(incoming)).length, 1)
    await small.finish()
    assert.equal((await readdir(incoming)).length, 2)
    for (const writer of [small, large]) await writer.discard()
    assert.deepEqual(await readdir(incoming), [])
  })

  it('a validator gets the bytes of a small blob, whether or not they are on the disk, and the path of a larger one', async (t) => {
    const { blobs, directory } = await openStore(t)
    const small = blobs.create()
    await small.write(bytes)
    await small.hashed()
    assert.deepEqual(small.source(), new Uint8Array(bytes))
    await small.finish()
    assert.deepEqual(small.source(), new Uint8Array(bytes))
    const large = await staged(blobs, patterned(300_000))
    const path = packageFile({ directory }, large.summary.digest)
    assert.equal(large.source(), path)
    await blobs.keep(large, somebody, async () => assert.ok(existsSync(path)))
  })

  it('closing leaves nothing half written, and what was placed', async (t) => {
    const { blobs, path, incoming } = await openStore(t)
    await keep(blobs, somebody, async () => undefined)
    const large = blobs.create()
    await large.write(new Uint8Array(300_000))
    const byChunks = blobs.create()
    const buffer = byChunks.chunkBuffer()
    const appended = byChunks.append(buffer, buffer.length, 0, leafHash(buffer))
    await blobs.close()
    assert.ok(await appended)
    assert.deepEqual(await readdir(incoming), [])
    assert.ok(existsSync(path))
  })

  it('is not opened for somebody who has given up', async (t) => {
    const directory = join(await temporaryFolder(t), 'blobs')
    await assert.rejects(createFileBlobStore(AbortSignal.abort(new Error('enough')), { directory }), /enough/)
    assert.ok(!existsSync(directory))
  })

  it('opening removes what was half written and keeps the rest', async (t) => {
    const { blobs, directory, incoming } = await openStore(t)
    await keep(blobs, somebody, async () => undefined)
    await writeFile(join(incoming, 'abandoned'), 'half')
    await mkdir(join(incoming, 'folder'))
    const again = await openBlobs(join(directory, 'blobs'))
    t.after(() => again.close())
    assert.deepEqual(await readdir(incoming), [])
    assert.deepEqual(await collected(again.digests()), [DIGEST])
  })
})

describe('registrations of the same bytes at the same time', () => {
  it('the file is there exactly when somebody names it, whoever fails and in whatever order', async (t) => {
    const { blobs, path, incoming } = await openStore(t)
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
            assert.ok(existsSync(path))
          }),
        )
        const done = Promise.allSettled(keeps)
        await scheduler.waitFor(done)
        const results = await done
        assert.deepEqual(
          results.map(({ status }) => status === 'fulfilled'),
          succeeds,
        )
        assert.equal(existsSync(path), succeeds.includes(true))
        await Promise.all(writers.map((writer) => writer.discard()))
        assert.deepEqual(await readdir(incoming), [])
        blobs.removeUnless(DIGEST, nobody)
      }),
      { numRuns: 30 },
    )
  })
})
