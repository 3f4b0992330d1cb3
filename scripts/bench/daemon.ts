import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../cytoplex', import.meta.url))

/** A node started by its launcher, as an operator would. */
export interface Daemon {
  /** Of the node itself: the launcher becomes it. */
  readonly pid: number
  /** Milliseconds from the start of the process to its ready line. */
  readonly readyMs: number
  stop(): Promise<void>
}

/** Starts `scripts/cytoplex start` on a data directory. */
export async function startDaemon(dataDir: string): Promise<Daemon> {
  const since = performance.now()
  const flags = ['--http-port', '0', '--p2p-port', '0', '--p2p-host', '127.0.0.1', '--log-level', 'warn']
  const child = spawn(LAUNCHER, ['start', '--data-dir', dataDir, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CYTOPLEX_ADMIN_KEY: 'benchmark-administrator-key' },
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const ready = once(lines, 'line') as Promise<[string]>
  const first = await Promise.race([ready, exited.then(() => undefined)])
  if (first === undefined) throw new Error(`the node ended with ${child.exitCode ?? child.signalCode}`)
  const readyMs = performance.now() - since
  const { pid } = JSON.parse(first[0]) as { pid: number }
  return {
    pid,
    readyMs,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
