import { createHash, type Hash } from 'node:crypto'
import { readSync, writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { LIMITS } from '../../../protocol/limits.ts'

/** What the thread is asked to do. */
export type ChunkJob =
  /** Check `bytes` against `leaf`, write them at `position`, and add them to the digest of the whole once all before them is there. */
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
  /** `isGood` is false when the bytes are not those of the leaf. */
  | { readonly isGood: boolean }
  | { readonly digest: string }
  /** Why the disk refused. An error would lose its code on the way. */
  | { readonly failure: string; readonly code?: string }

const LEAF = Uint8Array.of(0)

/** A blob that is being written. */
interface Written {
  readonly whole: Hash
  /** Bytes that are in the digest of the whole. */
  hashed: number
  /** Chunks behind a hole, by position, with their lengths. */
  readonly later: Map<number, number>
}

const blobs = new Map<number, Written>()
/** For chunks that came before their turn: they are read back for the digest, which costs a tenth of what hashing them does. */
let scratch: Uint8Array | undefined

function run(job: ChunkJob): ChunkReply | undefined {
  const { blob } = job
  if (job.kind === 'forget') {
    blobs.delete(blob)
    return undefined
  }
  const state = blobs.get(blob) ?? { whole: createHash('sha256'), hashed: 0, later: new Map() }
  blobs.set(blob, state)
  if (job.kind === 'digest') return { digest: state.whole.copy().digest('hex') }
  const { fd, bytes, length, position, leaf } = job
  const chunk = bytes.subarray(0, length)
  if (position < state.hashed || state.later.has(position)) return { isGood: true }
  if (!createHash('sha256').update(LEAF).update(chunk).digest().equals(leaf)) return { isGood: false }
  for (let done = 0; done < length; ) done += writeSync(fd, chunk, done, length - done, position + done)
  if (position > state.hashed) {
    state.later.set(position, length)
    return { isGood: true }
  }
  state.whole.update(chunk)
  state.hashed += length
  catchUp(state, fd)
  return { isGood: true }
}

/** Adds the chunks that waited for the last one to the digest of the whole. */
function catchUp(state: Written, fd: number): void {
  for (let length = state.later.get(state.hashed); length !== undefined; length = state.later.get(state.hashed)) {
    scratch ??= new Uint8Array(LIMITS.chunkBytes)
    for (let done = 0; done < length; ) {
      const read = readSync(fd, scratch, done, length - done, state.hashed + done)
      if (read === 0) throw new Error(`the file ends at ${state.hashed + done}, within what was written`)
      done += read
    }
    state.whole.update(scratch.subarray(0, length))
    state.later.delete(state.hashed)
    state.hashed += length
  }
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
