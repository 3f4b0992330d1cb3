import { workerData } from 'node:worker_threads'
import type { CloseJob } from './index-thread.ts'
import type { RecallFound, RecallQuery } from './recall-search.ts'
import { RecallTables, type RecallText } from './recall-tables.ts'
import { serve } from './serve.ts'

/** What the thread is asked to do. */
export type RecallJob =
  | { readonly kind: 'begin'; readonly group: string }
  | { readonly kind: 'put'; readonly group: string; readonly texts: readonly RecallText[] }
  | { readonly kind: 'vectors'; readonly group: string; readonly vectors: readonly (readonly [string, Float32Array])[] }
  | { readonly kind: 'remove'; readonly group: string; readonly keys: readonly string[] }
  | { readonly kind: 'drop'; readonly group: string }
  | { readonly kind: 'search'; readonly group: string; readonly query: RecallQuery }

/** The answer to each, in the order of the questions. */
export type RecallReply = { readonly isThere: boolean } | { readonly found: RecallFound | undefined }

const tables = new RecallTables(workerData as number)

function run(job: RecallJob | CloseJob): RecallReply {
  switch (job.kind) {
    case 'begin':
      tables.begin(job.group)
      return { isThere: true }
    case 'put':
      return { isThere: tables.put(job.group, job.texts) }
    case 'vectors':
      return { isThere: tables.setVectors(job.group, job.vectors) }
    case 'remove':
      return { isThere: tables.remove(job.group, job.keys) }
    case 'drop':
      tables.drop(job.group)
      return { isThere: false }
    case 'search':
      return { found: tables.search(job.group, job.query) }
    case 'close':
      tables.close()
      return { isThere: false }
  }
}

serve(run)
