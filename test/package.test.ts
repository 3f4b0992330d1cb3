import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

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
      'dist/protocol/index.js',
      'dist/src/domain/cells/wasm-worker.js',
    ]) {
      assert.ok(paths.includes(path), `${path} is missing`)
    }
    assert.deepEqual(
      paths.filter((path) => /^(src|test|dist\/(test|scripts))\//.test(path)),
      [],
    )
  })

  it('starts its worker threads from the built files', async () => {
    const url = pathToFileURL(join(ROOT, 'dist/src/domain/cells/wasm-validation.js')).href
    const { size } = await stat(module)
    const report = await inBuiltPackage(`
      const { createWasmValidator } = await import(${JSON.stringify(url)})
      const validator = createWasmValidator({ timeoutMs: 30_000 })
      const { report } = await validator.validate(${JSON.stringify(module)}, ${size})
      console.log(JSON.stringify(report))
      await validator.close()
    `)
    assert.equal((report as { kind: string }).kind, 'module')
  })

  it('exports the SDK and the contract by name', async () => {
    const names = await inBuiltPackage(`
      const [client, protocol] = await Promise.all([import('cytoplex/client'), import('cytoplex/protocol')])
      console.log(JSON.stringify([typeof client.createClient, typeof protocol.LIMITS, typeof protocol.Manifest]))
    `)
    assert.deepEqual(names, ['function', 'object', 'object'])
  })
})
