import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BatchResult } from '../../protocol/batch.ts'
import { BATCH_LIMITS } from '../../protocol/batch.ts'
import { questionId } from '../../src/domain/assurance/batches.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import type { OperatorKey } from '../../src/kernel/identity/operator-request.ts'
import { KEYSPACES, textKeyspace } from '../../src/kernel/storage/keyspaces.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import type { VerifiedOperator } from '../../src/node/assurance-api.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { newOperator, question, ScriptedAnswerer, scriptedProver, signedBody } from '../support/assurance.ts'
import { collected, TestClock, temporaryFolder } from '../support/cells.ts'
import { nextEvent, nodeInProcess } from '../support/node-pairs.ts'
import { accept, startReceiver } from '../support/receiver.ts'

const BATCH = '/api/v1/batch'
const HOUR_MS = 60 * 60 * 1000

async function start(t: TestContext, options: Parameters<typeof nodeInProcess>[1] = {}) {
  const clock = new TestClock(Date.now())
  const answerer = new ScriptedAnswerer()
  const started = await nodeInProcess(t, { clock, answerer, prover: scriptedProver, ...options })
  return { ...started, answerer, clock }
}

async function submit(node: RunningNode, key: OperatorKey, queries: readonly string[]) {
  const body = signedBody(key, node, BATCH, { requests: queries.map((query) => question(query)) })
  const from = await node.assurance.verifyRequest(body, { method: 'POST', path: BATCH })
  return { body, from, batch: await node.assurance.batches.submit(body, from) }
}

const ended = (node: RunningNode, batchId: string) =>
  nextEvent(node, 'batch_complete', (event) => event.batchId === batchId)

const allOf = (node: RunningNode, id: string, from: VerifiedOperator): Promise<BatchResult[]> =>
  collected(node.assurance.batches.stream(id, from, 0))

const numbered = (count: number, word = 'q'): string[] => Array.from({ length: count }, (_, i) => `${word}${i}`)

const refusedWith =
  (status: number) =>
  (error: unknown): boolean =>
    error instanceof ProviderError && error.status === status

