import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { TestContext } from 'node:test'

/** How the node is made. */
export interface VictimOptions {
  readonly seeds?: readonly string[]
  /** More keys of the configuration. */
  readonly settings: Readonly<Record<string, string>>
  /** Without encryption, so that what is damaged on the way reaches the layers above. */
  readonly plaintext?: boolean
}

/** How a node is, after its garbage was collected. */
export interface VictimState {
  /** Unhandled rejections and exceptions since the start. */
  readonly failures: number
  /** Heap, and buffers outside of it. */
  readonly heapBytes: number
  /** Of the process; 0 where the system does not tell. */
  readonly anonymousBytes: number
  /** Open sockets, listening ones excluded. */
  readonly sockets: number
  /** Providers of which it holds announcements. */
  readonly knownProviders: number
  /** Cells that it knows of connected peers. */
  readonly cellsOf: Readonly<Record<string, number>>
  /** Files of packages that are not what their name says. */
  readonly wrongBlobs: readonly string[]
}

/** What a node is asked to do. */
export interface VictimCommand {
  readonly id: number
  readonly op: 'register' | 'ask' | 'fetch' | 'state' | 'stop'
  readonly args: object
}

/** A node in a process of its own. Each call rejects with what went wrong there. */
export interface Victim {
  readonly providerId: string
  /** With its peer id, past every proxy. */
  readonly address: string
  readonly port: number
  /** Registers a document of `size` bytes under this name: its digest. */
  register(name: string, size?: number): Promise<string>
  /** Requests a cell: its digest; null when there is none. */
  ask(name: string, waitMs?: number): Promise<string | null>
  /** Downloads a package: the digest of what came. */
  fetch(digest: string): Promise<string>
  state(): Promise<VictimState>
}

/** A port that was free a moment ago: the address that a node announces has to be known before it listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Starts a node; it is stopped when the test ends. */
export async function victim(t: TestContext, options: Partial<VictimOptions> = {}): Promise<Victim> {
  const port = await freePort()
  const settings = { ...options.settings, 'p2p.port': String(port) }
  const child = fork(
    new URL('./victim-program.ts', import.meta.url),
    [JSON.stringify({ ...options, settings } satisfies VictimOptions)],
    { execArgv: ['--expose-gc'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
  const exited = once(child, 'exit')
  const [{ providerId }] = (await once(child, 'message')) as [{ providerId: string }]
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  child.on('message', ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(value)
    else call?.reject(new Error(error))
  })
  let calls = 0
  const call = <T>(op: VictimCommand['op'], args: object = {}): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const id = ++calls
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      child.send({ id, op, args } satisfies VictimCommand)
    })
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the node ended'))
  })
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      await Promise.race([call('stop').catch(() => undefined), exited])
      child.disconnect()
      child.kill()
    }
    await exited
  })
  return {
    providerId,
    address: `/ip4/127.0.0.1/tcp/${port}/p2p/${providerId}`,
    port,
    register: (name, size = 1000) => call('register', { name, size }),
    ask: (name, waitMs = 5000) => call('ask', { name, waitMs }),
    fetch: (digest) => call('fetch', { digest }),
    state: () => call('state'),
  }
}
