import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { cleanEnvironment, LAUNCHER, outcome, temporary } from './launch.ts'

/** Runs a launcher with nothing of this machine on the PATH but the tools of a shell. */
function run(
  launcher: string,
  path: string,
  { args = ['a b', '--c'], built = '' }: { args?: readonly string[]; built?: '' | '1' } = {},
) {
  const env = cleanEnvironment({ PATH: `${path}:/usr/bin:/bin`, RUN_BUILT_CYTOPLEX: built })
  return outcome(spawn(launcher, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }))
}

/** A `node` that tells its version, and how it was called. */
function fakeNode(file: string, version: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(
    file,
    `#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit 0\necho "${version} $$"\nfor word in "$@"; do echo "$word"; done\n`,
  )
  chmodSync(file, 0o755)
}

/** An installation with the launcher and nothing else but a main file. */
function installation(main = 'src/cli/main.ts'): { root: string; launcher: string; bin: string } {
  const folder = temporary()
  const root = join(folder, 'a', 'node_modules', 'cytoplex')
  mkdirSync(join(root, 'scripts'), { recursive: true })
  mkdirSync(join(root, dirname(main)), { recursive: true })
  writeFileSync(join(root, main), '')
  const launcher = join(root, 'scripts', 'cytoplex')
  copyFileSync(LAUNCHER, launcher)
  chmodSync(launcher, 0o755)
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  fakeNode(join(bin, 'node'), 'v20.1.0')
  return { root, launcher, bin }
}

test('without a Node that is new enough: one line, exit 1', async () => {
  const { launcher, bin } = installation()
  const { code, stdout, stderr } = await run(launcher, bin)
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^cytoplex: needs Node\.js 24 or newer, found v20\.1\.0; run 'npm ci' .*\n$/)
})

test('a Node beside it wins over the PATH, one in a parent folder over none, and the PATH is last', async () => {
  const { root, launcher, bin } = installation()
  const version = async () => (await run(launcher, bin)).stdout.split(' ')[0]
  fakeNode(join(bin, 'node'), 'v26.0.0')
  assert.equal(await version(), 'v26.0.0')
  fakeNode(join(root, '..', '.bin', 'node'), 'v24.1.0')
  assert.equal(await version(), 'v24.1.0')
  fakeNode(join(root, 'node_modules', '.bin', 'node'), 'v22.9.0')
  assert.equal(await version(), 'v24.1.0', 'one that is too old is passed over')
  fakeNode(join(root, 'node_modules', '.bin', 'node'), 'v25.0.0')
  assert.equal(await version(), 'v25.0.0')
})

test('an option of V8 goes to the Node.js that is known to have it', async () => {
  const { launcher, bin } = installation()
  const tuned = async (version: string) => {
    fakeNode(join(bin, 'node'), version)
    return (await run(launcher, bin)).stdout.includes('--external-memory-accounted-in-global-limit')
  }
  assert.equal(await tuned('v24.1.0'), true)
  assert.equal(await tuned('v26.0.0'), false)
})

test('arguments arrive as they were given, in the same process', async () => {
  const { root, launcher, bin } = installation()
  fakeNode(join(bin, 'node'), 'v24.1.0')
  const env = cleanEnvironment({ PATH: `${bin}:/usr/bin:/bin`, RUN_BUILT_CYTOPLEX: '' })
  const child = spawn(launcher, ['a b', '', '--c'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const { stdout, stderr } = await outcome(child)
  const expected = [
    `v24.1.0 ${child.pid}`,
    '--disable-warning=ExperimentalWarning',
    '--external-memory-accounted-in-global-limit',
    '--max-semi-space-size=16',
    '--heap-growing-percent=40',
    join(root, 'src/cli/main.ts'),
    'a b',
    '',
    '--c',
    '',
  ]
  assert.deepEqual(stdout.split('\n'), expected)
  assert.equal(stderr, '')
})

test('it finds its place through links, relative and absolute', async () => {
  const { root, launcher, bin } = installation()
  fakeNode(join(bin, 'node'), 'v24.1.0')
  const links = join(root, '..', '.bin')
  mkdirSync(links)
  symlinkSync('../cytoplex/scripts/cytoplex', join(links, 'cytoplex'))
  symlinkSync(join(links, 'cytoplex'), join(bin, 'cytoplex'))
  symlinkSync(launcher, join(bin, 'direct'))
  for (const link of [join(links, 'cytoplex'), join(bin, 'cytoplex'), join(bin, 'direct')]) {
    const { stdout } = await run(link, bin)
    assert.equal(stdout.split('\n')[5], join(root, 'src/cli/main.ts'), link)
  }
})

test('a published package runs what was built', async () => {
  const { root, launcher, bin } = installation('dist/node/main.js')
  fakeNode(join(bin, 'node'), 'v24.1.0')
  assert.equal((await run(launcher, bin)).stdout.split('\n')[5], join(root, 'dist/node/main.js'))
})

test('a checkout runs its sources, unless what was built is asked for', async () => {
  const { root, launcher, bin } = installation()
  fakeNode(join(bin, 'node'), 'v24.1.0')
  const main = async (built: '' | '1') => (await run(launcher, bin, { built })).stdout.split('\n')[5]
  assert.equal(await main(''), join(root, 'src/cli/main.ts'))
  assert.equal((await run(launcher, bin, { built: '1' })).code, 1, 'there is none yet')
  mkdirSync(join(root, 'dist/node'), { recursive: true })
  writeFileSync(join(root, 'dist/node/main.js'), '')
  assert.equal(await main('1'), join(root, 'dist/node/main.js'))
  assert.equal(await main(''), join(root, 'src/cli/main.ts'))
})

test('an incomplete installation says so', async () => {
  const { launcher, bin } = installation('elsewhere/main.ts')
  fakeNode(join(bin, 'node'), 'v24.1.0')
  const { code, stderr } = await run(launcher, bin)
  assert.equal(code, 1)
  assert.match(stderr, /^cytoplex: this installation is incomplete.*\n$/)
})
