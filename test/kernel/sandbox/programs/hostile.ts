/** What a program that was taken over might do, one thing per run: `argument` names it. */
import { execFileSync } from 'node:child_process'
import { fstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import { answerSandbox } from '../../../../src/kernel/sandbox/program.ts'

const kept: unknown[] = []

const deeds: Record<string, (input: AsyncIterable<Uint8Array>) => unknown> = {
  nothing: () => null,
  echo: async (input) => (await buffer(input)).toString(),
  ignore: () => 'ignored',
  surroundings: () => ({ cwd: process.cwd(), environment: Object.keys(process.env), files: openFiles() }),
  read: () => readFileSync('/etc/hostname'),
  readTests: () => readFileSync(new URL('../run.test.ts', import.meta.url)),
  list: () => readdirSync('/'),
  environ: () => readFileSync('/proc/self/environ'),
  write: () => writeFileSync('/tmp/cytoplex-sandbox-test', ''),
  execute: () => execFileSync('/bin/true'),
  thread: () => new Worker('0', { eval: true }),
  loop: () => {
    for (;;);
  },
  wait: () => new Promise((resolve) => setTimeout(resolve, 600_000)),
  flood: () => 'x'.repeat(1_000_000),
  exit: () => process.exit(0),
  abort: () => process.abort(),
  throw: () => {
    throw new TypeError('a reason')
  },
  heap: () => {
    for (;;) kept.push(Array.from({ length: 1000 }, (_, index) => ({ index })))
  },
  buffers: () => {
    for (;;) kept.push(Buffer.alloc(1024 * 1024, 1))
  },
  memories: () => {
    for (;;) {
      const memory = new WebAssembly.Memory({ initial: 160 })
      new Uint8Array(memory.buffer).fill(1)
      kept.push(memory)
    }
  },
  memory: () => void new WebAssembly.Memory({ initial: 65_536 }),
}

/** Descriptors beyond the standard three that are files. */
function openFiles(): number[] {
  return Array.from({ length: 1000 }, (_, index) => index + 3).filter((descriptor) => {
    try {
      return fstatSync(descriptor).isFile()
    } catch {
      return false
    }
  })
}

await answerSandbox(async (input, argument) => deeds[String(argument)]?.(input))
