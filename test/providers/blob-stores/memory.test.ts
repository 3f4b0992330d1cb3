import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../../protocol/limits.ts'
import { fullDisk, ProviderError } from '../../../src/kernel/base/errors.ts'
import { leafHash } from '../../../src/kernel/base/merkle.ts'
import { blobStoreSuite } from '../../../src/kernel/plugins/suites/blob-stores.ts'
import { createMemoryBlobStore } from '../../../src/providers/blob-stores/memory.ts'
import { staged } from '../../support/cells.ts'

const open = (config = {}) => createMemoryBlobStore(new AbortController().signal, config)
const somebody = () => true

describe('the blob store in memory', () => {
  blobStoreSuite({ test: it, factory: async () => open() })
})

describe('max_bytes', () => {
  it('bounds what is kept and what is being written, and a blob that goes makes room', async () => {
    const blobs = open({ max_bytes: 1000 })
    const kept = await staged(blobs, new Uint8Array(600))
    await blobs.keep(kept, somebody, async () => undefined)
    await kept.discard()
    const writer = blobs.create()
    await writer.write(new Uint8Array(400))
    await assert.rejects(writer.write(new Uint8Array(1)), {
      code: 'ENOSPC',
      message: /holds 1000 bytes; 1 more would exceed its max_bytes, 1000/,
    })
    assert.equal(writer.size, 400)
    await writer.discard()
    await (await staged(blobs, new Uint8Array(400))).discard()
    blobs.removeUnless(kept.summary.digest, () => false)
    assert.equal((await staged(blobs, new Uint8Array(1000))).size, 1000)
  })

  it('counts bytes once that two have written, as soon as one has let go', async () => {
    const blobs = open({ max_bytes: 1000 })
    const writers = [await staged(blobs, new Uint8Array(500)), await staged(blobs, new Uint8Array(500))]
    for (const writer of writers) await blobs.keep(writer, somebody, async () => undefined)
    for (const writer of writers) await writer.discard()
    assert.equal((await staged(blobs, new Uint8Array(500))).size, 500)
    await assert.rejects(staged(blobs, new Uint8Array(1)), { code: 'ENOSPC' })
  })

  it('refuses a chunk for which there is no room as a full disk does', async () => {
    const writer = open({ max_bytes: LIMITS.chunkBytes - 1 }).create()
    const chunk = writer.chunkBuffer()
    await assert.rejects(writer.append(chunk, chunk.length, 0, leafHash(chunk)), (error) => {
      const shown = fullDisk(error)
      return shown instanceof ProviderError && shown.code === 'PROV_014'
    })
    assert.equal(writer.size, 0)
  })
})
