import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../base/package-root.ts'

/** What a child process may use at most. */
export interface SandboxLimits {
  /** Bytes of memory of its own, JavaScript heap, buffers and WebAssembly together. */
  readonly memoryBytes: number
  /** Milliseconds until it is killed. */
  readonly deadlineMs: number
}

/** A program to start, and its arguments. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
}

const MIB = 1024 * 1024
const SHELL = '/bin/sh'

/**
 * Bytes of writable address space that Node 24 takes before it runs anything, and that `RLIMIT_DATA` counts: 512 MiB are V8's range for
 * compiled code, reserved and almost untouched; the rest are stacks of threads and the heap of an empty program (measured: 549 to 576 MB).
 */
const BASE_BYTES = 576 * MIB

/**
 * Processor seconds per second of the deadline, after which the system ends a child that outlived its node: many threads count together.
 */
const CPU_FACTOR = 8

/**
 * The command that runs `program` under limits. Everywhere: V8's own bounds, and Node's permission model, under which the program reads its
 * own code and nothing else, writes no file, and starts neither processes nor threads (Node 24 cannot take the network from it). On Linux,
 * a shell sets the limits of the operating system first: writable memory (`RLIMIT_DATA`; a limit of the address space would trip over what
 * V8 reserves and never uses), processor time, and no core files. Elsewhere, and where there is no shell, V8's bounds and the deadline
 * remain.
 */
export function sandboxCommand(program: URL, argument: string, limits: SandboxLimits): Command {
  const path = fileURLToPath(program)
  const args = [...engineFlags(limits.memoryBytes), ...permissionFlags(path), path, argument]
  if (process.platform !== 'linux' || !existsSync(SHELL)) return { file: process.execPath, args }
  const dataKib = Math.ceil((BASE_BYTES + limits.memoryBytes) / 1024)
  const cpuSeconds = Math.ceil(limits.deadlineMs / 1000) * CPU_FACTOR
  const script = `unset PWD; ulimit -c 0 && ulimit -d ${dataKib} && ulimit -t ${cpuSeconds} && exec "$0" "$@"`
  return { file: SHELL, args: ['-c', script, process.execPath, ...args] }
}

/** The heap gets half of the memory: what is opened passes through buffers, which are outside of it. */
function engineFlags(memoryBytes: number): string[] {
  const mebibytes = Math.floor(memoryBytes / MIB)
  return [
    `--max-old-space-size=${Math.floor(mebibytes / 2)}`,
    '--max-semi-space-size=8',
    `--wasm-max-mem-pages=${Math.floor(memoryBytes / 65_536)}`,
    `--wasm-max-committed-code-mb=${Math.max(16, Math.floor(mebibytes / 4))}`,
    '--v8-pool-size=1',
  ]
}

function permissionFlags(program: string): string[] {
  return ['--permission', ...readable(program).map((path) => `--allow-fs-read=${path}`)]
}

/** Where this program's own code is: the sources, or the folder that the build made of them. */
const codeIn = (root: string): string[] =>
  import.meta.filename.endsWith('.ts') ? [join(root, 'src'), join(root, 'protocol')] : [import.meta.dirname]

/** This program's code, and every folder in which Node looks for the packages that it imports. */
function readable(program: string): string[] {
  const root = packageRoot()
  const packages = []
  for (let folder = root; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules')
    if (existsSync(candidate)) packages.push(candidate, realpathSync(candidate))
  }
  return [...new Set([program, ...codeIn(root), ...packages])]
}
