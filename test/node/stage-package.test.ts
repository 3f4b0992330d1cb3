import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { stagePackage } from '../../src/node/flows/stage-package.ts'
import { createMemoryBlobStore } from '../../src/providers/blob-stores/memory.ts'
import { collected, openCells } from '../support/cells.ts'

const SMALL = Buffer.alloc(1000, 'small')
const LARGE = Buffer.alloc(300_000, 'large')
const somebody = () => true

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000)
}

test('a validator sees the first bytes before the package is placed, and all of them afterwards', async (t) => {
  const memory = createMemoryBlobStore(new AbortController().signal, {})
  for (const blobs of [(await openCells(t)).blobs, memory]) {
    for (const bytes of [SMALL, LARGE]) {
      const staged = await stagePackage(blobs, inPieces(bytes), bytes.length)
      assert.deepEqual(Buffer.from(await staged.head(512)), bytes.subarray(0, 512))
      assert.deepEqual(Buffer.from(await staged.head(bytes.length + 1)), bytes)
      const release = await staged.place(blobs, somebody)
      const { source } = staged
      assert.deepEqual(Buffer.from(typeof source === 'string' ? await readFile(source) : source), bytes)
      await staged.discard()
      release()
    }
    assert.equal((await collected(blobs.digests())).length, 2)
  }
})

test('a store without room is a full disk, and nothing of the package stays', async () => {
  const blobs = createMemoryBlobStore(new AbortController().signal, { max_bytes: LARGE.length - 1 })
  await assert.rejects(stagePackage(blobs, inPieces(LARGE), LARGE.length), { code: 'PROV_014' })
  const staged = await stagePackage(blobs, inPieces(LARGE.subarray(1)), LARGE.length)
  await staged.discard()
})
