import assert from 'node:assert/strict'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { openMemoryKey } from '../../../src/kernel/identity/memory-key.ts'
import { temporaryFolder } from '../../support/folders.ts'

const SECRET = Buffer.from('a key of a session, thirty-two b')

const startError = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StartError)
  assert.match(error.message, message)
  return true
}

test('what was wrapped opens after a restart, with the file alone', async (t) => {
  const keyDirectory = await temporaryFolder(t)
  const options = { keyDirectory, passphraseFile: null, needed: false }
  const wrapped = openMemoryKey(options).seal(SECRET, 'a')
  assert.equal((await stat(join(keyDirectory, 'memory.key'))).mode & 0o777, 0o600)
  assert.deepEqual(Buffer.from(openMemoryKey({ ...options, needed: true }).open(wrapped, 'a')), SECRET)
})

test('a passphrase locks the file, from the start on or later, and a wrong one is refused', async (t) => {
  const keyDirectory = await temporaryFolder(t)
  const folder = await temporaryFolder(t)
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text)
    return join(folder, name)
  }
  const right = await file('right', 'correct horse battery\nwhatever follows\n')
  const open = (passphraseFile: string | null) => openMemoryKey({ keyDirectory, passphraseFile, needed: true })
  const plain = openMemoryKey({ keyDirectory, passphraseFile: null, needed: false })
  const { key } = JSON.parse(await readFile(join(keyDirectory, 'memory.key'), 'utf8'))
  const wrapped = plain.seal(SECRET, 'a')

  assert.deepEqual(Buffer.from(open(right).open(wrapped, 'a')), SECRET)
  const locked = await readFile(join(keyDirectory, 'memory.key'), 'utf8')
  assert.ok(!locked.includes(key))
  assert.doesNotMatch(locked, /horse/)
  assert.deepEqual(Buffer.from(open(right).open(wrapped, 'a')), SECRET)
  const wrong = await file('wrong', 'correct horse batterx\n')
  assert.throws(() => open(wrong), startError(/does not open/))
  assert.throws(() => open(null), startError(/memory\.passphrase_file/))
  const short = await file('short', 'short\n')
  assert.throws(() => open(short), startError(/at least 12/))
  assert.throws(() => open(join(folder, 'absent')), startError(/cannot be read/))
})

test('a key that sessions need is not made anew, and a damaged or open file is refused', async (t) => {
  const keyDirectory = await temporaryFolder(t)
  const options = { keyDirectory, passphraseFile: null, needed: true }
  assert.throws(() => openMemoryKey(options), startError(/missing/))
  openMemoryKey({ ...options, needed: false })
  const path = join(keyDirectory, 'memory.key')
  await chmod(path, 0o644)
  assert.throws(() => openMemoryKey(options), startError(/chmod 600/))
  await chmod(path, 0o600)
  for (const text of ['', '{}', '{"format":1,"key":"AAAA"}', '{"format":2,"key":"AAAA"}']) {
    await writeFile(path, text)
    assert.throws(() => openMemoryKey(options), startError(/corrupt/))
  }
})
