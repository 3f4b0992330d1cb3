import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

const DEMO = join(import.meta.dirname, '../../scripts/demo.ts')

function demo(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: unknown; stdout: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; stdout: string }>()
  const options = { timeout: 120_000, env: { ...process.env, ...env } }
  execFile(process.execPath, [DEMO, ...args], options, (error, stdout) => resolve({ code: error?.code ?? 0, stdout }))
  return promise
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Resolves when a process that is no child of this one has ended. */
async function ended(pid: number): Promise<void> {
  const deadline = performance.now() + 15_000
  while (isAlive(pid)) {
    assert.ok(performance.now() < deadline, `${pid} still runs`)
    await delay(50)
  }
}

const pidsOf = (stdout: string): number[] => Array.from(stdout.matchAll(/ pid (\d+)$/gm), ([, pid]) => Number(pid))

test('npm run demo does the main job and exits 0', async () => {
  const { code, stdout } = await demo([])
  assert.equal(code, 0, stdout)
  assert.match(stdout, /C is killed; A still answers/)
  assert.equal(stdout.match(/ok, \d+ ms/g)?.length, 7)
  assert.deepEqual(pidsOf(stdout).filter(isAlive), [])
})

test('with --keep, A and B go on until they are stopped by the pids that it prints', async (t) => {
  const { code, stdout } = await demo(['--keep'])
  t.after(() => {
    for (const pid of pidsOf(stdout).filter(isAlive)) process.kill(pid, 'SIGKILL')
  })
  assert.equal(code, 0, stdout)
  const [, a, b] = /^Stop them: kill (\d+) (\d+)$/m.exec(stdout) ?? []
  const [, directory] = /^Data and logs: (.+)$/m.exec(stdout) ?? []
  assert.ok(directory)
  const kept = [Number(a), Number(b)]
  assert.deepEqual(pidsOf(stdout).filter(isAlive).sort(), kept.toSorted(), 'C is gone')
  for (const pid of kept) process.kill(pid)
  await Promise.all(kept.map(ended))
  await rm(directory, { recursive: true })
})

test('with --keep too, a demo that fails leaves nothing running', async () => {
  const { code, stdout } = await demo(['--keep'], { CYTOPLEX_CELLS_SIGN_UPLOADS: 'false' })
  assert.equal(code, 1, stdout)
  const pids = pidsOf(stdout)
  assert.equal(pids.length, 3)
  assert.deepEqual(pids.filter(isAlive), [])
  const [, log = ''] = /^--- (.+)\/a\.log$/m.exec(stdout) ?? []
  assert.ok(log !== '' && !existsSync(log))
})
