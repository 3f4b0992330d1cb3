import { type FileHandle, open } from 'node:fs/promises'
import { dirname, isAbsolute } from 'node:path'
import { makeDirectory } from '../../kernel/base/make-directory.ts'
import type { Anchor, AnchorStatement } from '../../kernel/plugins/packages/anchors.ts'
import type { ProviderConfig } from '../../kernel/plugins/provider-config.ts'
import { syncDirectory } from '../../kernel/storage/durable-files.ts'

const LINE_FEED = 10

/**
 * A file to which each statement is appended as a line of JSON, and synced. Other programs may move it away: the next statement begins
 * another one. The receipt says at which byte of the file the line stands.
 */
export function createFileAnchor(_signal: AbortSignal, config: ProviderConfig): Anchor {
  const path = String(config.path)
  if (!isAbsolute(path)) throw new Error(`config.path: found ${JSON.stringify(path)}, allowed is an absolute path`)
  let isClosed = false
  let last: Promise<unknown> = Promise.resolve()
  return {
    async commit(statement, signal) {
      signal.throwIfAborted()
      if (isClosed) throw new Error('the anchor is closed')
      const work = last.then(() => append(path, statement))
      last = work.catch(() => undefined)
      return { receipt: `${path}:${await work}` }
    },
    async close() {
      isClosed = true
      await last
    },
  }
}

/** The byte at which the line stands; durable when it resolves. */
async function append(path: string, { goal, origin, size, root, checkpoint }: AnchorStatement): Promise<number> {
  makeDirectory(dirname(path))
  const handle = await open(path, 'a+', 0o600)
  try {
    const { size: end } = await handle.stat()
    // A line that a power cut tore stays alone.
    const start = end > 0 && !(await endsWithLineFeed(handle, end)) ? '\n' : ''
    const committed = new Date().toISOString()
    await handle.appendFile(`${start}${JSON.stringify({ committed, goal, origin, size, root, checkpoint })}\n`)
    await handle.sync()
    if (end === 0) await syncDirectory(dirname(path))
    return end + start.length
  } finally {
    await handle.close()
  }
}

async function endsWithLineFeed(handle: FileHandle, end: number): Promise<boolean> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, end - 1)
  return buffer[0] === LINE_FEED
}
