import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { NodeFile } from '../protocol/node-file.ts'

/** The launcher of this checkout. */
export const CYTOPLEX = join(dirname(fileURLToPath(import.meta.url)), 'cytoplex')

/** A node in a process of its own. */
export interface NodeProcess extends NodeFile {
  readonly dataDir: string
  readonly child: ChildProcess
  /** The administrator's key. */
  readonly adminKey: string
  /** Sends a signal, and resolves with the exit code (null when the signal ended the process). */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** How to start a node. */
export interface NodeProcessOptions {
  readonly dataDir: string
  readonly seeds?: readonly string[]
  /** Further arguments of `cytoplex start`. */
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Lets the node outlive this process. */
  readonly detached?: boolean
  /** Where it listens; loopback when not given. */
  readonly hosts?: { readonly http: string; readonly p2p: string }
  /** A command that runs the node, such as `ip netns exec NAME`, with its arguments. */
  readonly runner?: readonly string[]
}

/** Starts `cytoplex start` with free ports, and resolves when it says that it is ready. Its log is `<dataDir>.log`. */
export async function startNodeProcess(options: NodeProcessOptions): Promise<NodeProcess> {
  const { dataDir, seeds = [], args = [], env = {}, detached = false, runner = [] } = options
  const { http, p2p } = options.hosts ?? { http: '127.0.0.1', p2p: '127.0.0.1' }
  await mkdir(dirname(dataDir), { recursive: true })
  const log = openSync(`${dataDir}.log`, 'a')
  const [program, ...before] = [...runner, CYTOPLEX]
  const child = spawn(
    program!,
    [
      ...before,
      'start',
      ...['--data-dir', dataDir, '--http-host', http, '--http-port', '0', '--p2p-host', p2p, '--p2p-port', '0'],
      ...seeds.flatMap((seed) => ['--seed', seed]),
      ...args,
    ],
    { stdio: ['ignore', 'pipe', log], env: { ...process.env, ...env }, detached },
  )
  closeSync(log)
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const file = await Promise.race([readyLine(child), exited])
  if (typeof file !== 'object' || file === null) {
    throw new Error(`the node of ${dataDir} ended with ${file}:\n${await readFile(`${dataDir}.log`, 'utf8')}`)
  }
  if (detached) {
    child.unref()
    child.stdout?.destroy()
  }
  return {
    ...file,
    dataDir,
    child,
    adminKey: env.CYTOPLEX_ADMIN_KEY ?? (await readFile(join(dataDir, 'admin.key'), 'utf8')).trim(),
    stop(signal = 'SIGTERM') {
      // Waiting for its end keeps this process alive, also where the node may outlive it.
      if (child.exitCode === null && child.signalCode === null) child.ref()
      child.kill(signal)
      return exited
    },
  }
}

async function readyLine(child: ChildProcess): Promise<NodeFile | null> {
  for await (const line of createInterface({ input: child.stdout! })) return JSON.parse(line) as NodeFile
  return null
}