/** Holds every question back until it is let go. */
function gate(answerer: ScriptedAnswerer) {
  const open = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  answerer.before = (_query, signal) => {
    reached.resolve()
    return new Promise((resolve, reject) => {
      open.promise.then(resolve)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
  return { reached: reached.promise, open: () => open.resolve() }
}

test('every question of a batch is answered once, what is wrong with one is its answer, and pages and lines say the same', async (t) => {
  const { node, answerer } = await start(t)
  const key = await newOperator(node)
  const violations: string[] = []
  node.events.on('constraint_violation', ({ requestId }) => void violations.push(requestId))
  const complete = nextEvent(node, 'batch_complete')
  const { batch, from, body } = await submit(node, key, ['600', '603', 'fault', ...numbered(120)])
  assert.equal(batch.total, 123)
  const { operatorId, cancelled, failed, succeeded } = await complete
  assert.deepEqual([operatorId, cancelled, failed, succeeded], [key.operatorId, false, 3, 120])
  assert.deepEqual(violations, [questionId(body.request_id, 0)])
  for (const times of answerer.asked.values()) assert.equal(times, 1)

  const described = node.assurance.batches.status(batch.batch_id, from)
  assert.equal(described.progress, 1)
  assert.equal(described.status, 'completed')
  const lines = await allOf(node, batch.batch_id, from)
  assert.deepEqual(
    lines.map(({ index }) => index),
    numbered(123).map((_, i) => i),
  )
  const [broken, conflict, fault, first] = lines
  assert.equal(broken?.response.payload?.verification_status, 'rejected')
  assert.equal(conflict?.response.errors[0]?.code, '603')
  assert.equal(fault?.response.errors[0]?.code, '500')
  assert.doesNotMatch(JSON.stringify(fault), /secret/)
  assert.equal(first?.response.payload?.result, 'q0')
  assert.equal(first?.response.request_id, questionId(body.request_id, 3))
  const paged: BatchResult[] = []
  for (let offset: number | null = 0; offset !== null; ) {
    const page = await node.assurance.batches.results(batch.batch_id, from, { limit: 50, offset })
    paged.push(...page.results)
    offset = page.next_offset
  }
  assert.deepEqual(paged, lines)
})

test('a batch goes on after a restart, and answers no question again whose answer could be read', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const first = await start(t, { dataDir })
  const key = await newOperator(first.node)
  const halfway = Promise.withResolvers<void>()
  first.answerer.before = (query, signal) => {
    if (Number(query.slice(1)) < 100) return Promise.resolve()
    halfway.resolve()
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
  const { batch, from } = await submit(first.node, key, numbered(200))
  await halfway.promise
  await first.stop()

  const second = await start(t, { dataDir })
  if (second.node.assurance.batches.status(batch.batch_id, from).status !== 'completed') {
    await ended(second.node, batch.batch_id)
  }
  const results = await allOf(second.node, batch.batch_id, from)
  assert.equal(results.length, 200)
  for (let i = 0; i < 100; i++) assert.equal(second.answerer.asked.get(`q${i}`), undefined, `q${i}`)
  for (let i = 100; i < 200; i++) assert.equal(second.answerer.asked.get(`q${i}`), 1, `q${i}`)
  await second.stop()
  const store = await Store.open(join(dataDir, 'store'), { createIfMissing: false })
  t.after(() => store.close())
  assert.deepEqual(await collected(store.keys(textKeyspace(KEYSPACES.batchQuestions))), [])
})

test('a batch goes on after the process was killed: what could be read is there once, the rest is answered', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const child = fork(new URL('./killed-batch.ts', import.meta.url), [dataDir, '400', '300'])
  t.after(() => child.kill('SIGKILL'))
  const [{ batchId, from, readable }] = (await once(child, 'message')) as [
    { batchId: string; from: VerifiedOperator; readable: number[] },
  ]
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.ok(readable.length > 0 && readable.length <= 300, String(readable.length))

  const { node, answerer } = await start(t, { dataDir })
  if (node.assurance.batches.status(batchId, from).status !== 'completed') await ended(node, batchId)
  const results = await allOf(node, batchId, from)
  assert.deepEqual(
    results.map(({ index, response }) => [index, response.payload?.result]),
    numbered(400).map((query, i) => [i, query]),
  )
  for (const index of readable) assert.equal(answerer.asked.get(`q${index}`), undefined, String(index))
  for (const times of answerer.asked.values()) assert.equal(times, 1)
  assert.equal(node.assurance.batches.status(batchId, from).succeeded, 400)
})

test('who wants to hear of the end of a batch does, also when the process was killed as it ended', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const receiver = await startReceiver(t)
  // Nothing has arrived for a sender that was told nothing.
  receiver.answer = () => undefined
  const child = fork(new URL('./killed-at-end.ts', import.meta.url), [dataDir, receiver.url])
  t.after(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const [{ status, requestId }] = (await once(child, 'message')) as [{ status: string; requestId: string }]
  assert.equal(status, 'active')
  assert.deepEqual(await exited, [null, 'SIGKILL'])

  const before = receiver.received.length
  receiver.answer = accept
  await start(t, { dataDir, settings: { 'assurance.webhooks_allow_private': 'true' } })
  const received = await receiver.has(before + 1)
  assert.equal(new Set(received.map(({ id }) => id)).size, 1)
  const { event_type, request_id, data } = received.at(-1)!.event
  assert.deepEqual([event_type, request_id], ['batch_complete', requestId])
  const { batch_id: _, ...counts } = data as Record<string, unknown>
  assert.deepEqual(counts, { total: 2, succeeded: 1, failed: 1, cancelled: false })
})

test('a large batch of one operator does not keep another waiting', async (t) => {
  const { node, answerer } = await start(t)
  const large = await newOperator(node)
  const small = await newOperator(node)
  const { reached, open } = gate(answerer)
  const order: string[] = []
  const before = answerer.before
  answerer.before = async (query, signal) => {
    await before(query, signal)
    order.push(query)
  }
  const first = await submit(node, large, numbered(1000, 'large'))
  await reached
  const second = await submit(node, small, numbered(10, 'small'))
  const done = ended(node, second.batch.batch_id)
  open()
  await done
  const last = order.findLastIndex((query) => query.startsWith('small'))
  assert.ok(last < 40, `the small batch ended after ${last} questions`)
  await node.assurance.batches.cancel(first.batch.batch_id, first.from)
})

test("somebody else's batch is not there", async (t) => {
  const { node } = await start(t)
  const { batch, from } = await submit(node, await newOperator(node), ['q'])
  const other = await submit(node, await newOperator(node), ['q'])
  const { batches } = node.assurance
  for (const id of [batch.batch_id, '00000000-0000-4000-8000-000000000000']) {
    assert.throws(() => batches.status(id, other.from), refusedWith(404))
    assert.throws(() => batches.stream(id, other.from, 0), refusedWith(404))
    await assert.rejects(batches.results(id, other.from, {}), refusedWith(404))
    await assert.rejects(batches.cancel(id, other.from), refusedWith(404))
  }
  assert.equal(batches.status(batch.batch_id, from).total, 1)
})

test('a batch that is cancelled answers no more; what it answered can be read', async (t) => {
  const { node, answerer } = await start(t)
  const key = await newOperator(node)
  const held = Promise.withResolvers<void>()
  answerer.before = (query, signal) => {
    if (query !== 'q150') return Promise.resolve()
    held.resolve()
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
  const { batch, from } = await submit(node, key, numbered(10_000))
  await held.promise
  const complete = ended(node, batch.batch_id)
  const cancelled = await node.assurance.batches.cancel(batch.batch_id, from)
  assert.equal(cancelled.status, 'cancelled')
  assert.equal((await complete).cancelled, true)
  const results = await allOf(node, batch.batch_id, from)
  assert.equal(results.length, cancelled.answered)
  assert.ok(results.length > 0 && results.length < 10_000, String(results.length))
  assert.deepEqual(await node.assurance.batches.cancel(batch.batch_id, from), cancelled)
})

test("a suspended operator's batches end", async (t) => {
  const { node, answerer } = await start(t)
  const key = await newOperator(node)
  const { reached, open } = gate(answerer)
  const { batch } = await submit(node, key, numbered(100))
  await reached
  const complete = ended(node, batch.batch_id)
  await node.assurance.suspendOperator(key.operatorId, 'admin')
  open()
  assert.equal((await complete).cancelled, true)
})

test('an operator has so many unfinished batches, and no larger ones than its tier allows', async (t) => {
  const { node, answerer } = await start(t)
  const key = await newOperator(node)
  const { open } = gate(answerer)
  for (let i = 0; i < BATCH_LIMITS.unfinishedPerOperator; i++) await submit(node, key, ['q'])
  await assert.rejects(submit(node, key, ['q']), refusedWith(429))
  open()
  const free = await newOperator(node, { tier: 'free' })
  await assert.rejects(submit(node, free, numbered(11)), refusedWith(422))
  const { from } = await submit(node, free, numbered(10))
  // Each question counts for the day, the batch once for the minute.
  assert.deepEqual([from.limit?.limit, from.limit?.remaining], [10, 9])
})

test('a node that keeps as many answers as it may takes no further batch', async (t) => {
  const { node } = await start(t, { settings: { 'assurance.batch_bytes': '1' } })
  const key = await newOperator(node)
  const complete = nextEvent(node, 'batch_complete')
  const { batch, from } = await submit(node, key, ['q'])
  await complete
  await assert.rejects(submit(node, key, ['q']), refusedWith(429))
  assert.equal((await allOf(node, batch.batch_id, from)).length, 1)
})

test('the answers of a batch are forgotten when their time is over', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const settings = { 'assurance.batch_retention_hours': '1' }
  const { node, clock, stop } = await start(t, { dataDir, settings })
  const key = await newOperator(node)
  const complete = nextEvent(node, 'batch_complete')
  const { batch, from } = await submit(node, key, numbered(20))
  await complete
  const { expires_at } = node.assurance.batches.status(batch.batch_id, from)
  assert.equal(expires_at, new Date(clock.now() + HOUR_MS).toISOString())
  clock.advance(HOUR_MS + 1)
  assert.throws(() => node.assurance.batches.status(batch.batch_id, from), refusedWith(404))
  await stop()
  // What is left is removed at the next start.
  const again = await start(t, { dataDir, clock, settings })
  await again.stop()
  const store = await Store.open(join(dataDir, 'store'), { createIfMissing: false })
  t.after(() => store.close())
  for (const space of [KEYSPACES.batches, KEYSPACES.batchAnswers]) {
    assert.deepEqual(await collected(store.keys(textKeyspace(space))), [])
  }
})
