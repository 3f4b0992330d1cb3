import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { WarmChild } from '../../../src/kernel/sandbox/warm-child.ts'

const program = {
  program: new URL('programs/warm.ts', import.meta.url),
  memoryBytes: 64 * 1024 * 1024,
  deadlineMs: 60_000,
  answerBytes: 1_000_000,
}

/** A child that ends with the test, what it answers in order, and why it ended. */
function started(t: TestContext) {
  const waiting: ((answer: string) => void)[] = []
  const ended = Promise.withResolvers<string>()
  const child = new WarmChild(program, {
    answer: (bytes) => waiting.shift()?.(Buffer.from(bytes).toString()),
    ended: ended.resolve,
  })
  t.after(async () => {
    child.kill('the test is over')
    await child.gone
  })
  const ask = (message: string): Promise<string> => {
    child.send(Buffer.from(message))
    return new Promise((resolve) => waiting.push(resolve))
  }
  return { child, ask, ended: ended.promise }
}

describe('a warm child', () => {
  it('answers each message, in order, also many at once and large ones', async (t) => {
    const { ask } = started(t)
    const messages = ['', 'a', 'x'.repeat(700_000), ...Array.from({ length: 500 }, (_, index) => `message ${index}`)]
    assert.deepEqual(await Promise.all(messages.map(ask)), messages)
    assert.equal(await ask('later'), 'later')
  })

  it('has an empty environment', async (t) => {
    const { ask } = started(t)
    const environment = Object.keys(JSON.parse(await ask('environment')))
    assert.deepEqual(
      environment.filter((name) => name !== 'PWD'),
      [],
    )
  })

  it('is killed when it answers too much', async (t) => {
    const { ask, ended } = started(t)
    void ask('flood')
    assert.match(await ended, /2000000 bytes, at most 1000000/)
  })

  it('says why it ended', async (t) => {
    const one = started(t)
    void one.ask('throw')
    assert.match(await one.ended, /exit code 1: Error: a deed/)
    const other = started(t)
    void other.ask('memory')
    assert.equal(await other.ended, 'out of memory')
  })

  it('ends when it is killed, with the reason, and is told nothing after', async (t) => {
    const { child, ask, ended } = started(t)
    await ask('up')
    child.kill('no longer needed')
    assert.equal(await ended, 'no longer needed')
    child.send(Buffer.from('into nothing'))
    await child.gone
  })
})
