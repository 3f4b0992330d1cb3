import { createHash } from 'node:crypto'
import { cellTexts, decodeCell, packageCells, packages } from '../../domain/cells/records.ts'
import { fromBase64Url, toHex } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { merkleRoot } from '../../kernel/base/merkle.ts'
import type { CheckedData, Looked, Mending } from './fsck.ts'

const PIECE_BYTES = 512 * 1024
const LEAF_BYTES = 32

/** Every package: that it is there, whole and with the right digest, and that its chunks add up to what its publisher signed. */
export async function* checkPackages(data: CheckedData, mending: Mending | undefined): AsyncGenerator<Looked> {
  const { store, signal } = data
  for await (const [digest, record] of store.scan(packages)) {
    const subject = `package sha256:${digest}`
    const chunks = await chunkProblem(data, digest, record.chunks)
    if (chunks !== undefined) yield { subject, problem: chunks }
    const problem = await damageOf(data, digest, record.size)
    if (problem === undefined || store.get(packages, digest) === undefined) {
      yield { subject }
      continue
    }
    if (mending?.fetch === undefined) {
      yield { subject, problem }
      continue
    }
    try {
      await mending.fetch(digest)
      const after = await damageOf(data, digest, record.size)
      yield after === undefined ? { subject, problem, repaired: true } : { subject, problem: after }
    } catch (error) {
      signal.throwIfAborted()
      yield { subject, problem: `${problem}; no peer had it: ${errorMessage(error)}` }
    }
  }
}

/** What is wrong with the bytes of a package; undefined when nothing is. */
export async function damageOf(
  { blobs, signal }: Pick<CheckedData, 'blobs' | 'signal'>,
  digest: string,
  size: number,
): Promise<string | undefined> {
  let reader: Awaited<ReturnType<typeof blobs.open>>
  try {
    reader = await blobs.open(digest)
    if (reader === undefined) return 'its bytes are missing'
    const hash = createHash('sha256')
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES)
    let position = 0
    for (;;) {
      signal.throwIfAborted()
      const { bytesRead } = await reader.read(buffer, PIECE_BYTES, position)
      if (bytesRead === 0) break
      hash.update(buffer.subarray(0, bytesRead))
      position += bytesRead
    }
    if (position !== size) return `it has ${position} bytes, expected ${size}`
    const found = hash.digest('hex')
    return found === digest ? undefined : `its bytes are those of sha256:${found}`
  } catch (error) {
    signal.throwIfAborted()
    return `it cannot be read: ${errorMessage(error)}`
  } finally {
    await reader?.close()
  }
}

async function chunkProblem({ store }: CheckedData, digest: string, text: string): Promise<string | undefined> {
  const chunks = fromBase64Url(text)
  const leaves = Array.from({ length: Math.floor(chunks.length / LEAF_BYTES) }, (_, i) =>
    chunks.subarray(i * LEAF_BYTES, (i + 1) * LEAF_BYTES),
  )
  const root = toHex(merkleRoot(leaves))
  for await (const key of store.keys(packageCells, { prefix: `${digest}!` })) {
    const id = key.slice(digest.length + 1)
    const cell = store.get(cellTexts, id)
    if (cell === undefined) continue
    const { chunks_root: signed } = decodeCell(id, cell).manifest.package
    if (signed !== root) return `its chunks do not add up to what the cell ${id} signed`
  }
  return undefined
}
