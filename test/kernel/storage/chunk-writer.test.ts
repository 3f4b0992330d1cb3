import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { LIMITS } from '../../../protocol/limits.ts'
import { leafHash } from '../../../src/kernel/base/merkle.ts'
import { BlobStore } from '../../../src/kernel/storage/blobs.ts'
import { ChunkThread, type ChunkWriter } from '../../../src/kernel/storage/chunk-writer.ts'
import { summaryOf, temporaryFolder } from '../../support/cells.ts'

const content = Uint8Array.from({ length: 2 * LIMITS.chunkBytes + 7 }, (_, i) => (i * 11) % 251)
const chunkOf = (index: number) => content.subarray(index * LIMITS.chunkBytes, (index + 1) * LIMITS.chunkBytes)

function append(chunks: ChunkWriter, index: number, bytes = chunkOf(index)): Promise<boolean> {
  const buffer = chunks.buffer()
  buffer.set(bytes)
  return chunks.append(buffer, bytes.length, index * LIMITS.chunkBytes, leafHash(chunkOf(index)))
}

test('a wrong chunk and what follows it are refused, and the right one goes on from there', async (t) => {
  const writer = (await BlobStore.open(await temporaryFolder(t))).create()
  t.after(() => writer.discard())
  const chunks = new ChunkThread().writeTo(writer)
  const wrong = chunkOf(1).slice()
  wrong[3]! ^= 1
  const first = await Promise.all([append(chunks, 0), append(chunks, 1, wrong), append(chunks, 2)])
  assert.deepEqual(first, [true, false, false])
  assert.equal(writer.size, LIMITS.chunkBytes)
  assert.deepEqual(await Promise.all([append(chunks, 1), append(chunks, 2)]), [true, true])
  await chunks.hashed()
  chunks.close()
  chunks.close()
  assert.deepEqual(await writer.finish(), summaryOf(content))
  assert.deepEqual(new Uint8Array(await readFile(writer.path)), content)
})

test('blobs that are written at once do not disturb each other', async (t) => {
  const blobs = await BlobStore.open(await temporaryFolder(t))
  const thread = new ChunkThread()
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      const writer = blobs.create()
      const chunks = thread.writeTo(writer)
      for (let index = 0; index < 3; index++) assert.ok(await append(chunks, index))
      await chunks.hashed()
      chunks.close()
      assert.equal((await writer.finish()).digest, summaryOf(content).digest)
      await writer.discard()
    }),
  )
})

test('a full disk is told with its code', async (t) => {
  if (!existsSync('/dev/full')) return t.skip('this system has no /dev/full')
  const full = openSync('/dev/full', 'w')
  t.after(() => closeSync(full))
  const writer = (await BlobStore.open(await temporaryFolder(t))).create()
  writer.descriptor = () => full
  const chunks = new ChunkThread().writeTo(writer)
  await assert.rejects(append(chunks, 0), { code: 'ENOSPC' })
  assert.equal(writer.size, 0)
  chunks.close()
})
