import { createHash, type Hash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

/** What the thread is asked to do. */
export type ChunkJob =
  /** Check `bytes` against `leaf`, write them at `position`, and add them to the digest of the whole. */
  | {
      readonly kind: 'append'
      readonly blob: number
      readonly fd: number
      readonly bytes: Uint8Array
      readonly length: number
      readonly position: number
      readonly leaf: Uint8Array
    }
  /** Tell the digest of all that was appended. */
  | { readonly kind: 'digest'; readonly blob: number }
  /** Forget the blob. */
  | { readonly kind: 'forget'; readonly blob: number }

/** The answer to each `append` and `digest`, in the order of the questions. */
export type ChunkReply =
  /** `isGood` is false when the bytes are not those of the leaf, or follow such. */
  | { readonly isGood: boolean }
  | { readonly digest: string }
  /** Why the disk refused. An error would lose its code on the way. */
  | { readonly failure: string; readonly code?: string }

const LEAF = Uint8Array.of(0)

/** Blobs that are being written: what their next chunk continues. */
const blobs = new Map<number, { readonly whole: Hash; position: number }>()

function run(job: ChunkJob): ChunkReply | undefined {
  const { blob } = job
  if (job.kind === 'forget') {
    blobs.delete(blob)
    return undefined
  }
  const state = blobs.get(blob) ?? { whole: createHash('sha256'), position: 0 }
  blobs.set(blob, state)
  if (job.kind === 'digest') return { digest: state.whole.copy().digest('hex') }
  const { fd, bytes, length, position, leaf } = job
  const chunk = bytes.subarray(0, length)
  // What follows a chunk that was refused is refused too: the next provider goes on from there.
  if (position !== state.position) return { isGood: false }
  if (!createHash('sha256').update(LEAF).update(chunk).digest().equals(leaf)) return { isGood: false }
  for (let done = 0; done < length; ) done += writeSync(fd, chunk, done, length - done, position + done)
  state.whole.update(chunk)
  state.position += length
  return { isGood: true }
}

function answer(job: ChunkJob): ChunkReply | undefined {
  try {
    return run(job)
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    return error instanceof Error && 'code' in error ? { failure, code: String(error.code) } : { failure }
  }
}

parentPort?.on('message', (job: ChunkJob) => {
  const reply = answer(job)
  if (reply !== undefined) parentPort?.postMessage(reply)
})
