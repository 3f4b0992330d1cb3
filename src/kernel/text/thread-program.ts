import { parentPort } from 'node:worker_threads'
import type { CloseJob, Failure } from './index-thread.ts'

/** The other side of an `IndexThread`: answers each job, in order, and ends after the one that closes the file. */
export function answerJobs<Job extends object, Reply extends object>(run: (job: Job | CloseJob) => Reply): void {
  parentPort?.on('message', (job: Job | CloseJob) => {
    let reply: Reply | Failure
    try {
      reply = run(job)
    } catch (error) {
      reply = { failure: error instanceof Error ? error.message : String(error) }
    }
    parentPort?.postMessage(reply)
    if ('kind' in job && job.kind === 'close') parentPort?.close()
  })
}
