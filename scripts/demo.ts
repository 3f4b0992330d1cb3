/**
 * The main job, end to end, with three real nodes on loopback: a publisher pushes cells to C; an assembler asks A, which has never heard of C
 * but through B; downloads from A; and goes on when C is gone. `--keep` leaves the nodes running. Exits 0 only when every step was as it should be.
 */
import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify, styleText } from 'node:util'
import { createClient } from '../src/client/index.ts'
import { CYTOPLEX, type NodeProcess, startNodeProcess } from './nodes.ts'

const run = promisify(execFile)
const resolve = createRequire(import.meta.url).resolve
const LARGE = resolve('esbuild-wasm/esbuild.wasm')
const SMALL = resolve('source-map/lib/mappings.wasm')
const keep = process.argv.includes('--keep')

const directory = await mkdtemp(join(tmpdir(), 'cytoplex-demo-'))
const nodes: NodeProcess[] = []
// Nodes that may outlive this process do not hear of Ctrl-C themselves.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const { child } of nodes) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
    process.exit(1)
  })
}
let number = 0

async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  process.stdout.write(`${styleText('bold', `${++number}. ${title}`)}\n`)
  const result = await work()
  process.stdout.write(`   ${styleText('green', 'ok')}, ${Math.round(performance.now() - startedAt)} ms\n`)
  return result
}

const say = (text: string): void => void process.stdout.write(`   ${text}\n`)
const short = (text: string): string => (text.length > 24 ? `${text.slice(0, 23)}…` : text)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function start(name: string, seeds: readonly string[]): Promise<NodeProcess> {
  const node = await startNodeProcess({ dataDir: join(directory, name), seeds, detached: keep })
  nodes.push(node)
  say(`${name.toUpperCase()} ${node.http_url}  ${node.provider_id}  pid ${node.pid}`)
  return node
}

/** Repeats a request until the news of a registration has arrived: a federation converges, it does not block. */
async function untilFound<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 15_000
  while (true) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline || !(error instanceof Error) || error.name !== 'NotFoundError') throw error
      await new Promise((again) => setTimeout(again, 100))
    }
  }
}

try {
  const [a, b, c] = await step('Start three nodes: A and C know only B', async () => {
    const b = await start('b', [])
    const seed = b.p2p_addrs[0]!
    return [await start('a', [seed]), b, await start('c', [seed])]
  })

  await step('A publisher signs a WebAssembly cell and pushes it to C (cytoplex cell push)', async () => {
    const { stdout } = await run(
      CYTOPLEX,
      [
        'cell',
        'push',
        LARGE,
        '--type',
        'esbuild',
        '--version',
        '0.28.2',
        '--capability',
        'bundle.javascript@1.4.0',
        '--node',
        c.http_url,
        '--api-key',
        c.adminKey,
        '--json',
      ],
      { env: { ...process.env, XDG_CONFIG_HOME: join(directory, 'publisher') } },
    )
    const pushed = JSON.parse(stdout) as { cell_id: string; publisher: string }
    say(`esbuild@0.28.2, cell ${short(pushed.cell_id)}, publisher ${short(pushed.publisher)}`)
  })

  await step('Another uploads one to C with a plain multipart POST, and C signs for it', async () => {
    const form = new FormData()
    form.set(
      'metadata',
      JSON.stringify({
        cell_type: 'source-map',
        version: '0.8.0',
        capabilities: [{ name: 'decode.mappings', version: '2.0.0' }],
      }),
    )
    form.set('cell_package', new Blob([await readFile(SMALL)]), 'mappings.wasm')
    const response = await fetch(`${c.http_url}/api/v1/repository/cells`, {
      method: 'POST',
      headers: { 'X-API-Key': c.adminKey },
      body: form,
    })
    assert.equal(response.status, 201, await response.clone().text())
    say(await response.text())
  })

  const assembler = createClient({ nodes: [a.http_url] })
  const cell = await step('An assembler asks A for bundle.javascript ^1.0.0; A finds C and answers', async () => {
    const found = await untilFound(() =>
      assembler.request({ capability: 'bundle.javascript', version: '^1.0.0', waitSeconds: 10 }),
    )
    assert.equal(found.metadata.provider, c.provider_id)
    assert.equal(new URL(found.download_url).origin, a.http_url)
    say(
      `${found.cell_type}@${found.version}, ${found.digest.slice(0, 26)}…, publisher ${short(found.publisher)} (${found.publisher_trust})`,
    )
    say(`download from ${found.download_url.slice(0, 70)}…`)
    return found
  })

  await step('It downloads from A, which pulls the package from C, verifies and keeps it', async () => {
    const bytes = await assembler.download(cell)
    assert.equal(`sha256:${sha256(bytes)}`, cell.digest)
    assert.equal(sha256(bytes), sha256(await readFile(LARGE)))
    say(`${bytes.length} bytes, digest and publisher's signature verified`)
  })

  await step('C is killed; A still answers and serves, with ETag, Range and HEAD; so does B', async () => {
    await c.stop('SIGKILL')
    for (const node of [a, b]) {
      const client = createClient({ nodes: [node.http_url] })
      const again = await untilFound(() =>
        client.request({ capability: 'bundle.javascript', version: '^1.0.0', waitSeconds: 10 }),
      )
      assert.equal(again.cell_id, cell.cell_id)
      assert.equal(sha256(await client.download(again)), cell.digest.slice('sha256:'.length))
    }
    const url = `${a.http_url}/api/v1/cells/packages/${cell.digest}`
    const head = await fetch(url, { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(head.headers.get('etag'), `"${cell.digest}"`)
    assert.equal(head.headers.get('content-length'), String(cell.size_bytes))
    const part = await fetch(url, { headers: { Range: 'bytes=0-3' } })
    assert.equal(part.status, 206)
    assert.deepEqual(new Uint8Array(await part.arrayBuffer()), Uint8Array.of(0, 0x61, 0x73, 0x6d))
    say(`HEAD 200, ETag ${short(head.headers.get('etag')!)}, Range bytes=0-3 is "\\0asm"`)
  })

  await step('What nobody offers is not found, and the answer says where it looked', async () => {
    const response = await fetch(`${a.http_url}/api/v1/cells/request`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Prefer: 'wait=10' },
      body: JSON.stringify({ request_id: 'demo', capability: 'bake.a-cake' }),
    })
    assert.equal(response.status, 404)
    const { status, code, coverage } = (await response.json()) as { status: string; code: string; coverage: object }
    assert.equal(status, 'not_found')
    say(`${code}, coverage ${JSON.stringify(coverage)}`)
  })

  if (keep) {
    const [left, right] = [a, b]
    process.stdout.write(
      `\nThe nodes keep running: A ${left.http_url}, B ${right.http_url}\nData and logs: ${directory}\nStop them: kill ${left.pid} ${right.pid}\n`,
    )
  }
} catch (error) {
  process.stdout.write(`   ${styleText('red', 'failed')}: ${error instanceof Error ? error.stack : error}\n`)
  for (const node of nodes)
    process.stdout.write(`\n--- ${node.dataDir}.log\n${await readFile(`${node.dataDir}.log`, 'utf8')}`)
  process.exitCode = 1
}
if (!keep || process.exitCode === 1) {
  await Promise.all(
    nodes.map((node) => (node.child.exitCode === null && node.child.signalCode === null ? node.stop() : undefined)),
  )
  await rm(directory, { recursive: true, force: true })
}
