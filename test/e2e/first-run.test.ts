import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { cleanEnvironment, cytoplex } from '../cli/launch.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

const FREE = ['--http-port', '0', '--p2p-port', '0', '--p2p-host', '127.0.0.1']
const ONE_LINE = /^cytoplex: [^\n]+\n$/

async function takenPort(t: TestContext): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => server.close())
  return String((server.address() as { port: number }).port)
}

/** Waits until a log has a line that fits. */
async function untilLogged(dataDir: string, line: RegExp): Promise<string> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const found = (await readFile(`${dataDir}.log`, 'utf8')).split('\n').find((text) => line.test(text))
    if (found !== undefined) return found
    if (performance.now() > deadline) assert.fail(`nothing like ${line} was logged`)
    await new Promise((again) => setTimeout(again, 50))
  }
}

test('a port that is taken: one line names it, and what to do', async (t) => {
  const folder = await temporaryFolder(t)
  const port = await takenPort(t)
  const args = ['start', '--data-dir', join(folder, 'data'), '--http-host', '127.0.0.1', '--p2p-host', '127.0.0.1']
  const http = await cytoplex([...args, '--http-port', port, '--p2p-port', '0'])
  assert.equal(http.code, 1)
  assert.match(
    lastLine(http.stderr),
    new RegExp(
      `cannot listen for HTTP on 127\\.0\\.0\\.1:${port}: another program uses that port: end it .*choose another http\\.port`,
    ),
  )
  const p2p = await cytoplex([...args, '--http-port', '0', '--p2p-port', port])
  assert.equal(p2p.code, 1)
  assert.match(
    lastLine(p2p.stderr),
    /P2P cannot listen on .*another program uses that port.* Choose another p2p\.port \(--p2p-port\) or p2p\.host/,
  )
})

/** What is said at the end; before it may stand lines of the log. */
const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? ''

test('seeds that nobody answers at: the node runs, and its log says what to look at', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'data')
  await nodeProcess(t, { dataDir, seeds: ['127.0.0.1:1'] })
  const line = JSON.parse(await untilLogged(dataDir, /a seed does not answer/)) as Record<string, string>
  assert.equal(line.seed, '127.0.0.1:1')
  assert.match(line.msg!, /Check its address and port, that it runs, and that no firewall is between/)
})

test('a clock that is off by an hour: the log says by how much, and how to set it', async (t) => {
  const folder = await temporaryFolder(t)
  const seed = await nodeProcess(t, { dataDir: join(folder, 'seed') })
  const dataDir = join(folder, 'data')
  const module = pathToFileURL(join(import.meta.dirname, '..', 'support', 'wrong-clock.mjs'))
  await nodeProcess(t, {
    dataDir,
    seeds: seed.p2p_addrs,
    env: { NODE_OPTIONS: `--import=${module}`, WRONG_CLOCK_MS: String(60 * 60 * 1000) },
  })
  const line = await untilLogged(dataDir, /clock differs/)
  assert.match(
    line,
    /it is 3[56]\d\d s behind this one, at most 300 s are allowed. Set the one that is wrong: timedatectl set-ntp true/,
  )
})

test('a full disk: one line says which, at the first start', async (t) => {
  const folder = await temporaryFolder(t)
  const disk = join(folder, 'disk')
  await mkdir(disk)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { encoding: 'utf8' })
  if (mounted.status !== 0) {
    t.skip(`no small disk can be made here: ${mounted.stderr || mounted.error?.message}`)
    return
  }
  t.after(() => spawnSync('umount', ['-l', disk]))
  spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filled')}`, 'bs=1k', 'count=128'])
  const dataDir = join(disk, 'data')
  const { code, stderr } = await cytoplex(['start', '--data-dir', dataDir, '--key-dir', join(folder, 'keys'), ...FREE])
  assert.equal(code, 1)
  assert.equal(
    lastLine(stderr),
    `cytoplex: the disk of ${dataDir} is full: free some space on it, or choose another --data-dir`,
  )
})

test('a wrong key: one line says where the right one is', async (t) => {
  const folder = await temporaryFolder(t)
  const node = await nodeProcess(t, { dataDir: join(folder, 'data') })
  const { code, stderr } = await cytoplex(['key', 'list', '--node', node.http_url, '--api-key', 'not-the-right-one'])
  assert.equal(code, 4)
  assert.match(stderr, ONE_LINE)
  assert.match(stderr, /the credential is wrong; the administrator's key is in admin\.key of the node's data directory/)
})

test('keys of another node: one line names both, and the flag', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  for (const dataDir of [a, b]) await (await nodeProcess(t, { dataDir })).stop()
  const { code, stderr } = await cytoplex(
    ['start', '--data-dir', a, '--key-dir', `${b}.keys`, ...FREE],
    cleanEnvironment(),
  )
  assert.equal(code, 1)
  assert.match(
    lastLine(stderr),
    /is the data of 12D\w+, but the keys are those of 12D\w+: name the --key-dir that belongs to it/,
  )
})
