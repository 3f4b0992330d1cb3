import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cleanEnvironment, nextLine, outcome, temporary } from './launch.ts'

function run(context: TestContext, behaviour: string): { child: ChildProcess; dataDir: string } {
  const dataDir = join(temporary(), 'data')
  const args = [join(import.meta.dirname, 'serve-fixture.ts'), dataDir, behaviour]
  const child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  context.after(() => child.kill('SIGKILL'))
  return { child, dataDir }
}

const messages = (stderr: string): string[] =>
  stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).msg)

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops cleanly: node.json is gone, exit 0`, async (context) => {
    const { child, dataDir } = run(context, 'clean')
    const ended = outcome(child)
    const line = await nextLine(child)
    assert.deepEqual(readdirSync(dataDir), ['node.json'], 'nothing partial is left')
    assert.equal(readFileSync(join(dataDir, 'node.json'), 'utf8'), `${line}\n`)
    assert.equal(JSON.parse(line).pid, child.pid)
    child.kill(signal)
    const { code, stderr } = await ended
    assert.equal(code, 0)
    assert.deepEqual(messages(stderr), ['ready', 'stopping', 'stopped'])
    assert.ok(!existsSync(join(dataDir, 'node.json')))
  })
}

test('a stop that fails is logged, exit 1', async (context) => {
  const { child } = run(context, 'fails')
  const ended = outcome(child)
  await nextLine(child)
  child.kill('SIGTERM')
  const { code, stderr } = await ended
  assert.equal(code, 1)
  assert.equal(messages(stderr).at(-1), 'the node did not stop cleanly')
})

test('the second signal ends at once', async (context) => {
  const { child, dataDir } = run(context, 'hangs')
  const ended = outcome(child)
  await nextLine(child)
  const stopping = new Promise<void>((resolve) =>
    child.stdout?.on('data', (chunk: Buffer) => chunk.includes('stopping') && resolve()),
  )
  child.kill('SIGTERM')
  await stopping
  child.kill('SIGINT')
  assert.equal((await ended).code, 1)
  assert.ok(!existsSync(join(dataDir, 'node.json')))
})

test('a signal while the node starts is honoured when it has started', async (context) => {
  const { child, dataDir } = run(context, 'slow-start')
  const ended = outcome(child)
  assert.equal(await nextLine(child), 'starting')
  child.kill('SIGTERM')
  const { code, stderr } = await ended
  assert.equal(code, 0)
  assert.deepEqual(messages(stderr), ['ready', 'stopping', 'stopped'])
  assert.ok(!existsSync(join(dataDir, 'node.json')))
})

test('a defect ends the process with a log line, and without node.json', async (context) => {
  const { child, dataDir } = run(context, 'throws')
  const { code, stderr } = await outcome(child)
  assert.equal(code, 1)
  assert.equal(messages(stderr).at(-1), 'uncaught error')
  assert.ok(!existsSync(join(dataDir, 'node.json')))
})
