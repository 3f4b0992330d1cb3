import { parentPort, workerData } from 'node:worker_threads'
import type { CloseJob, Failure } from './index-thread.ts'
import { type TextChange, TextFile, type TextHit } from './text-file.ts'

/** What the thread is asked to do. */
export type TextJob =
  | {
      readonly kind: 'write'
      readonly collection: string
      readonly changes: readonly TextChange[]
      readonly position: string | undefined
    }
  | { readonly kind: 'position'; readonly collection: string }
  | { readonly kind: 'clear'; readonly collection: string }
  | { readonly kind: 'search'; readonly collection: string; readonly text: string; readonly limit: number }

/** The answer to each, in the order of the questions. */
export type TextReply =
  | { readonly done: true }
  | { readonly position: string | undefined }
  | { readonly hits: readonly TextHit[] }

let file: TextFile | undefined

function run(job: TextJob | CloseJob): TextReply {
  file ??= new TextFile(workerData as string)
  switch (job.kind) {
    case 'write':
      file.write(job.collection, job.changes, job.position)
      return { done: true }
    case 'position':
      return { position: file.position(job.collection) }
    case 'clear':
      file.clear(job.collection)
      return { done: true }
    case 'search':
      return { hits: file.search(job.collection, job.text, job.limit) }
    case 'close':
      file.close()
      return { done: true }
  }
}

parentPort?.on('message', (job: TextJob | CloseJob) => {
  let reply: TextReply | Failure
  try {
    reply = run(job)
  } catch (error) {
    reply = { failure: error instanceof Error ? error.message : String(error) }
  }
  parentPort?.postMessage(reply)
  if (job.kind === 'close') parentPort?.close()
})
