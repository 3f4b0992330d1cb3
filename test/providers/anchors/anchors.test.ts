import assert from 'node:assert/strict'
import { appendFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { RegistryError } from '../../../src/kernel/plugins/errors.ts'
import {
  type Anchor,
  AnchorRefusal,
  type AnchorStatement,
  type AnchorWitnesses,
  anchors,
} from '../../../src/kernel/plugins/packages/anchors.ts'
import type { ProviderConfig } from '../../../src/kernel/plugins/provider-config.ts'
import { anchorSuite } from '../../../src/kernel/plugins/suites/anchors.ts'
import { isolatedRegistry } from '../../../src/providers/built-in.ts'
import { temporaryFolder } from '../../support/folders.ts'
import { acceptingTau, type LineAnswer, lineService } from '../../support/line-service.ts'

const registry = isolatedRegistry()
const create = (name: string, config: ProviderConfig = {}): Promise<Anchor> =>
  registry.createProvider(anchors, name, config)

const ORIGIN = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX/log/some-goal'
const statement = (size: number): AnchorStatement => ({
  goal: 'some-goal',
  origin: ORIGIN,
  size,
  root: 'ab'.repeat(32),
  checkpoint: `${ORIGIN}\n${size}\nq6ur\n\n— ${ORIGIN} AAAA\n`,
})
const NOBODY: AnchorWitnesses = { cosigned: () => undefined }
const commit = (anchor: Anchor, size: number, signal = AbortSignal.timeout(20_000)) =>
  anchor.commit(statement(size), signal, NOBODY)

/** Runs a provider's suite: its test runner gives no context to clean up with, so this makes one. */
function suite(name: string, make: (t: TestContext) => Promise<Anchor>): void {
  describe(`the anchor ${name}`, () => {
    let current: TestContext | undefined
    anchorSuite({
      test: (title, run) =>
        it(title, async (t) => {
          current = t as TestContext
          await run()
        }),
      factory: () => make(current!),
    })
  })
}

suite('peers', () => create('peers'))
suite('file', async (t) => create('file', { path: join(await temporaryFolder(t), 'new', 'anchor.jsonl') }))
suite('tau', async (t) => {
  const { port } = await lineService(t, acceptingTau)
  const anchor = await create('tau', { host: '127.0.0.1', port })
  t.after(() => anchor.close())
  return anchor
})

describe('the anchor file', () => {
  it('grows by a line of JSON for each statement, and says where it stands', async (t) => {
    const path = join(await temporaryFolder(t), 'anchor.jsonl')
    const anchor = await create('file', { path })
    const done = await Promise.all([1, 2, 3].map((size) => commit(anchor, size)))
    const text = await readFile(path, 'utf8')
    const lines = text.trimEnd().split('\n')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    for (const [i, line] of lines.entries()) {
      const { committed, ...kept } = JSON.parse(line)
      assert.deepEqual(kept, statement(i + 1))
      assert.ok(!Number.isNaN(Date.parse(committed)))
      assert.equal(done[i]?.receipt, `${path}:${Buffer.from(text).indexOf(line)}`)
    }
    await anchor.close()
    const next = await create('file', { path })
    await commit(next, 4)
    assert.ok((await readFile(path, 'utf8')).startsWith(text), 'nothing is written over')
  })

  it('goes on behind a line that a power cut tore', async (t) => {
    const path = join(await temporaryFolder(t), 'anchor.jsonl')
    await appendFile(path, '{"committed":"2026')
    const anchor = await create('file', { path })
    const { receipt } = (await commit(anchor, 5))!
    const [torn, whole] = (await readFile(path, 'utf8')).split('\n')
    assert.equal(torn, '{"committed":"2026')
    assert.equal(JSON.parse(whole!).size, 5)
    assert.equal(receipt, `${path}:${torn!.length + 1}`)
  })

  it('rejects where it cannot write, and works again when it can', async (t) => {
    const folder = await temporaryFolder(t)
    await appendFile(join(folder, 'blocked'), '')
    const anchor = await create('file', { path: join(folder, 'blocked', 'anchor.jsonl') })
    await assert.rejects(commit(anchor, 1))
    await assert.rejects(commit(anchor, 2))
  })

  it('needs an absolute path', async () => {
    await assert.rejects(create('file', { path: 'anchor.jsonl' }), RegistryError)
    await assert.rejects(create('file'), RegistryError)
  })
})

describe('the anchor peers', () => {
  it('waits for witnesses, and its receipt is what they signed', async () => {
    const anchor = await create('peers')
    assert.equal(await commit(anchor, 7), undefined)
    const asked: unknown[] = []
    const witnesses: AnchorWitnesses = {
      cosigned(origin, size) {
        asked.push([origin, size])
        return { size: 9, lines: ['— a AAAA', '— b BBBB'] }
      },
    }
    const done = await anchor.commit(statement(7), AbortSignal.timeout(1000), witnesses)
    assert.deepEqual(done, { receipt: '9\n— a AAAA\n— b BBBB' })
    assert.deepEqual(asked, [[ORIGIN, 7]])
  })
})

describe('the anchor tau', () => {
  async function tau(t: TestContext, answer: LineAnswer, more: ProviderConfig = {}) {
    const service = await lineService(t, answer)
    const anchor = await create('tau', { host: '127.0.0.1', port: service.port, ...more })
    t.after(() => anchor.close())
    return { service, anchor }
  }

  it('sends one line for each statement over one connection', async (t) => {
    const { service, anchor } = await tau(t, acceptingTau)
    assert.deepEqual(await commit(anchor, 5), { receipt: 'receipt-5' })
    assert.deepEqual(await commit(anchor, 6), { receipt: 'receipt-6' })
    assert.equal(service.connections(), 1)
    const [verb, request, origin, size, root, note, ...more] = service.lines[0]!.split(' ')
    assert.deepEqual([verb, origin, size, root, more], ['COMMIT', ORIGIN, '5', 'ab'.repeat(32), []])
    assert.match(request!, /^[0-9a-f]{16}$/)
    assert.equal(Buffer.from(note!, 'base64').toString(), statement(5).checkpoint)
    assert.notEqual(service.lines[1]!.split(' ')[1], request)
  })

  it('tells a refusal from a failure, and keeps the connection', async (t) => {
    const { service, anchor } = await tau(t, (line, socket) => {
      if (line.includes(' 5 ')) socket.write(`NO ${line.split(' ')[1]} another root is here\n`)
      else acceptingTau(line, socket)
    })
    await assert.rejects(commit(anchor, 5), (error) => {
      assert.ok(error instanceof AnchorRefusal)
      assert.match(error.message, /another root is here/)
      return true
    })
    assert.deepEqual(await commit(anchor, 6), { receipt: 'receipt-6' })
    assert.equal(service.connections(), 1)
  })

  it('takes no answer but one to its question', async (t) => {
    const request = (line: string): string => line.split(' ')[1]!
    const wrong: ((line: string) => string)[] = [
      () => 'OK 0123456789abcdef other',
      (line) => `OK ${request(line)}`,
      (line) => `OK ${request(line)} two words`,
      (line) => `OK ${request(line)} ${'x'.repeat(257)}`,
      (line) => `OK ${request(line)} receipt\r`,
      (line) => `ok ${request(line)} receipt`,
      (line) => `NO ${request(line)}`,
      () => '',
      () => 'x'.repeat(5000),
      (line) => line,
    ]
    let answer = wrong[0]!
    const { service, anchor } = await tau(t, (line, socket) => {
      socket.write(`${answer(line)}\n`)
    })
    for (const [i, one] of wrong.entries()) {
      answer = one
      await assert.rejects(commit(anchor, 5), (error) => !(error instanceof AnchorRefusal))
      assert.equal(service.connections(), i + 1, 'each wrong answer ends its connection')
    }
  })

  it('gives up on a service that does not answer in time, and asks it again later', async (t) => {
    let isSlow = true
    const { service, anchor } = await tau(t, (line, socket) => (isSlow ? undefined : acceptingTau(line, socket)), {
      timeout: 50,
    })
    await assert.rejects(commit(anchor, 5), { name: 'TimeoutError' })
    isSlow = false
    const patient = await create('tau', { host: '127.0.0.1', port: service.port })
    t.after(() => patient.close())
    assert.deepEqual(await commit(patient, 5), { receipt: 'receipt-5' })
  })

  it('comes back when the service does', async (t) => {
    const { service, anchor } = await tau(t, acceptingTau)
    await commit(anchor, 5)
    await service.close()
    await assert.rejects(commit(anchor, 6), /ECONNREFUSED/)
    const again = await lineService(t, acceptingTau, service.port)
    assert.deepEqual(await commit(anchor, 6), { receipt: 'receipt-6' })
    assert.equal(again.lines.length, 1)
  })
})
