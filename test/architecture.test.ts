import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { drawRooms, readImports, roomOf, withPicture } from '../scripts/dependency-graph.ts'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const graph = await readImports(['src', 'protocol', 'scripts', 'test'])
const sources = graph.modules.filter((module) => /^(src|protocol)\/.*\.tsx?$/.test(module.source))

/** A file's text without comments, so that words in prose do not count. */
async function code(path: string): Promise<string> {
  const text = await readFile(join(ROOT, path), 'utf8')
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** A small project with one planted import, judged by the real rules: the names of the rules that it breaks. */
async function broken(from: string, specifier: string, ...others: string[]): Promise<string[]> {
  const base = await mkdtemp(join(tmpdir(), 'cytoplex-layers-'))
  try {
    await symlink(join(ROOT, 'node_modules'), join(base, 'node_modules'))
    await symlink(join(ROOT, 'package.json'), join(base, 'package.json'))
    for (const path of ['src/kernel/base/kept.ts', 'protocol/kept.ts', from, ...others]) {
      await mkdir(join(base, dirname(path)), { recursive: true })
      await writeFile(join(base, path), 'export const kept = 1\n')
    }
    await writeFile(join(base, from), `import * as planted from '${specifier}'\nexport { planted }\n`)
    const { summary } = await readImports(['src', 'protocol'], base)
    return summary.violations.filter((violation) => violation.from === from).map((violation) => violation.rule.name)
  } finally {
    await rm(base, { recursive: true })
  }
}

describe('who may import whom', () => {
  it('sees the whole project', () => {
    assert.ok(sources.length >= 100, `${sources.length} modules seen: an empty check is green too`)
    const rooms = new Set(sources.map((module) => roomOf(module.source)))
    for (const room of [
      'protocol',
      'kernel/base',
      'kernel/config',
      'kernel/egress',
      'kernel/identity',
      'kernel/log',
      'kernel/plugins',
      'kernel/sandbox',
      'kernel/storage',
      'kernel/telemetry',
      'kernel/text',
      'domain/access',
      'domain/analytics',
      'domain/cells',
      'domain/federation',
      'providers',
      'network',
      'node',
      'http',
      'cli',
      'client',
      'dashboard',
    ]) {
      assert.ok(rooms.has(room), `no module of ${room} was seen`)
    }
    const edges = sources.reduce((sum, module) => sum + module.dependencies.length, 0)
    assert.ok(edges > 2 * sources.length, `${edges} imports seen`)
  })

  it('holds', () => {
    const found = graph.summary.violations.map(({ rule, from, to, cycle }) => {
      const path = cycle === undefined ? to : cycle.map((step) => step.name).join(' -> ')
      return `${rule.name}: ${from} -> ${path}`
    })
    assert.deepEqual(found, [])
  })

  const planted: readonly [rule: string, from: string, specifier: string, target: string][] = [
    ['room-protocol', 'protocol/a.ts', '../src/kernel/base/b.ts', 'src/kernel/base/b.ts'],
    ['room-base', 'src/kernel/base/a.ts', '../storage/b.ts', 'src/kernel/storage/b.ts'],
    ['room-kernel', 'src/kernel/storage/a.ts', '../identity/b.ts', 'src/kernel/identity/b.ts'],
    ['room-log', 'src/kernel/log/a.ts', '../config/b.ts', 'src/kernel/config/b.ts'],
    ['room-domain', 'src/domain/cells/a.ts', '../federation/b.ts', 'src/domain/federation/b.ts'],
    ['room-domain', 'src/domain/cells/a.ts', '../../http/b.ts', 'src/http/b.ts'],
    ['room-network', 'src/network/a.ts', '../domain/cells/b.ts', 'src/domain/cells/b.ts'],
    ['room-providers', 'src/providers/validators/a.ts', '../../domain/cells/b.ts', 'src/domain/cells/b.ts'],
    ['room-providers', 'src/providers/validators/a.ts', '../rankers/b.ts', 'src/providers/rankers/b.ts'],
    ['room-built-in', 'src/providers/built-in.ts', '../node/b.ts', 'src/node/b.ts'],
    ['room-node', 'src/node/a.ts', '../http/b.ts', 'src/http/b.ts'],
    ['room-http', 'src/http/a.ts', '../domain/cells/b.ts', 'src/domain/cells/b.ts'],
    ['room-cli', 'src/cli/a.ts', '../network/b.ts', 'src/network/b.ts'],
    ['room-client', 'src/client/a.ts', '../node/b.ts', 'src/node/b.ts'],
    ['room-dashboard', 'src/dashboard/a.ts', '../node/b.ts', 'src/node/b.ts'],
    ['room-http', 'src/http/a.ts', '../dashboard/b.ts', 'src/dashboard/b.ts'],
    ['client-is-browser-safe', 'src/dashboard/a.ts', 'node:fs', 'src/dashboard/b.ts'],
    ['door-pages', 'src/client/a.ts', 'preact', 'src/client/b.ts'],
    ['product-without-tools', 'src/node/a.ts', '../../scripts/b.ts', 'scripts/b.ts'],
    ['client-is-browser-safe', 'src/client/a.ts', 'node:fs', 'src/client/b.ts'],
    ['door-libp2p', 'src/node/a.ts', 'libp2p', 'src/node/b.ts'],
    ['door-libp2p', 'src/node/a.ts', '@libp2p/tcp', 'src/node/b.ts'],
    ['door-level', 'src/node/a.ts', 'level', 'src/node/b.ts'],
    ['door-fastify', 'src/node/a.ts', 'fastify', 'src/node/b.ts'],
    ['door-ed25519', 'src/node/a.ts', '@noble/ed25519', 'src/node/b.ts'],
    ['door-workers', 'src/node/a.ts', 'node:worker_threads', 'src/node/b.ts'],
    ['door-sqlite', 'src/kernel/storage/a.ts', 'node:sqlite', 'src/kernel/storage/b.ts'],
    ['door-processes', 'src/node/a.ts', 'node:child_process', 'src/node/b.ts'],
    ['door-archives', 'src/node/a.ts', 'tar-stream', 'src/node/b.ts'],
    ['door-components', 'src/node/a.ts', '@bytecodealliance/jco-transpile', 'src/node/b.ts'],
    ['door-websockets', 'src/node/a.ts', 'ws', 'src/node/b.ts'],
    ['door-jwt', 'src/node/a.ts', 'jose', 'src/node/b.ts'],
    ['door-sockets', 'src/node/a.ts', 'node:https', 'src/node/b.ts'],
    ['declared', 'src/node/a.ts', 'fast-check', 'src/node/b.ts'],
    ['resolvable', 'src/node/a.ts', './absent.ts', 'src/node/b.ts'],
  ]
  for (const [rule, from, specifier, target] of planted) {
    it(`${rule} catches ${from} -> ${specifier}`, async () => {
      assert.ok((await broken(from, specifier, target)).includes(rule))
    })
  }

  it('every rule but the one on circles, which is next, is planted against', () => {
    const rules: readonly { name: string }[] = createRequire(import.meta.url)('../scripts/layers.cjs').forbidden
    assert.deepEqual(
      new Set(planted.map(([rule]) => rule).concat('no-circles')),
      new Set(rules.map(({ name }) => name)),
    )
  })

  it('no-circles catches a module that imports itself by way of another', async () => {
    assert.deepEqual(await broken('src/node/a.ts', './a.ts'), ['no-circles'])
  })
})

describe('what imports cannot show', () => {
  it('only the SDK and the one door of the dashboard call fetch', async () => {
    for (const { source } of sources) {
      if (source.startsWith('src/client/') || source === 'src/dashboard/api.ts') continue
      assert.doesNotMatch(await code(source), /(?<![.\w])(globalThis\.)?fetch\(/, `${source} calls fetch`)
    }
  })

  it('what the SDK reaches uses no global of Node', async () => {
    const bySource = new Map(graph.modules.map((module) => [module.source, module]))
    const reached = new Set(sources.map((module) => module.source).filter((path) => path.startsWith('src/client/')))
    for (const path of reached) {
      for (const { resolved } of bySource.get(path)?.dependencies ?? []) {
        if (/^(src|protocol)\//.test(resolved)) reached.add(resolved)
      }
    }
    assert.ok(reached.size > 5, `${reached.size} modules reached`)
    for (const path of reached) {
      assert.doesNotMatch(
        await code(path),
        /(?<![.\w'"`-])(Buffer|process|require|__dirname)\b[.(]/,
        `${path} needs Node`,
      )
    }
  })

  it('signatures of node:crypto are made and checked in kernel/identity only', async () => {
    const banned =
      /import\s*\{[^}]*\b(sign|verify|createSign|createVerify|createPrivateKey|generateKeyPair\w*)\b[^}]*\}\s*from 'node:crypto'/
    for (const { source } of sources) {
      if (source.startsWith('src/kernel/identity/')) continue
      assert.doesNotMatch(await code(source), banned, `${source} signs or verifies by itself`)
    }
  })

  it('nothing switches a check off', async () => {
    for (const { source } of graph.modules) {
      if (!/^(src|protocol|scripts|test)\/.*\.tsx?$/.test(source) || source === 'test/architecture.test.ts') continue
      // There, mistakes that the types of the SDK must catch are what is tested.
      if (source === 'test/client/types.ts') continue
      const text = await readFile(join(ROOT, source), 'utf8')
      assert.doesNotMatch(text, /@ts-(ignore|nocheck|expect-error)|biome-ignore|\bas any\b/, source)
    }
  })
})

describe('ARCHITECTURE.md', async () => {
  const document = await readFile(join(ROOT, 'ARCHITECTURE.md'), 'utf8')

  it('shows the graph as it is (npm run graph)', () => {
    assert.equal(document, withPicture(document, drawRooms(sources)))
  })

  it('has one line for every source file, and none for what is gone', () => {
    assert.deepEqual(roomMap(document).sort(), sources.map((module) => module.source).sort())
  })

  it('names every dependency with its reason', async () => {
    const text = await readFile(join(ROOT, 'package.json'), 'utf8')
    const declared = JSON.parse(text) as { dependencies: object; devDependencies: object }
    const missing = [...Object.keys(declared.dependencies), ...Object.keys(declared.devDependencies)].filter(
      (name) => !document.includes(`\`${name}\``),
    )
    assert.deepEqual(missing, [])
  })
})

/** The files of the room map: rows like `| \`file.ts\` | … |` under headings like `### \`folder/\``. */
function roomMap(document: string): string[] {
  const files: string[] = []
  let folder = ''
  for (const line of document.split('\n')) {
    folder = /^### `(.*)`$/.exec(line)?.[1] ?? (line.startsWith('#') ? '' : folder)
    const file = /^\| `([^`]+\.tsx?)` \|/.exec(line)?.[1]
    if (folder !== '' && file !== undefined) files.push(folder + file)
  }
  return files
}
