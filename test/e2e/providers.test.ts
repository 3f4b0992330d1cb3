import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { CYTOPLEX } from '../../scripts/nodes.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, requestCell, temporaryFolder, upload } from '../support/processes.ts'

const EXAMPLE = join(import.meta.dirname, '..', 'plugins', 'ranker-largest')

const LARGEST = `
plugins:
  - name: ./plugins/ranker-largest
    version: 1.2.0
providers:
  rankers:
    default: { provider_name: largest, least: 1000 }
    memory: { provider_name: memory }
    speed: { provider_name: speed }
    battery: { provider_name: battery }
`

/** Writes a configuration file beside a copy of the example plugin. */
async function configure(folder: string, text: string): Promise<string> {
  await mkdir(join(folder, 'plugins'), { recursive: true })
  await cp(EXAMPLE, join(folder, 'plugins', 'ranker-largest'), { recursive: true })
  const path = join(folder, 'node.yaml')
  await writeFile(path, text, { mode: 0o600 })
  return path
}

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>()
  execFile(CYTOPLEX, args, { env: { ...process.env, NO_COLOR: '1' } }, (error, stdout, stderr) =>
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
  )
  return promise
}

test("a stranger's ranker, from a package outside, decides what this node answers", async (t) => {
  const folder = await temporaryFolder(t)
  const file = await configure(folder, LARGEST)
  const node = await nodeProcess(t, { dataDir: join(folder, 'with'), args: ['--config', file] })
  const plain = await nodeProcess(t, { dataDir: join(folder, 'without') })
  const modules: [string, string, string][] = [
    ['small', '2.0.0', SMALL_MODULE],
    ['large', '1.0.0', MIDDLE_MODULE],
  ]
  for (const each of [node, plain]) {
    for (const [cell_type, version, path] of modules) {
      const metadata = { cell_type, version, capabilities: [{ name: 'parse', version: '1.0.0' }] }
      assert.equal((await upload(each, metadata, await readFile(path))).status, 201)
    }
  }
  assert.equal((await requestCell(node, 'parse')).body.cell?.version, '1.0.0', 'the larger package')
  assert.equal((await requestCell(plain, 'parse')).body.cell?.version, '2.0.0', 'the higher version')

  const target = ['--data-dir', node.dataDir]
  const list = await run('providers', ...target)
  assert.equal(list.code, 0, list.stderr)
  assert.match(list.stdout, /rankers +largest +yes\n/)
  assert.match(list.stdout, /rankers +default +no\n/)
  assert.match(list.stdout, /blob-stores +file +yes\n/)
  const one = await run('providers', 'rankers', 'largest', ...target, '--json')
  const { type, documentation, config_schema } = JSON.parse(one.stdout) as Record<string, unknown>
  assert.deepEqual([type, documentation], ['plugin', 'Prefers the largest package.'])
  assert.match(JSON.stringify(config_schema), /"least":\{"type":"integer"/)
  const shown = await run('providers', 'rankers', 'largest', ...target)
  assert.match(shown.stdout, /least +integer .*Smaller packages count as empty\./)
  const unknown = await run('providers', 'rankers', 'smallest', ...target)
  assert.equal(unknown.code, 3)
  assert.match(unknown.stderr, /no provider "smallest" in rankers; there are battery, default, largest, memory, speed/)
  const nowhere = await run('providers', 'tables', ...target)
  assert.equal(nowhere.code, 3)
  assert.match(nowhere.stderr, /no package "tables"; there are blob-stores, .*rankers, validators/)
})

test('a node whose plugins or providers are not what its configuration says does not start', async (t) => {
  const folder = await temporaryFolder(t)
  const refused: [text: string, says: RegExp][] = [
    [LARGEST.replace('1.2.0', '1.2.1'), /ranker-largest@1\.2\.1 did not load: found version 1\.2\.0/],
    [LARGEST.replace('./plugins/ranker-largest', './plugins/absent'), /absent@1\.2\.0 did not load: .*ENOENT/],
    [LARGEST.replace('least: 1000', 'least: -1'), /providers\.rankers\.default: .*config\.least must be >= 0/],
    [LARGEST.replace('name: largest', 'name: finest'), /providers\.rankers\.default: .*"finest" in rankers; there are/],
    ['providers: { blob_store: { provider_name: file, size: 1 } }', /providers\.blob_store: .*unknown fields: size/],
    ['providers: { validators: [{ provider_name: wasm }, { provider_name: wasm }] }', /two of them open .*"wasm"/],
  ]
  for (const [number, [text, says]] of refused.entries()) {
    const file = await configure(folder, text)
    const dataDir = join(folder, String(number))
    const { code, stdout, stderr } = await run('start', '--config', file, '--data-dir', dataDir, '--http-port', '0')
    assert.equal(code, 1, `${text} ${stderr}`)
    assert.equal(stdout, '')
    assert.match(stderr, says)
  }
})

test('an optional plugin that does not load leaves the node running', async (t) => {
  const folder = await temporaryFolder(t)
  const file = await configure(folder, 'plugins: [{ name: ./plugins/absent, version: 1.0.0, optional: true }]')
  const node = await nodeProcess(t, { dataDir: join(folder, 'node'), args: ['--config', file] })
  assert.equal((await fetch(`${node.http_url}/ready`)).status, 200)
  assert.match(await readFile(`${node.dataDir}.log`, 'utf8'), /plugin \.\/plugins\/absent@1\.0\.0 did not load/)
})

test('a node with a store in memory serves what it was given, and keeps no file of it', async (t) => {
  const folder = await temporaryFolder(t)
  const file = await configure(folder, 'providers: { blob_store: { provider_name: memory } }')
  const node = await nodeProcess(t, { dataDir: join(folder, 'node'), args: ['--config', file] })
  const module = await readFile(MIDDLE_MODULE)
  const metadata = { cell_type: 'sql', version: '1.0.0', capabilities: [{ name: 'query', version: '1.0.0' }] }
  assert.equal((await upload(node, metadata, module)).status, 201)
  const { cell } = (await requestCell(node, 'query')).body
  assert.deepEqual(Buffer.from(await (await fetch(cell!.download_url)).arrayBuffer()), module)
  await assert.rejects(readFile(join(node.dataDir, 'blobs', cell!.digest[7]!, cell!.digest.slice(7))), {
    code: 'ENOENT',
  })
})
