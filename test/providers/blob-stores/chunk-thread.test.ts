import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leafHash } from '../../../src/kernel/base/merkle.ts'
import { ChunkThread, type ChunkWriter } from '../../../src/providers/blob-stores/chunk-thread.ts'
import { temporaryFolder } from '../../support/cells.ts'

function append(chunks: ChunkWriter, fd: number): Promise<boolean> {
  const buffer = chunks.buffer().fill(7)
  return chunks.append(fd, buffer, buffer.length, 0, leafHash(buffer))
}

test('a full disk is told with its code', async (t) => {
  if (!existsSync('/dev/full')) return t.skip('this system has no /dev/full')
  const full = openSync('/dev/full', 'w')
  t.after(() => closeSync(full))
  const thread = new ChunkThread()
  t.after(() => thread.close())
  await assert.rejects(append(thread.writeBlob(), full), { code: 'ENOSPC' })
})

test('a buffer is used again once its chunk was answered', async (t) => {
  const fd = openSync(join(await temporaryFolder(t), 'blob'), 'w')
  t.after(() => closeSync(fd))
  const thread = new ChunkThread()
  t.after(() => thread.close())
  const chunks = thread.writeBlob()
  const buffer = chunks.buffer()
  assert.notEqual(chunks.buffer(), buffer)
  assert.ok(await chunks.append(fd, buffer, buffer.length, 0, leafHash(buffer)))
  assert.equal(chunks.buffer(), buffer)
})

test('closing rejects what the thread has not answered, and whatever is asked afterwards', async (t) => {
  const fd = openSync(join(await temporaryFolder(t), 'blob'), 'w')
  t.after(() => closeSync(fd))
  const thread = new ChunkThread()
  const chunks = thread.writeBlob()
  const asked = assert.rejects(append(chunks, fd), /the thread that writes packages ended/)
  await thread.close()
  await asked
  await assert.rejects(append(chunks, fd), /was closed/)
  chunks.close()
  chunks.close()
})
