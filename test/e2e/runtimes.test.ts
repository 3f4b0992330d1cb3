import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { NodeProcess } from '../../scripts/nodes.ts'
import { createClient } from '../../src/client/index.ts'
import { installInto, packedInto } from '../support/installed-package.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const skip = process.env.LONG_TESTS ? false : 'downloads Deno and Bun, 200 MB: npm run test:long'

/** Where the program of a runtime is in the npm packages that bring it, and how it runs a script. */
const RUNTIMES = {
  node: { program: () => process.execPath, packages: [], before: [] },
  deno: {
    program: (modules: string) => join(modules, `@deno/${process.platform}-${process.arch}-glibc/deno`),
    packages: ['deno'],
    before: [
      'run',
      '--node-modules-dir=manual',
      '--allow-net',
      '--allow-read',
      '--allow-write',
      '--allow-env',
      '--allow-sys',
    ],
  },
  bun: {
    program: (modules: string) => join(modules, `@oven/bun-${process.platform}-${process.arch}/bin/bun`),
    packages: ['bun'],
    before: ['run'],
  },
} as const

const SCRIPT = `
import { assemble, createClient, newRequestKeys, NotFoundError } from 'cytoplex/client'
import { fileCache } from 'cytoplex/client/file-cache'

const [nodes, apiKey, directory] = process.argv.slice(-3)
const cache = fileCache({ directory })
let downloads = 0
const counting = (input, init) => {
  if (String(input).includes('/packages/')) downloads++
  return fetch(input, init)
}
const how = { nodes: ['http://127.0.0.1:2', nodes], version: '^2', cache, fetch: counting, requestKeys: newRequestKeys() }
const one = await assemble('decode', { ...how, dependencies: true })
const two = await assemble('decode', how)
const missing = await assemble('encode', how).catch((error) => error instanceof NotFoundError)
const aborted = await assemble('decode', { ...how, signal: AbortSignal.abort('enough') }).catch((error) => error)
const admin = createClient({ nodes, apiKey })
let event
for await (const item of admin.subscribe({ channels: ['peers'], since: '0'.repeat(16) + '-1' })) {
  event = item.type
  break
}
const metadata = { cell_type: 'text', version: '1.0.0', capabilities: [{ name: 'read', version: '1.0.0' }] }
const refused = await admin.registerCell({ metadata, package: new Blob(['no module']) }).catch((error) => error.name)
console.log(JSON.stringify({
  sizes: [one.bytes.length, two.bytes.length], type: one.manifest.cell_type, downloads, missing, aborted, event, refused,
}))
process.exit(0)
`

let packed: Promise<string> | undefined

/** The package, built and packed once. */
function tarball(): Promise<string> {
  packed ??= run(process.execPath, [join(ROOT, 'scripts/build.ts')]).then(() => packedInto(join(ROOT, 'dist')))
  return packed
}

for (const [name, { program, packages, before }] of Object.entries(RUNTIMES)) {
  test(`the SDK as it is published works in ${name}`, { skip }, async (t) => {
    const folder = await temporaryFolder(t)
    if (packages.length > 0) {
      await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, ...packages])
    }
    await installInto(folder, await tarball())
    await writeFile(join(folder, 'script.mjs'), SCRIPT)
    const { node, size } = await nodeWithCell(t)
    const cache = join(folder, `cache-${name}`)
    const args = [...before, join(folder, 'script.mjs'), node.http_url, node.adminKey, cache]
    const { stdout } = await run(program(join(folder, 'node_modules')), args, { cwd: folder, timeout: 120_000 })
    assert.deepEqual(JSON.parse(stdout), {
      sizes: [size, size],
      type: 'maps',
      downloads: 1,
      missing: true,
      aborted: 'enough',
      event: 'gap',
      refused: 'ValidationError',
    })
  })
}

async function nodeWithCell(t: TestContext): Promise<{ node: NodeProcess; size: number }> {
  const node = await nodeProcess(t, { dataDir: join(await temporaryFolder(t), 'node') })
  const bytes = new Uint8Array(await readFile(SMALL_MODULE))
  const metadata = { cell_type: 'maps', version: '2.1.0', capabilities: [{ name: 'decode', version: '2.0.0' }] }
  await createClient({ nodes: node.http_url, apiKey: node.adminKey }).registerCell({ metadata, package: bytes })
  return { node, size: bytes.length }
}
