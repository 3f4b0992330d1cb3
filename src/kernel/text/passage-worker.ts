import { parentPort, workerData } from 'node:worker_threads'
import type { CloseJob, Failure } from './index-thread.ts'
import { type Found, type IndexedDocument, PassageFile } from './passage-file.ts'

/** What the thread is asked to do. */
export type PassageJob =
  | { readonly kind: 'ids' }
  | { readonly kind: 'write'; readonly documents: readonly IndexedDocument[]; readonly removed: readonly string[] }
  | { readonly kind: 'select'; readonly key: string; readonly ids: readonly string[] }
  | {
      readonly kind: 'search'
      readonly key: string
      readonly tokens: readonly string[]
      readonly limit: number
      readonly cold: boolean
    }

/** The answer to each, in the order of the questions. */
export type PassageReply =
  | { readonly generation: string; readonly ids: readonly string[] }
  | { readonly generation: string }
  | { readonly missing: number }
  | { readonly found: Found | undefined }

let file: PassageFile | undefined

function run(job: PassageJob | CloseJob): PassageReply {
  file ??= new PassageFile(workerData as string)
  switch (job.kind) {
    case 'ids':
      return { generation: file.generation, ids: file.ids() }
    case 'write':
      file.write(job.documents, job.removed)
      return { generation: file.generation }
    case 'select':
      return { missing: file.select(job.key, job.ids) }
    case 'search':
      return { found: file.search(job.key, job.tokens, job.limit, job.cold) }
    case 'close':
      file.close()
      return { missing: 0 }
  }
}

parentPort?.on('message', (job: PassageJob | CloseJob) => {
  let reply: PassageReply | Failure
  try {
    reply = run(job)
  } catch (error) {
    reply = { failure: error instanceof Error ? error.message : String(error) }
  }
  parentPort?.postMessage(reply)
  if (job.kind === 'close') parentPort?.close()
})
