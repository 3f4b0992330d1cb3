/** Answers each message with what it says, unless it is one that this program does something else for. */
import { answerMessages } from '../../../../src/kernel/sandbox/warm-program.ts'

const DEEDS: Readonly<Record<string, () => Uint8Array>> = {
  flood: () => new Uint8Array(2_000_000),
  throw: () => {
    throw new Error('a deed')
  },
  memory: () => {
    const kept = []
    for (;;) kept.push(new Uint8Array(16 * 1024 * 1024).fill(1))
  },
  environment: () => Buffer.from(JSON.stringify(process.env)),
}

answerMessages(1_000_000, (message) => DEEDS[Buffer.from(message).toString()]?.() ?? Uint8Array.from(message))
