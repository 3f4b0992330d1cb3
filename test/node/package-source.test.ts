import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type ReadAt, readAhead } from '../../src/node/flows/package-source.ts'

const KIB = 1024
const BYTES = randomBytes(2000 * KIB + 7)

/** Reads `bytes`, at most `atMost` of them at once, and counts the buffers that it filled. */
function reader(bytes: Uint8Array, atMost = Number.POSITIVE_INFINITY): { readAt: ReadAt; buffers: Set<unknown> } {
  const buffers = new Set<unknown>()
  const readAt: ReadAt = async (buffer, length, position) => {
    buffers.add(buffer.buffer)
    const found = bytes.subarray(position, position + Math.min(length, atMost))
    buffer.set(found)
    return { bytesRead: found.length }
  }
  return { readAt, buffers }
}

const read = ({ readAt }: { readAt: ReadAt }, start: number, end: number): AsyncGenerator<Uint8Array> =>
  readAhead(readAt, start, end, () => undefined)

async function lengthOfNext(pieces: AsyncGenerator<Uint8Array>): Promise<number | undefined> {
  const { done, value } = await pieces.next()
  return done ? undefined : value.length
}

test('the bytes come whole, whatever a read gives', async () => {
  for (const atMost of [100_001, Number.POSITIVE_INFINITY]) {
    for (const [start, end] of [
      [0, BYTES.length - 1],
      [5, 5],
      [1, 64 * KIB],
      [512 * KIB, 1024 * KIB],
    ] as const) {
      const copies: Buffer[] = []
      for await (const piece of read(reader(BYTES, atMost), start, end)) copies.push(Buffer.from(piece))
      assert.ok(Buffer.concat(copies).equals(BYTES.subarray(start, end + 1)))
    }
  }
})

test('nothing is read ahead until the first piece was taken, and two buffers are enough', async () => {
  const source = reader(BYTES)
  const pieces = read(source, 0, BYTES.length - 1)
  await pieces.next()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(source.buffers.size, 1)
  for await (const _piece of pieces);
  assert.equal(source.buffers.size, 2)
})

test('readers that nobody reads to the end leave the others small buffers', async () => {
  const stuck = Array.from({ length: 64 }, () => read(reader(BYTES), 0, BYTES.length - 1))
  for (const pieces of stuck) assert.equal(await lengthOfNext(pieces), 512 * KIB)
  const late = read(reader(BYTES), 0, BYTES.length - 1)
  assert.equal(await lengthOfNext(late), 64 * KIB)
  for (const pieces of [late, ...stuck]) await pieces.return(undefined)
  const next = read(reader(BYTES), 0, BYTES.length - 1)
  assert.equal(await lengthOfNext(next), 512 * KIB)
  await next.return(undefined)
})

test('a file that is too short is an error, and gives its buffers back', async () => {
  for (let i = 0; i < 65; i++) {
    const pieces = read(reader(BYTES.subarray(0, 600 * KIB)), 0, BYTES.length - 1)
    assert.equal(await lengthOfNext(pieces), 512 * KIB)
    await assert.rejects(async () => {
      for await (const _piece of pieces);
    }, /the package ends at 614400, before 2048007/)
  }
})
