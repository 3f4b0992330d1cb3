import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

test('npm run demo does the main job and exits 0', async () => {
  const demo = join(import.meta.dirname, '../../scripts/demo.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [demo], { timeout: 120_000 })
  assert.match(stdout, /C is killed; A still answers/)
  assert.equal(stdout.match(/ok, \d+ ms/g)?.length, 7)
})
