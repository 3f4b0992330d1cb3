import assert from 'node:assert/strict'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { runInSandbox, type SandboxRun } from '../../../src/kernel/sandbox/run.ts'

const MIB = 1024 * 1024
const program = new URL('programs/hostile.ts', import.meta.url)

const folder = await mkdtemp(join(tmpdir(), 'cytoplex-sandbox-'))
after(() => rm(folder, { recursive: true }))

/** Runs one of the program's deeds. */
function run(argument: string, options: Partial<SandboxRun> = {}) {
  return runInSandbox({
    program,
    argument,
    input: new Uint8Array(),
    memoryBytes: 64 * MIB,
    deadlineMs: 30_000,
    outputBytes: 10_000,
    ...options,
  })
}

async function crash(argument: string): Promise<string> {
  const ended = await run(argument)
  assert.equal(ended.outcome, 'crashed')
  return ended.outcome === 'crashed' ? ended.reason : ''
}

describe('what goes in and comes out', () => {
  it('hands over bytes and files, and brings back an answer', async () => {
    const path = join(folder, 'input')
    await writeFile(path, 'from a file')
    assert.deepEqual(await run('echo', { input: Buffer.from('from memory') }), {
      outcome: 'answered',
      value: 'from memory',
    })
    assert.deepEqual(await run('echo', { input: { path, size: 11 } }), { outcome: 'answered', value: 'from a file' })
  })

  it('ends a program that leaves its input unread', async () => {
    const path = join(folder, 'large')
    await writeFile(path, Buffer.alloc(4 * MIB))
    for (const input of [Buffer.alloc(4 * MIB), { path, size: 4 * MIB }]) {
      assert.deepEqual(await run('ignore', { input }), { outcome: 'answered', value: 'ignored' })
    }
  })

  it('rejects a file that is absent or has another size', async () => {
    await assert.rejects(run('echo', { input: { path: join(folder, 'absent'), size: 1 } }), /ENOENT/)
    await writeFile(join(folder, 'short'), 'abc')
    await assert.rejects(run('echo', { input: { path: join(folder, 'short'), size: 4 } }), /has 3 bytes, expected 4/)
  })

  it('kills a program that answers too much', async () => {
    assert.match(await crash('flood'), /more than 10000 bytes/)
  })

  it('tells an answer from an early end', async () => {
    assert.match(await crash('exit'), /its answer of 0 bytes is not JSON/)
  })
})

describe('what a program cannot reach', () => {
  for (const deed of ['read', 'readTests', 'list', 'environ', 'write', 'execute', 'thread']) {
    it(`is refused: ${deed}`, async () => {
      assert.match(await crash(deed), /Access to this API has been restricted/)
    })
  }

  it('sees no environment, no files of this process, and no folder of its own', async () => {
    process.env.SANDBOX_SECRET = 'secret'
    const inherited = await open(join(folder, 'private'), 'w')
    try {
      assert.deepEqual(await run('surroundings'), {
        outcome: 'answered',
        value: { cwd: '/', environment: [], files: [] },
      })
    } finally {
      await inherited.close()
      delete process.env.SANDBOX_SECRET
    }
  })
})

describe('limits', () => {
  it('kills at the deadline, whether the program computes or waits', async () => {
    assert.deepEqual(await run('loop', { deadlineMs: 300 }), { outcome: 'timed_out' })
    assert.deepEqual(await run('wait', { deadlineMs: 300 }), { outcome: 'timed_out' })
  })

  it('ends a program whose heap is full', async () => {
    assert.deepEqual(await run('heap'), { outcome: 'out_of_memory' })
  })

  for (const deed of ['buffers', 'memories']) {
    it(`ends a program that takes memory outside of the heap: ${deed}`, {
      skip: process.platform === 'linux' ? false : 'only Linux bounds the memory of a process',
    }, async () => {
      assert.deepEqual(await run(deed), { outcome: 'out_of_memory' })
    })
  }

  it('bounds each WebAssembly memory', async () => {
    assert.deepEqual(await run('memory'), { outcome: 'out_of_memory' })
  })

  it('says why a program ended', async () => {
    assert.match(await crash('throw'), /exit code 1: TypeError: a reason/)
    assert.match(await crash('abort'), /SIGABRT/)
  })
})

describe('many runs', () => {
  it('answers each with its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => run('echo', { input: Buffer.from(`run ${index}`) })),
    )
    assert.deepEqual(
      answers.map((answer) => answer.outcome === 'answered' && answer.value),
      Array.from({ length: 8 }, (_, index) => `run ${index}`),
    )
  })

  it('rejects those that run and those that wait when their signal aborts, and stays usable', async () => {
    const controller = new AbortController()
    const running = Promise.allSettled(Array.from({ length: 6 }, () => run('wait', { signal: controller.signal })))
    controller.abort(new Error('enough'))
    for (const result of await running) {
      assert.equal(result.status, 'rejected')
      assert.match(String(result.status === 'rejected' && result.reason), /enough/)
    }
    assert.deepEqual(await run('nothing'), { outcome: 'answered', value: null })
  })

  it('starts quickly', async (t) => {
    const started = performance.now()
    for (let count = 0; count < 5; count++) await run('nothing')
    t.diagnostic(`${((performance.now() - started) / 5).toFixed(0)} ms for a program that does nothing`)
  })
})
