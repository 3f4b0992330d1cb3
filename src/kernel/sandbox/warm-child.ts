import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { errorMessage } from '../base/errors.ts'
import { type SandboxLimits, sandboxCommand } from './command.ts'
import { failure, STDERR_BYTES } from './ending.ts'
import { FrameReader, frameHeader } from './frames.ts'

/** A program that answers one message after another. */
export interface WarmProgram extends SandboxLimits {
  /** A module that calls `answerMessages`. */
  readonly program: URL
  /** Bytes of an answer; a child that writes more is killed. */
  readonly answerBytes: number
}

/** What a child tells. It may have been taken over by what it read. */
export interface WarmChildEvents {
  answer(bytes: Uint8Array): void
  /** Once, when the process is gone; nothing is told after it. */
  ended(reason: string): void
}

/** What keeps a process alive, or not. */
interface Held {
  ref(): void
  unref(): void
}

/**
 * A child process in the sandbox that stays: isolated as those of `runInSandbox` are, but it answers many messages. `deadlineMs` bounds its
 * life's processor time; who waits for an answer counts the time for himself.
 */
export class WarmChild {
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  #corked = false
  #killedFor: string | undefined

  constructor(program: WarmProgram, events: WarmChildEvents) {
    const { file, args } = sandboxCommand(program.program, 'null', program)
    const child = spawn(file, args, { cwd: '/', env: {}, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true })
    this.#child = child
    const { promise, resolve } = Promise.withResolvers<void>()
    this.gone = promise
    let stderr = ''
    let over = false
    const end = (reason: string): void => {
      if (over) return
      over = true
      events.ended(reason)
      resolve()
    }
    const frames = new FrameReader(program.answerBytes)
    child.stdout.on('data', (data: Buffer) => {
      if (over || this.#killedFor !== undefined) return
      try {
        for (const answer of frames.push(data)) events.answer(answer)
      } catch (error) {
        this.kill(errorMessage(error))
      }
    })
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString('latin1', 0, STDERR_BYTES - stderr.length)
    })
    // A child that ends before it has read everything breaks the pipe; how it ended is told elsewhere.
    child.stdin.on('error', () => undefined)
    child.on('error', (error) => end(error.message))
    child.on('close', (code, signal) => {
      const ending = failure(code, signal, stderr)
      end(this.#killedFor ?? (ending.outcome === 'crashed' ? ending.reason : 'out of memory'))
    })
  }

  /** Sends a message. Those of one turn of the event loop travel together. */
  send(message: Uint8Array): void {
    const { stdin } = this.#child
    if (!this.#corked) {
      this.#corked = true
      stdin.cork()
      process.nextTick(() => {
        this.#corked = false
        stdin.uncork()
      })
    }
    stdin.write(frameHeader(message.length))
    stdin.write(message)
  }

  /** Ends the process, and waits for that. No answer is told after this. */
  kill(reason: string): void {
    this.#killedFor ??= reason
    this.hold(true)
    this.#child.kill('SIGKILL')
  }

  /** Whether this process waits for the child before it ends. */
  hold(held: boolean): void {
    const { stdin, stdout, stderr } = this.#child
    for (const one of [this.#child, stdin, stdout, stderr] as unknown as Held[]) {
      if (held) one.ref()
      else one.unref()
    }
  }
}
