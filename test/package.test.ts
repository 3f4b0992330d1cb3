import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { temporaryFolder } from './support/folders.ts'
import { installInto, packedInto } from './support/installed-package.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../', import.meta.url))

/** Runs a program of the built package in a process of its own, and returns what it prints as JSON. */
async function inBuiltPackage(program: string): Promise<unknown> {
  const { stdout } = await run(process.execPath, ['--no-strip-types', '--input-type=module', '-e', program], {
    cwd: ROOT,
  })
  return JSON.parse(stdout)
}

/** That the built program does what the sources do is shown by every test that starts a process: `npm test` gives them what was built. */
describe('the published package', () => {
  before(async () => {
    // `npm test` has built it.
    if (process.env.RUN_BUILT_CYTOPLEX !== '1')
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
      'dist/node/main.js',
      'dist/src/client/index.d.ts',
      'dist/dashboard/index.html',
      'dist/dashboard/index.html.br',
      'dist/protocol/index.js',
      'dist/node/wasm-worker.js',
    ]) {
      assert.ok(paths.includes(path), `${path} is missing`)
    }
    assert.ok(paths.some((path) => /^dist\/dashboard\/assets\/index-[\w-]+\.js\.br$/.test(path)))
    assert.deepEqual(
      paths.filter((path) => /^(src|test|dist\/(test|scripts))\//.test(path)),
      [],
    )
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

  it('has nothing that publint or Are The Types Wrong would warn of', async (t) => {
    const tarball = await packedInto(await temporaryFolder(t))
    const { buffer } = new Uint8Array(await readFile(tarball))
    const { messages } = await publint({ pack: { tarball: buffer }, strict: true })
    assert.deepEqual(messages, [])
    // Of ES modules: resolvers that know no `exports` find nothing. It ends with an error, and so does this, when there is something to say.
    const attw = ['--profile', 'esm-only', '--no-definitely-typed', '--no-emoji', '--no-color', '--format', 'json']
    const { stdout } = await run(join(ROOT, 'node_modules/.bin/attw'), [tarball, ...attw], { maxBuffer: 2 ** 26 })
    const { analysis } = JSON.parse(stdout) as { analysis: { entrypoints: object } }
    assert.ok('./client/file-cache' in analysis.entrypoints)
  })

  it('has types that hold for those who install it, whichever way they resolve modules', async (t) => {
    const folder = await temporaryFolder(t)
    await installInto(folder, await packedInto(folder))
    const expectations = await readFile(join(ROOT, 'test/client/types.ts'), 'utf8')
    const consumer = expectations.replace('../../src/client/index.ts', 'cytoplex/client')
    assert.notEqual(consumer, expectations)
    const files = `import { fileCache } from 'cytoplex/client/file-cache'\nfileCache({ directory: 'packages' }).get('a')\n`
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await writeFile(join(folder, 'consumer.ts'), consumer)
    await writeFile(join(folder, 'files.ts'), files)
    for (const [module, moduleResolution] of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ]) {
      const compilerOptions = {
        ...{ module, moduleResolution, target: 'es2024', strict: true, noEmit: true, skipLibCheck: true, types: [] },
        lib: ['esnext', 'dom', 'dom.iterable', 'dom.asynciterable'],
      }
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
      const compiled = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder]).catch(({ stdout }) => ({
        stdout,
      }))
      assert.equal(compiled.stdout, '', module)
    }
  })
})
