import { parentPort } from 'node:worker_threads'
import { errorMessage } from '../base/errors.ts'
import type { CloseJob, Failure } from './index-thread.ts'

/** Answers the jobs of an `IndexThread`, one after the other, in this thread; after the last one, which is to close, it ends. */
export function serve<Job extends { readonly kind: string }, Reply extends object>(
  run: (job: Job | CloseJob) => Reply,
): void {
  parentPort?.on('message', (job: Job | CloseJob) => {
    let reply: Reply | Failure
    try {
      reply = run(job)
    } catch (error) {
      reply = { failure: errorMessage(error) }
    }
    parentPort?.postMessage(reply)
    if (job.kind === 'close') parentPort?.close()
  })
}
