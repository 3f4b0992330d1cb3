import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Check } from 'typebox/value'
import { NodeFile } from '../../protocol/node-file.ts'
import { welcome } from '../../src/cli/welcome.ts'
import { cleanEnvironment, cytoplex, nextLine, outcome, spawnCytoplex, temporary } from './launch.ts'

const PORTS = ['--http-port', '0', '--p2p-port', '0', '--p2p-host', '127.0.0.1']

test('start, ask, start a second time, stop', async (context) => {
  const dataDir = join(temporary(), 'data')
  const child = spawnCytoplex(['start', '--data-dir', dataDir, ...PORTS])
  context.after(() => child.kill('SIGKILL'))
  const ended = outcome(child)
  const line = await nextLine(child)
  const file: unknown = JSON.parse(line)
  assert.ok(Check(NodeFile, file))
  assert.equal(file.pid, child.pid)
  assert.equal(readFileSync(join(dataDir, 'node.json'), 'utf8'), `${line}\n`)
  assert.equal(statSync(join(dataDir, 'admin.key')).mode & 0o777, 0o600)
  assert.ok(
    !readFileSync(join(dataDir, 'node.json'), 'utf8').includes(readFileSync(join(dataDir, 'admin.key'), 'utf8').trim()),
  )

  const status = await cytoplex(['status', '--data-dir', dataDir, '--json'])
  assert.equal(status.code, 0, status.stderr)
  assert.equal(JSON.parse(status.stdout).info.provider_id, file.provider_id)
  const peers = await cytoplex(['peers', '--data-dir', dataDir])
  assert.match(peers.stdout, /^No peer is connected\.$/m, peers.stderr)

  const second = await cytoplex(['start', '--data-dir', dataDir, ...PORTS])
  assert.deepEqual([second.code, second.stdout], [1, ''])
  assert.match(second.stderr, /^cytoplex: [^\n]+\n$/)
  assert.ok(existsSync(join(dataDir, 'node.json')), "the second start leaves the first's file alone")

  child.kill('SIGTERM')
  const { code, stderr } = await ended
  assert.equal(code, 0, stderr)
  for (const entry of stderr.trim().split('\n')) JSON.parse(entry)
  assert.ok(!existsSync(join(dataDir, 'node.json')))

  const id = await cytoplex(['id', '--data-dir', dataDir, '--json'])
  assert.equal(JSON.parse(id.stdout).provider_id, file.provider_id)
})

test('what prevents a start is one line, and leaves nothing behind', async () => {
  const dataDir = join(temporary(), 'data')
  const start = ['start', '--data-dir', dataDir, ...PORTS]
  const cases: [args: string[], env: Record<string, string>, code: number, line: RegExp][] = [
    [[], { CYTOPLEX_ADMIN_KEY: 'short' }, 1, /admin key .*found 5 characters, allowed are 16/],
    [['--log-level', 'loud'], {}, 2, /log\.level \(flag --log-level\)/],
    [['--seed', 'nonsense'], {}, 2, /The seed "nonsense" cannot be used: it has no host and port/],
    [[], { CYTOPLEX_P2P_SEEDS: 'nonsense' }, 1, /The seed "nonsense" cannot be used/],
    [['--config', '/nowhere.yaml'], {}, 1, /no such configuration file/],
    [[], { CYTOPLEX_HTPP_PORT: '1' }, 1, /did you mean CYTOPLEX_HTTP_PORT\?/],
  ]
  for (const [args, env, code, line] of cases) {
    const failed = await cytoplex([...start, ...args], cleanEnvironment(env))
    assert.deepEqual([failed.code, failed.stdout], [code, ''])
    assert.match(failed.stderr, line)
    assert.match(failed.stderr, /^cytoplex: [^\n]+\n$/)
    assert.ok(!existsSync(dataDir))
  }
})

const noProc = existsSync('/proc/self') ? false : 'this system has no /proc'
test('directories that cannot be made are named at once', { skip: noProc }, async () => {
  const [data, keys] = await Promise.all([
    cytoplex(['start', '--data-dir', '/proc/x', ...PORTS]),
    cytoplex(['start', '--data-dir', join(temporary(), 'data'), '--key-dir', '/proc/x', ...PORTS]),
  ])
  assert.equal(data.code, 1)
  assert.equal(data.stderr, 'cytoplex: /proc/x cannot be used as data directory: no directory can be made in /proc\n')
  assert.equal(keys.code, 1)
  assert.equal(keys.stderr, 'cytoplex: keys cannot be created in /proc/x: no directory can be made in /proc\n')
})

test('id before the first start: exit 3', async () => {
  const { code, stderr } = await cytoplex(['id'])
  assert.equal(code, 3)
  assert.match(stderr, /holds no keys/)
})

test('the welcome names what a newcomer needs', () => {
  const file = {
    provider_id: '12D3KooWx',
    http_url: 'http://127.0.0.1:8000',
    p2p_addrs: ['/ip4/127.0.0.1/tcp/9000'],
    pid: 1,
  }
  const env = { HOME: '/home/x' }
  const text = welcome({ file, dataDir: "/tmp/it's", env })
  for (const part of [
    'http://127.0.0.1:8000',
    '/ip4/127.0.0.1/tcp/9000',
    '12D3KooWx',
    "/tmp/it's/admin.key",
    'curl -s http',
    'cytoplex cell push',
    "--data-dir '/tmp/it'\\''s'",
  ]) {
    assert.ok(text.includes(part), part)
  }
  assert.ok(!welcome({ file, dataDir: '/home/x/.local/share/cytoplex', env }).includes('--data-dir'))
})
