import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { toHex } from '../src/kernel/base/bytes.ts'
import { trivial } from './providers/evaluators/modules.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../', import.meta.url))
const module = join(ROOT, 'node_modules/source-map/lib/mappings.wasm')

/** Runs a program of the built package in a process of its own, and returns what it prints as JSON. */
async function inBuiltPackage(program: string): Promise<unknown> {
  const { stdout } = await run(process.execPath, ['--no-strip-types', '--input-type=module', '-e', program], {
    cwd: ROOT,
  })
  return JSON.parse(stdout)
}

describe('the published package', () => {
  before(async () => {
    await run(process.execPath, [join(ROOT, 'scripts/build.ts')], { cwd: ROOT })
  })

  it('contains what runs, and nothing else', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: ROOT,
      shell: false,
    })
    const [pack] = JSON.parse(stdout) as { files: { path: string }[] }[]
    const paths = pack?.files.map((file) => file.path) ?? []
    for (const path of [
      'LICENSE',
      'README.md',
      'config/default.yaml',
      'scripts/cytoplex',
      'protocol/openapi.json',
      'protocol/vectors/merkle-log.json',
      'dist/src/cli/main.js',
      'dist/src/client/index.d.ts',
      'dist/dashboard/index.html',
      'dist/dashboard/index.html.br',
      'dist/protocol/index.js',
      'dist/src/providers/validators/wasm-worker.js',
    ]) {
      assert.ok(paths.includes(path), `${path} is missing`)
    }
    assert.ok(paths.some((path) => /^dist\/dashboard\/assets\/index-[\w-]+\.js\.br$/.test(path)))
    assert.deepEqual(
      paths.filter((path) => /^(src|test|dist\/(test|scripts))\//.test(path)),
      [],
    )
  })

  it('starts its worker threads and the programs of its sandbox from the built files', async () => {
    const url = pathToFileURL(join(ROOT, 'dist/src/providers/built-in.js')).href
    const { size } = await stat(module)
    const kinds = await inBuiltPackage(`
      const { isolatedRegistry } = await import(${JSON.stringify(url)})
      const registry = isolatedRegistry()
      const [wasm, document] = await Promise.all(
        ['wasm', 'document'].map((name) => registry.createProvider('validators', name)),
      )
      const reports = [
        await wasm.validate(${JSON.stringify(module)}, { size: ${size}, format: 'wasm', mediaType: 'application/wasm' }),
        await document.validate(Buffer.from('{}'), { size: 2, format: 'document', mediaType: 'application/json' }),
      ]
      const evaluator = await registry.createProvider('evaluators', 'wasm')
      await evaluator.prepare('example', Buffer.from('${toHex(await trivial())}', 'hex'))
      const request = { digest: 'example', fuel: 100, memoryPages: 1, seed: 0, input: Buffer.of(1) }
      const { kind } = await evaluator.evaluate(request, new AbortController().signal)
      console.log(JSON.stringify([...reports.map(({ report }) => report?.kind), kind]))
      await Promise.all([wasm.close(), document.close(), evaluator.close()])
    `)
    assert.deepEqual(kinds, ['module', 'document', 'metrics'])
  })

  it('exports the SDK, the contract, the provider registry and its suites by name', async () => {
    const names = await inBuiltPackage(`
      const [client, protocol, plugins, suites] = await Promise.all(
        ['client', 'protocol', 'plugins', 'plugins/suites'].map((name) => import('cytoplex/' + name)),
      )
      const found = [client.createClient, protocol.LIMITS, protocol.Manifest, plugins.registerProvider, suites.rankerSuite]
      console.log(JSON.stringify(found.map((value) => typeof value)))
    `)
    assert.deepEqual(names, ['function', 'object', 'object', 'function', 'function'])
  })
})
