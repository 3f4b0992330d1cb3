import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from '../../../src/kernel/base/make-directory.ts'

test('makes what is missing, for this user alone, and leaves what is there', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cytoplex-make-'))
  t.after(() => rm(folder, { recursive: true }))
  for (let times = 0; times < 2; times++) makeDirectory(join(folder, 'a', 'b', 'c'))
  for (const path of ['a', 'a/b', 'a/b/c']) assert.equal(statSync(join(folder, path)).mode & 0o777, 0o700)
  makeDirectory(folder)
})

test('says why it cannot, at once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cytoplex-make-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'file'), '')
  assert.throws(() => makeDirectory(join(folder, 'file')), { code: 'EEXIST' })
  assert.throws(() => makeDirectory(join(folder, 'file', 'x', 'y')), { code: 'ENOTDIR' })
})

const noProc = existsSync('/proc/self') ? false : 'this system has no /proc'
test('a parent that takes no directories', { skip: noProc }, () => {
  assert.throws(() => makeDirectory('/proc/x/y'), /no directory can be made in \/proc$/)
})
