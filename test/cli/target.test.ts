import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CliError } from '../../src/cli/exit-codes.ts'
import { resolveTarget, targetFlags } from '../../src/cli/target.ts'
import { loadAdminKey } from '../../src/kernel/config/admin-key.ts'
import { temporary } from './launch.ts'

const PROVIDER = '12D3KooWHM7rryjwQRAp4mV2chMnv9kMBxnSLEE59QVPzNkzaNMb'

/** A home whose default data directory has a key, and a running node unless told otherwise. */
function home({ running = true } = {}) {
  const HOME = temporary()
  const dataDir = join(HOME, '.local/share/cytoplex')
  mkdirSync(dataDir, { recursive: true })
  const { key } = loadAdminKey(dataDir, {})
  if (running) {
    const file = { provider_id: PROVIDER, http_url: 'http://127.0.0.1:4711', p2p_addrs: [], pid: 1 }
    writeFileSync(join(dataDir, 'node.json'), JSON.stringify(file))
  }
  return { env: { HOME }, dataDir, key }
}

function fails(action: () => unknown, exitCode: number, message: RegExp): void {
  assert.throws(
    action,
    (error) => error instanceof CliError && error.exitCode === exitCode && message.test(error.message),
  )
}

test('the node that runs on the default data directory, with its key', () => {
  const { env, key } = home()
  assert.deepEqual(resolveTarget({}, env), { url: 'http://127.0.0.1:4711', apiKey: key })
})

test('without a running node, the default address, and no key', () => {
  assert.deepEqual(resolveTarget({}, home({ running: false }).env), { url: 'http://127.0.0.1:8000' })
})

test('--node wins over CYTOPLEX_URL, that over node.json; neither gets the key of a data directory', () => {
  const { env } = home()
  const CYTOPLEX_URL = 'http://b.example:1/'
  assert.deepEqual(resolveTarget({}, { ...env, CYTOPLEX_URL }), { url: 'http://b.example:1' })
  assert.deepEqual(resolveTarget({ node: 'https://a.example/base/' }, { ...env, CYTOPLEX_URL }), {
    url: 'https://a.example/base',
  })
})

test('a key that was given goes to any node: --api-key, else CYTOPLEX_ADMIN_KEY', () => {
  const { env } = home()
  const node = 'http://a.example'
  const CYTOPLEX_ADMIN_KEY = 'of-the-environment'
  assert.equal(resolveTarget({ node }, { ...env, CYTOPLEX_ADMIN_KEY }).apiKey, 'of-the-environment')
  assert.equal(resolveTarget({ node, apiKey: 'given' }, { ...env, CYTOPLEX_ADMIN_KEY }).apiKey, 'given')
})

test('--data-dir and CYTOPLEX_DATA_DIR name a node on this machine', () => {
  const other = home()
  const { env } = home({ running: false })
  const expected = { url: 'http://127.0.0.1:4711', apiKey: other.key }
  assert.deepEqual(resolveTarget({ dataDir: other.dataDir }, env), expected)
  assert.deepEqual(resolveTarget({}, { ...env, CYTOPLEX_DATA_DIR: other.dataDir }), expected)
  assert.deepEqual(resolveTarget({ dataDir: other.dataDir, node: 'http://n.example' }, env), {
    url: 'http://n.example',
    apiKey: other.key,
  })
})

test('the flags are given again as a shell takes them, a key not', () => {
  assert.equal(targetFlags({}), '')
  assert.equal(
    targetFlags({ node: 'http://a.example:1/', apiKey: 'secret', dataDir: "it's mine\u001b" }),
    ` --node http://a.example:1/ --api-key KEY --data-dir 'it'\\''s mine\\u001b'`,
  )
})

test('a data directory on which no node runs is unreachable', () => {
  const { env, dataDir } = home({ running: false })
  fails(() => resolveTarget({ dataDir }, env), 5, /no node runs on/)
})

test('what is no URL is a mistake in the command line', () => {
  for (const node of ['127.0.0.1:8000', 'ftp://x', 'nonsense'])
    fails(() => resolveTarget({ node }, home().env), 2, /--node/)
})

test('a node.json that no node wrote is named', () => {
  const { env, dataDir } = home()
  for (const text of ['{', '{}', '[]']) {
    writeFileSync(join(dataDir, 'node.json'), text)
    fails(() => resolveTarget({}, env), 1, /node\.json is not what a node writes/)
  }
})
