import { type ChildProcess, spawn } from 'node:child_process'
import { type FileHandle, open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { type SandboxLimits, sandboxCommand } from './command.ts'
import { type Failure, failure, STDERR_BYTES } from './ending.ts'
import { Places } from './places.ts'

/** Children that run at the same time. More would share the same cores, and add up in memory. */
const CHILDREN = Math.min(2, availableParallelism())

const places = new Places(CHILDREN)

/** A package in a file, with the bytes that it must have. */
export interface InputFile {
  readonly path: string
  readonly size: number
}

/** One run of a program in the sandbox. */
export interface SandboxRun extends SandboxLimits {
  /** A module that calls `answerSandbox`. */
  readonly program: URL
  /** A JSON value for the program. Small: it travels on the command line, which others on this machine may read. */
  readonly argument: unknown
  /** What the program reads from its standard input. It learns no path. */
  readonly input: InputFile | Uint8Array
  /** Bytes of an answer; a program that writes more is killed. */
  readonly outputBytes: number
  /** Kills the program; the run rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** How a run ended. The program may have been taken over by what it read: the caller checks the value's shape. */
export type SandboxOutcome =
  | { readonly outcome: 'answered'; readonly value: unknown }
  | { readonly outcome: 'timed_out' }
  | Failure

/**
 * Runs a program on hostile input in a child process, with hard limits on memory and time, an empty environment, and no descriptors beyond
 * its input, its answer and its complaints. Two run at once; others wait, and their deadline starts when they do.
 *
 * Rejects when the file cannot be read or has another size, when no process can be started, and when the signal aborts.
 */
export function runInSandbox(run: SandboxRun): Promise<SandboxOutcome> {
  return places.run(async () => {
    if (run.input instanceof Uint8Array) return start(run, run.input)
    const { path, size: expected } = run.input
    const file = await open(path)
    try {
      const { size } = await file.stat()
      if (size !== expected) throw new Error(`${path} has ${size} bytes, expected ${expected}`)
      return await start(run, file)
    } finally {
      await file.close()
    }
  }, run.signal)
}

function start(run: SandboxRun, input: FileHandle | Uint8Array): Promise<SandboxOutcome> {
  run.signal?.throwIfAborted()
  const { file, args } = sandboxCommand(run.program, JSON.stringify(run.argument), run)
  const child = spawn(file, args, {
    cwd: '/',
    env: {},
    stdio: [input instanceof Uint8Array ? 'pipe' : input.fd, 'pipe', 'pipe'],
    windowsHide: true,
  })
  if (input instanceof Uint8Array) {
    // A program that ends before it has read everything breaks the pipe; how it ended is told elsewhere.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  }
  return outcome(child, run)
}

function outcome(child: ChildProcess, run: SandboxRun): Promise<SandboxOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<SandboxOutcome>()
  const kill = () => void child.kill('SIGKILL')
  let ended: SandboxOutcome | undefined
  const end = (as: SandboxOutcome) => {
    ended ??= as
    kill()
  }
  const stdout: Buffer[] = []
  let stdoutBytes = 0
  child.stdout?.on('data', (data: Buffer) => {
    stdoutBytes += data.length
    if (stdoutBytes <= run.outputBytes) stdout.push(data)
    else end({ outcome: 'crashed', reason: `it wrote more than ${run.outputBytes} bytes` })
  })
  let stderr = ''
  child.stderr?.on('data', (data: Buffer) => {
    stderr += data.toString('latin1', 0, STDERR_BYTES - stderr.length)
  })
  const timer = setTimeout(() => end({ outcome: 'timed_out' }), run.deadlineMs)
  run.signal?.addEventListener('abort', kill)
  const finish = () => {
    clearTimeout(timer)
    run.signal?.removeEventListener('abort', kill)
  }
  child.on('error', (error) => {
    finish()
    reject(error)
  })
  child.on('close', (code, signal) => {
    finish()
    if (run.signal?.aborted === true) reject(run.signal.reason)
    else resolve(ended ?? (code === 0 ? answer(Buffer.concat(stdout)) : failure(code, signal, stderr)))
  })
  return promise
}

function answer(bytes: Buffer): SandboxOutcome {
  try {
    return { outcome: 'answered', value: JSON.parse(bytes.toString()) }
  } catch {
    return { outcome: 'crashed', reason: `its answer of ${bytes.length} bytes is not JSON` }
  }
}
