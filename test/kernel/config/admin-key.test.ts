import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { checkAdminKeyEnvironment, loadAdminKey, readAdminKeyFile } from '../../../src/kernel/config/admin-key.ts'

const scratch = mkdtempSync(join(tmpdir(), 'cytoplex-admin-'))
after(() => rmSync(scratch, { recursive: true }))
const folder = () => join(mkdtempSync(join(scratch, 'case-')), 'data')

test('the first start creates a key that only its owner can read, and later starts read it', () => {
  const dataDir = folder()
  const file = join(dataDir, 'admin.key')
  assert.equal(readAdminKeyFile(dataDir), undefined)
  const { key, origin } = loadAdminKey(dataDir, {})
  assert.match(key, /^[A-Za-z0-9_-]{43}$/)
  assert.equal(origin, `file ${file}`)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(dataDir).mode & 0o777, 0o700)
  assert.equal(readFileSync(file, 'utf8'), `${key}\n`)
  assert.deepEqual(loadAdminKey(dataDir, {}), { key, origin })
})

test('two nodes have different keys', () => {
  assert.notEqual(loadAdminKey(folder(), {}).key, loadAdminKey(folder(), {}).key)
})

test('CYTOPLEX_ADMIN_KEY wins, and touches no file', () => {
  const dataDir = folder()
  const key = 'sixteen-letters!'
  assert.deepEqual(loadAdminKey(dataDir, { CYTOPLEX_ADMIN_KEY: key }), {
    key,
    origin: 'environment CYTOPLEX_ADMIN_KEY',
  })
  assert.ok(!existsSync(dataDir))
})

test('keys that can be guessed, or that a header cannot carry, are refused without being shown', () => {
  const wrong = ['', 'fifteen-letters', 'with space in between it', 'with-ümlauts-in-between', 'x'.repeat(2000)]
  for (const key of wrong) {
    const check = (error: unknown) =>
      error instanceof StartError && /16 to 1024/.test(error.message) && !(key && error.message.includes(key))
    assert.throws(() => checkAdminKeyEnvironment({ CYTOPLEX_ADMIN_KEY: key }), check)
    assert.throws(() => loadAdminKey(folder(), { CYTOPLEX_ADMIN_KEY: key }), check)
  }
  checkAdminKeyEnvironment({})
})

test('a key file that others can read, or that holds no key, is refused', () => {
  const dataDir = folder()
  loadAdminKey(dataDir, {})
  const file = join(dataDir, 'admin.key')
  chmodSync(file, 0o640)
  assert.throws(() => loadAdminKey(dataDir, {}), /others may read it \(mode 640\); run: chmod 600/)
  chmodSync(file, 0o600)
  writeFileSync(file, '\n')
  assert.throws(() => loadAdminKey(dataDir, {}), /found 0 characters/)
})
