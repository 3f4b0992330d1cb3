import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The parts that processes play: one file each in `roles/`. */
export type Role =
  | 'node'
  | 'goal-node'
  | 'fixture'
  | 'echo'
  | 'file-server'
  | 'load'
  | 'signer'
  | 'usage'
  | 'addresses'
  | 'crowd'
  | 'archive'
  | 'raw-stream'
  | 'helia'
  | 'disk'
  | 'dht'
  | 'recall'

/** Between the coordinator and a worker. */
export interface Command {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}
export interface Reply {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

/** What a role's file exports as `commands`. */
export type Commands = Readonly<Record<string, (argument: never) => unknown>>

/** A process that plays a role. */
export interface Worker {
  /** Runs a command there. Throws what it threw there. */
  call<Result>(name: string, argument?: unknown): Promise<Result>
  stop(): Promise<void>
}

/** What the launcher gives to Node.js. Baselines get it, too. */
const NODE_OPTIONS = [
  '--disable-warning=ExperimentalWarning',
  '--external-memory-accounted-in-global-limit',
  '--max-semi-space-size=16',
  '--heap-growing-percent=40',
]

/** `BENCH_CPU_PROF=<folder>` writes a CPU profile of each worker there. */
const profile = process.env.BENCH_CPU_PROF

/** Starts a worker. Its log lines go to this process's stderr. */
export async function startWorker(role: Role): Promise<Worker> {
  const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [role], {
    execArgv: profile === undefined ? NODE_OPTIONS : [...NODE_OPTIONS, '--cpu-prof', `--cpu-prof-dir=${profile}`],
    env: { ...process.env, MALLOC_ARENA_MAX: '2' },
    serialization: 'advanced',
  })
  const calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  const fail = (reason: string): void => {
    for (const { reject } of calls.values()) reject(new Error(`${role}: ${reason}`))
    calls.clear()
  }
  child.on('message', ({ id, result, error }: Reply) => {
    const call = calls.get(id)
    calls.delete(id)
    if (error === undefined) call?.resolve(result)
    else call?.reject(new Error(`${role}: ${error}`))
  })
  child.on('exit', (code, signal) => fail(`ended with ${code ?? signal}`))
  let next = 0
  const worker: Worker = {
    call<Result>(name: string, argument?: unknown) {
      const id = next++
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      calls.set(id, { resolve, reject })
      child.send({ id, name, argument } satisfies Command, (error) => {
        if (error !== null) reject(error)
      })
      return promise as Promise<Result>
    },
    stop: () => end(child, worker),
  }
  await worker.call('ready')
  return worker
}

async function end(child: ChildProcess, worker: Worker): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  const ended = worker.call('end').catch(() => undefined)
  await Promise.race([ended, exited])
  if (child.connected) child.disconnect()
  await exited
}
