import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { NodeFile } from '../../protocol/node-file.ts'
import { anonymousMegabytes } from './anonymous-memory.ts'

const LAUNCHER = fileURLToPath(new URL('../cytoplex', import.meta.url))

/** A node started by its launcher, as an operator would. */
export interface Daemon {
  /** Of the node itself: the launcher becomes it. */
  readonly pid: number
  /** Milliseconds from the start of the process to its ready line. */
  readonly readyMs: number
  readonly httpPort: number
  readonly providerId: string
  /** Anonymous memory now, in megabytes. */
  anonymousMegabytes(): Promise<number>
  stop(): Promise<void>
}

/** Rates as high as the configuration allows: the limits are counted, and nobody reaches them. */
const CONFIG = `http:
  rate_per_minute: { anonymous: 1000000000, reader: 1000000000, publisher: 1000000000, admin: 1000000000 }
cells:
  max_package_bytes: 4294967296
  validation_timeout_ms: 600000
`

/** Starts `scripts/cytoplex start` on a data directory, with `more` sections of the configuration. */
export async function startDaemon(dataDir: string, more = ''): Promise<Daemon> {
  const config = `${dataDir}.yaml`
  await writeFile(config, CONFIG + more)
  const since = performance.now()
  const flags = [
    '--http-port',
    '0',
    '--p2p-port',
    '0',
    '--p2p-host',
    '127.0.0.1',
    '--log-level',
    'warn',
    '--config',
    config,
  ]
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
  const { pid, http_url, provider_id } = JSON.parse(first[0]) as NodeFile
  return {
    pid,
    readyMs,
    httpPort: Number(new URL(http_url).port),
    providerId: provider_id,
    anonymousMegabytes: () => anonymousMegabytes(pid),
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
