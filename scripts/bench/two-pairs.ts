import type { RowContext } from './row.ts'
import type { Worker } from './worker-process.ts'

/** What a row about two nodes works with; nothing is started yet. */
export interface TwoPairs {
  /** A node that has what is asked for. */
  readonly holder: Worker
  readonly asker: Worker
  /** The baseline: two hosts with nothing but the transport. */
  readonly server: Worker
  readonly client: Worker
}

/** Two nodes, and two hosts to compare them with. */
export async function twoPairs(context: RowContext): Promise<TwoPairs> {
  const [holder, asker, server, client] = await Promise.all([
    context.worker('node'),
    context.worker('node'),
    context.worker('raw-stream'),
    context.worker('raw-stream'),
  ])
  return { holder, asker, server, client }
}
