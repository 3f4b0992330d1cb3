import { writeSync } from 'node:fs'
import { FrameReader, frameHeader } from './frames.ts'

const STDOUT = 1

/**
 * The child's side of a `WarmChild`: a program calls this once with what it does. Each message has one answer, in order, and it is written before
 * the next message is looked at: so the first that is not answered is the one that a child hangs on, or died of. What `answer` throws ends the process.
 */
export function answerMessages(most: number, answer: (message: Uint8Array) => Uint8Array): void {
  const frames = new FrameReader(most)
  process.stdin.on('data', (data: Buffer) => {
    for (const message of frames.push(data)) {
      const bytes = answer(message)
      writeAll(Buffer.concat([frameHeader(bytes.length), bytes]))
    }
  })
}

/** The pipe of a child blocks until all is written, unless the system says that it was interrupted. */
function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(STDOUT, bytes, at)
}
