import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fromBase64Url, toBase64Url } from '../../../src/kernel/base/bytes.ts'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { openSecretSeal } from '../../../src/kernel/identity/sealed-secret.ts'
import { temporaryFolder } from '../../support/folders.ts'

const SECRET = randomBytes(32)

test('a secret opens for the purpose that it was sealed for, also after a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const sealed = openSecretSeal(folder).seal(SECRET, 'webhook a')
  assert.equal((await stat(join(folder, 'secrets.key'))).mode & 0o777, 0o600)
  assert.deepEqual(openSecretSeal(folder).open(sealed, 'webhook a'), new Uint8Array(SECRET))
  assert.throws(() => openSecretSeal(folder).open(sealed, 'webhook b'))
})

test('nothing of a secret shows, and the same secret is sealed differently each time', async (t) => {
  const seal = openSecretSeal(await temporaryFolder(t))
  const [one, other] = [seal.seal(SECRET, 'a'), seal.seal(SECRET, 'a')]
  assert.notEqual(one, other)
  assert.ok(!Buffer.from(fromBase64Url(one)).includes(SECRET.subarray(0, 8)))
  assert.deepEqual(seal.open(seal.seal(new Uint8Array(), 'a'), 'a'), new Uint8Array())
})

test('what was changed in any byte, cut off or sealed elsewhere does not open', async (t) => {
  const seal = openSecretSeal(await temporaryFolder(t))
  const sealed = fromBase64Url(seal.seal(SECRET, 'a'))
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice()
    changed[at]! ^= 1
    assert.throws(() => seal.open(toBase64Url(changed), 'a'), `byte ${at}`)
    assert.throws(() => seal.open(toBase64Url(sealed.subarray(0, at)), 'a'), `${at} bytes`)
  }
  const other = openSecretSeal(await temporaryFolder(t))
  assert.throws(() => other.open(toBase64Url(sealed), 'a'))
})

test('a key that others may read, or that is none, is a reason not to start; the message repeats nothing of it', async (t) => {
  const folder = await temporaryFolder(t)
  openSecretSeal(folder)
  const path = join(folder, 'secrets.key')
  await chmod(path, 0o644)
  assert.throws(() => openSecretSeal(folder), StartError)
  await chmod(path, 0o600)
  const text = await readFile(path, 'utf8')
  for (const bad of [
    '',
    '{}',
    text.slice(0, 30),
    JSON.stringify({ format: 1, key: 'c2VjcmV0' }),
    text.replace('"key"', '"k"'),
  ]) {
    await writeFile(path, bad)
    assert.throws(
      () => openSecretSeal(folder),
      (error) => error instanceof StartError && !error.message.includes('c2VjcmV0'),
    )
  }
})
