import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { CYTOPLEX } from '../../scripts/nodes.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>()
  execFile(CYTOPLEX, args, { env: { ...process.env, NO_COLOR: '1' } }, (error, stdout, stderr) =>
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
  )
  return promise
}

async function ask(url: string, ca: string): Promise<string> {
  const [answer] = await once(get(url, { agent: false, ca }), 'response')
  let text = ''
  for await (const part of answer.setEncoding('utf8')) text += part
  return text
}

const listening = (log: string, what: string): string =>
  log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .find(({ msg }) => msg === what).url

test('a node with a certificate of its own: verbs on this machine trust it, and it stays the same', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'node.yaml')
  await writeFile(
    file,
    'http: { tls: { self_signed: true } }\nhealth_port: 0\nenable_health_server: true\nws_port: 0\n',
  )
  const dataDir = join(folder, 'data')
  const node = await nodeProcess(t, { dataDir, args: ['--config', file] })
  assert.match(node.http_url, /^https:\/\/127\.0\.0\.1:/)
  const ca = await readFile(join(dataDir, 'http-certificate.pem'), 'utf8')
  assert.equal(await ask(`${node.http_url}/health`, ca), 'OK')
  const log = await readFile(`${dataDir}.log`, 'utf8')
  assert.match(await ask(`${listening(log, 'listening for health checks')}/ready`, ca), /^READY/)
  assert.equal(await ask(`${listening(log, 'listening for events')}/health`, ca), 'OK')

  const status = await run('status', '--data-dir', dataDir)
  assert.deepEqual([status.code, status.stderr], [0, ''])
  const keys = await run('key', 'list', '--data-dir', dataDir)
  assert.equal(keys.code, 0, keys.stderr)
  // Another machine's verbs do not know the certificate.
  assert.notEqual((await run('status', '--node', node.http_url)).code, 0)

  await node.stop()
  const again = await nodeProcess(t, { dataDir, args: ['--config', file] })
  assert.equal(await ask(`${again.http_url}/health`, ca), 'OK')
})

test('files that are no certificate are a reason not to start, and the message names the key', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'node.yaml')
  await writeFile(file, `http: { tls: { cert: ${folder}/none.pem, key: ${folder}/none.key } }\n`)
  const args = ['--config', file, '--data-dir', join(folder, 'data'), '--http-port', '0', '--p2p-port', '0']
  const { code, stderr } = await run('start', ...args)
  assert.notEqual(code, 0)
  assert.match(stderr, /http\.tls\.cert: .*none\.pem cannot be read/)
})
