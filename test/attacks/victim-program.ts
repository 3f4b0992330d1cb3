/** A whole node in a process of its own, which does what its parent asks, and tells how it is. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { plaintext } from '@libp2p/plaintext'
import { tcp } from '@libp2p/tcp'
import { errorMessage } from '../../src/kernel/base/errors.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { answerOf, download, nodeInProcess, registerBytes } from '../support/node-pairs.ts'
import type { VictimCommand, VictimOptions, VictimState } from './victim.ts'

const options = JSON.parse(process.argv[2]!) as VictimOptions
const endings: (() => unknown)[] = []
const t = { after: (end: () => unknown) => void endings.push(end) } as unknown as TestContext
let failures = 0
for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(event, (error: unknown) => {
    failures++
    process.stderr.write(`${event}: ${error instanceof Error ? error.stack : String(error)}\n`)
  })
}

const { node, dataDir } = await nodeInProcess(t, {
  ...(options.seeds === undefined ? {} : { seeds: options.seeds }),
  settings: options.settings,
  ...(options.plaintext
    ? {
        wiring: {
          transports: [tcp()],
          connectionEncrypters: [plaintext()],
          listen: `/ip4/127.0.0.1/tcp/${options.settings['p2p.port']}`,
        },
      }
    : {}),
})

/** Text that no compressor and no cache helps with. */
const bytesOf = (name: string, size: number): Uint8Array =>
  Buffer.from(
    sha256Hex(name)
      .repeat(Math.ceil(size / 64))
      .slice(0, size),
  )

async function wrongBlobs(): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  const wrong: string[] = []
  for (const entry of entries) {
    if (!entry.isFile() || entry.parentPath.endsWith('incoming')) continue
    if (sha256Hex(await readFile(join(entry.parentPath, entry.name))) !== entry.name) wrong.push(entry.name)
  }
  return wrong
}

async function state(): Promise<VictimState> {
  // Twice: what the first one finalises, the second one collects.
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const { peers, known_providers } = node.peers()
  return {
    failures,
    heapBytes: heapUsed + external,
    anonymousBytes: Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024,
    sockets: process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length,
    knownProviders: known_providers,
    cellsOf: Object.fromEntries(peers.map(({ provider_id, cells }) => [provider_id, cells])),
    wrongBlobs: await wrongBlobs(),
  }
}

const perform = {
  register: async ({ name, size }: { name: string; size: number }) => {
    const capabilities = [{ name, version: '1.0.0' }]
    const metadata = { cell_type: name, version: '1.0.0', capabilities, packaging_format: 'document' }
    const { manifest } = await registerBytes(node, bytesOf(name, size), { metadata })
    return manifest.package.digest
  },
  ask: async ({ name, waitMs }: { name: string; waitMs: number }) => {
    const outcome = await node.requestCell({ by: 'capability', name }, waitMs)
    return outcome.status === 'success' ? answerOf(outcome.cell).digest : null
  },
  fetch: async ({ digest }: { digest: string }) => `sha256:${sha256Hex(await download(node, digest))}`,
  state,
  stop: async () => {
    for (const end of endings) await end()
    return failures
  },
}

process.on('message', ({ id, op, args }: VictimCommand) => {
  perform[op](args as never).then(
    (value) => process.send!({ id, value }),
    (error: unknown) => process.send!({ id, error: errorMessage(error) }),
  )
})
process.send!({ providerId: node.providerId })
