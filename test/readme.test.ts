import { strict as assert } from 'node:assert'
import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { startNodeProcess } from '../scripts/nodes.ts'
import { createClient } from '../src/client/index.ts'
import { blockOf, freePort, paste, withFreePorts } from './support/pages.ts'
import { temporaryFolder } from './support/processes.ts'

const ROOT = join(import.meta.dirname, '..')
const readme = await readFile(join(ROOT, 'README.md'), 'utf8')

const examples = await readFile(join(ROOT, 'protocol/guides/examples.md'), 'utf8')
const block = (name: string): string => blockOf(readme, name)

test('README: the commands of the first block are scripts of this package', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  assert.match(readme, /npm ci && npm start/)
  assert.match(readme, /npm ci && npm test/)
  assert.equal(scripts.start, 'scripts/cytoplex start')
  for (const [, name] of readme.matchAll(/npm run ([\w:]+)/g)) assert.ok(scripts[name!], `npm run ${name}`)
})

test('README: every file that it links to exists', async () => {
  for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) await access(join(ROOT, path!))
})

test('README: the federation of three works as printed', async (t) => {
  const home = await temporaryFolder(t)
  const script = await withFreePorts(block('federation'))
  const output = await paste(t, `${script}\nwait $A $B || true`, home)
  assert.equal(output.match(/sqlite/g)!.length >= 2, true, output)
})

test('README: the curl lines work as printed', async (t) => {
  const home = await temporaryFolder(t)
  const port = await freePort()
  const node = await startNodeProcess({
    dataDir: join(home, '.local/share/cytoplex'),
    args: ['--http-port', port],
  })
  t.after(() => node.stop())
  const output = await paste(t, block('curl').replaceAll(':8000', `:${port}`), home)
  assert.match(output, /"status":"success"/)
  assert.match(output, /HTTP\/1\.1 200 OK/)
  assert.match(output, /READY/)
  assert.match(output, /cytoplex_cells_registered_total/)
  const folder = (await readdir(home)).find((name) => name.startsWith('tmp.'))!
  const original = await readFile(join(ROOT, 'node_modules/source-map/lib/mappings.wasm'))
  assert.deepEqual(await readFile(join(home, folder, 'mappings.wasm')), original)
})

test('README: three lines lead to a verified cell as printed', async (t) => {
  const home = await temporaryFolder(t)
  const node = await startNodeProcess({ dataDir: join(home, 'node') })
  t.after(() => node.stop())
  const bytes = new Uint8Array(await readFile(join(ROOT, 'node_modules/source-map/lib/mappings.wasm')))
  const capabilities = [{ name: 'decode.mappings', version: '2.0.0' }]
  const client = createClient({ nodes: node.http_url, apiKey: node.adminKey })
  const metadata = { cell_type: 'source-map', version: '0.8.0', capabilities }
  const { publisher } = await client.registerCell({ metadata, package: bytes })
  const lines = block('sdk')
  assert.equal(lines.trim().split('\n').length, 3)
  const file = join(home, 'three-lines.ts')
  const url = pathToFileURL(join(ROOT, 'src/client/index.ts')).href
  await writeFile(file, lines.replace('cytoplex/client', url).replace('http://127.0.0.1:8000', node.http_url))
  const output = await paste(t, `"${process.execPath}" ${file}`, home)
  assert.equal(output, `source-map 0.8.0: ${bytes.length} bytes, signed by ${publisher}\n`)
})

test('the examples: the goal is created, contributed to and proven as printed', async (t) => {
  const home = await temporaryFolder(t)
  const node = await startNodeProcess({ dataDir: join(home, '.local/share/cytoplex') })
  t.after(() => node.stop())
  const output = await paste(t, blockOf(examples, 'goal'), home)
  assert.match(output, /accepted: score 0\.\d+ at log index 0/)
  assert.match(output, /^1 +0\.\d+ /m)
  assert.match(output, /leaf 0/)
})

test('the examples: the chat remembers as printed', async (t) => {
  const home = await temporaryFolder(t)
  const node = await startNodeProcess({ dataDir: join(home, 'node') })
  t.after(() => node.stop())
  const program = blockOf(examples, 'chat').replaceAll('http://127.0.0.1:8000', node.http_url)
  // A program on standard input finds packages from the folder that it runs in.
  const output = await paste(t, `node --input-type=module - <<'END'\n${program}END\n`, home)
  assert.match(output, /Nothing that I may quote says anything about this\.$/m)
})

test('README: doctor finds nothing wrong with a node that has a peer', async (t) => {
  const home = await temporaryFolder(t)
  const seed = await startNodeProcess({ dataDir: join(home, 'seed') })
  t.after(() => seed.stop())
  const node = await startNodeProcess({ dataDir: join(home, '.local/share/cytoplex'), seeds: seed.p2p_addrs })
  t.after(() => node.stop())
  let output = ''
  // It may be asked before the two have met.
  for (let tries = 0; !output.includes('Nothing failed'); tries++) {
    output = await paste(
      t,
      `PATH="$PWD/scripts:$PATH"\n${block('doctor')}`.replace('doctor\n', 'doctor || true\n'),
      home,
    )
    assert.ok(tries < 20, output)
  }
  assert.match(output, /^ok +dial back +peer .* connected to /m)
})
