import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { RegistryError } from '../../../src/kernel/plugins/errors.ts'
import { globalRegistry as registry } from '../../../src/kernel/plugins/global.ts'
import { loadPlugins } from '../../../src/kernel/plugins/load-plugins.ts'
import { rankers } from '../../../src/kernel/plugins/packages/rankers.ts'
import type { Logger } from '../../../src/kernel/telemetry/logger.ts'

const EXAMPLES = join(import.meta.dirname, '..', '..', 'plugins')
const root = mkdtempSync(join(tmpdir(), 'cytoplex-plugins-'))
after(() => rmSync(root, { recursive: true, force: true }))

const lines: { level: string; details: { providers?: string[] }; message: string }[] = []
const log = (level: string) => (details: object, message: string) => void lines.push({ level, details, message })
const logger = { info: log('info'), warn: log('warn') } as unknown as Logger
const load = (name: string, version: string, more: { optional?: boolean; directory?: string } = {}) =>
  loadPlugins([{ directory: root, ...more, name, version }], { registry, logger })

/** A package in a folder of its own: its files, and what package.json says beside the version. */
async function pack(folder: string, code: string, manifest: object = {}): Promise<string> {
  const path = join(root, folder)
  await mkdir(path, { recursive: true })
  await writeFile(join(path, 'package.json'), JSON.stringify({ version: '1.0.0', type: 'module', ...manifest }))
  await writeFile(join(path, 'index.js'), code)
  return path
}

const registering = (name: string): string =>
  `import { registerProvider } from 'cytoplex/plugins'
   registerProvider('rankers', '${name}', () => ({ compare: () => 0 }))`

const isStartError = (says: RegExp, cause?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StartError)
  assert.match(error.message, says)
  if (cause !== undefined) {
    assert.ok(error.cause instanceof RegistryError)
    assert.equal(error.cause.name, 'ErrRegistrationFailed')
    assert.match(error.cause.message, cause)
  }
  return true
}

describe('a plugin', () => {
  it('registers itself when it is imported, with a configuration of its own', async () => {
    await load('./ranker-largest', '1.2.0', { directory: EXAMPLES })
    assert.equal(registry.getProviderInfo('rankers', 'largest').documentation, 'Prefers the largest package.')
    const ranker = await registry.createProvider(rankers, 'largest', { least: 10 })
    const order = [{ size: 5 }, { size: 30 }, { size: 20 }, {}].sort(ranker.compare)
    assert.deepEqual(order, [{ size: 30 }, { size: 20 }, { size: 5 }, {}])
    await assert.rejects(registry.createProvider(rankers, 'largest', { least: -1 }), /config\.least must be >= 0/)
    const { level, details } = lines.at(-1)!
    assert.deepEqual([level, details.providers], ['info', ['rankers/largest']])
  })

  it('is found as an npm package beside the configuration, through its exports', async () => {
    const manifest = { name: 'cytoplex-installed', exports: { '.': { import: './lib.js' } } }
    const path = await pack('node_modules/cytoplex-installed', 'throw new Error("not this file")', manifest)
    await writeFile(join(path, 'lib.js'), registering('installed'))
    await load('cytoplex-installed', '1.0.0')
    assert.ok(registry.listProviders('rankers').includes('installed'))
  })

  it('is found by its path, through exports, main or index.js', async () => {
    await pack('by-exports', registering('by-exports'), { name: 'by-exports', exports: './index.js' })
    await pack('by-main', 'throw new Error("not this file")', { main: './main.js' })
    await writeFile(join(root, 'by-main', 'main.js'), registering('by-main'))
    await pack('by-index', registering('by-index'))
    await load('./by-exports', '1.0.0')
    await load(join(root, 'by-main'), '1.0.0')
    await load('../by-index', '1.0.0', { directory: join(root, 'by-main') })
    for (const name of ['by-exports', 'by-main', 'by-index'])
      assert.ok(registry.listProviders('rankers').includes(name))
  })

  it('uses the registry of this process, even with another copy of the program beside it', async () => {
    await pack('node_modules/cytoplex', 'throw new Error("the other copy")', {
      name: 'cytoplex',
      exports: { './plugins': './index.js' },
    })
    await pack('with-copy', registering('with-copy'))
    await load('./with-copy', '1.0.0')
    assert.ok(registry.listProviders('rankers').includes('with-copy'))
  })
})

describe('a plugin that does not load', () => {
  it('stops the start, and the reason says what was found', async () => {
    await pack('throws', 'throw new Error("out of paint")')
    await pack('twice', `${registering('twice')}; registerProvider('rankers', 'twice', () => ({}))`)
    await pack(
      'stray',
      `import { registerProvider } from 'cytoplex/plugins'; registerProvider('tables', 'x', () => ({}))`,
    )
    await pack('broken', 'export const = 1')
    await mkdir(join(root, 'no-manifest'))
    const failures: [name: string, version: string, says: RegExp, cause?: RegExp][] = [
      ['./throws', '1.0.0', /plugin \.\/throws@1\.0\.0 did not load: out of paint/, /out of paint/],
      ['./twice', '1.0.0', /rankers\/twice is registered already/],
      ['./stray', '1.0.0', /no package "tables"; there are .*rankers/],
      ['./broken', '1.0.0', /did not load: Unexpected token/, /Unexpected token/],
      ['./throws', '1.0.1', /found version 1\.0\.0, the configuration names 1\.0\.1/],
      ['./no-manifest', '1.0.0', /package\.json cannot be read/],
      ['./nowhere', '1.0.0', /package\.json cannot be read: ENOENT/],
      ['cytoplex-nowhere', '1.0.0', /no such package is installed for /],
    ]
    for (const [name, version, says, cause] of failures)
      await assert.rejects(load(name, version), isStartError(says, cause))
  })

  it('is left out with a warning where it is optional', async () => {
    await load('./nowhere', '1.0.0', { optional: true })
    const { level, message } = lines.at(-1)!
    assert.equal(level, 'warn')
    assert.match(message, /plugin \.\/nowhere@1\.0\.0 did not load/)
  })
})
