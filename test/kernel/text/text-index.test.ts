import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { MAX_CHANGES, type TextEntry, TextIndex } from '../../../src/kernel/text/text-index.ts'
import { temporaryFolder } from '../../support/cells.ts'

const WRITER = fileURLToPath(new URL('./killed-writer.ts', import.meta.url))
const ENTRY: TextEntry = { id: '1', name: 'markdown' }

async function open(t: TestContext, options: { path?: string; idleMs?: number } = {}) {
  const path = options.path ?? join(await temporaryFolder(t), 'text', 'index.sqlite')
  const text = new TextIndex(path, options)
  t.after(() => text.close())
  return {
    text,
    path,
    found: async (query: string) => (await text.search('names', query, { limit: 10 })).map(({ id }) => id),
  }
}

describe('a text index', () => {
  it('is written and searched in a thread, and is there again later', async (t) => {
    const { text, path, found } = await open(t)
    await text.write('names', [ENTRY], 'a')
    assert.deepEqual(await found('markdwon'), ['1'])
    await text.close()
    await assert.rejects(text.write('names', [ENTRY]), /was closed/)
    const again = await open(t, { path })
    assert.equal(await again.text.position('names'), 'a')
    assert.deepEqual(await again.found('markdwon'), ['1'])
    await again.text.clear('names')
    assert.deepEqual([await again.text.position('names'), await again.found('markdown')], [undefined, []])
  })

  it('ends its thread when nothing is asked, and starts another for who asks', async (t) => {
    const { text, found } = await open(t, { idleMs: 0 })
    await text.write('names', [ENTRY])
    // Each of these comes before, while or after the thread of the one before it ends.
    for (let turn = 0; turn < 20; turn++) {
      assert.deepEqual(await found('markdown'), ['1'])
      for (let wait = 0; wait < turn; wait++) await new Promise((resolve) => setImmediate(resolve))
    }
  })

  it('refuses what is too much, and goes on', async (t) => {
    const { text, found } = await open(t)
    await assert.rejects(text.write('names', Array<TextEntry>(MAX_CHANGES + 1).fill(ENTRY)), RangeError)
    await text.write('names', [ENTRY])
    const many = await Promise.allSettled(Array.from({ length: 100 }, () => found('markdown')))
    const refused = many.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []))
    // One is at work, and 64 wait.
    assert.equal(refused.length, 35)
    assert.match(refused[0]!, /64 jobs of the text index wait already/)
    assert.deepEqual(await found('markdown'), ['1'])
  })

  it('lets a search go before the writes that wait, and drops one that is given up', async (t) => {
    const { text, found } = await open(t)
    const order: string[] = []
    const writes = Array.from({ length: 20 }, (_, at) =>
      text.write('names', [{ id: String(at), name: `name-${at}` }]).then(() => order.push('write')),
    )
    const given = text.search('names', 'name', { limit: 1, signal: AbortSignal.abort(new Error('given up')) })
    await assert.rejects(given, /given up/)
    const controller = new AbortController()
    const second = text.search('names', 'name', { limit: 1, signal: controller.signal })
    controller.abort(new Error('given up too'))
    await assert.rejects(second, /given up too/)
    await found('name').then(() => order.push('search'))
    await Promise.all(writes)
    assert.deepEqual(order.slice(0, 2), ['write', 'search'])
  })

  it('that cannot have its file says so, and is there when it can', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'index.sqlite')
    await mkdir(path)
    const { text } = await open(t, { path })
    await assert.rejects(text.write('names', [ENTRY]), /the text index: unable to open database file/)
    const { text: other } = await open(t, { path: join(folder, 'other.sqlite') })
    await other.write('names', [ENTRY])
  })

  it('refuses what waits when it is closed', async (t) => {
    const { text } = await open(t)
    const writes = Promise.allSettled(Array.from({ length: 10 }, () => text.write('names', [ENTRY])))
    await text.close()
    const done = (await writes).map(({ status }) => status)
    assert.deepEqual(done, ['fulfilled', ...Array<string>(9).fill('rejected')])
  })
})

it('a process that is killed while it writes leaves what it had written, with its position, and no word on stderr', async (t) => {
  const path = join(await temporaryFolder(t), 'index.sqlite')
  const child = spawn(process.execPath, [WRITER, path], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    stderr += piece
  })
  let written = -1
  for await (const line of createInterface({ input: child.stdout })) {
    written = Number(line)
    if (written >= 20) break
  }
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.equal(stderr, '')
  const { text, found } = await open(t, { path })
  const position = Number(await text.position('names'))
  assert.ok(position >= written, `${position} is in the file, ${written} was told`)
  assert.equal((await found(`entry-${position}-of-it`))[0], `${position}`)
  assert.ok(!(await found(`entry-${position + 1}-of-it`)).includes(`${position + 1}`))
})
