import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it, type TestContext } from 'node:test'
import type { Yank } from '../../protocol/yank.ts'
import { equalBytes } from '../../src/kernel/base/bytes.ts'
import { manifestDigest } from '../../src/kernel/identity/manifest-signature.ts'
import type { CellQuery, CellYank } from '../../src/node/api.ts'
import { manifestOf, NETWORK, newPublisher, summaryOf } from '../support/cells.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import {
  answerOf,
  download,
  knowsProviders,
  type NodeInProcess,
  nextEvent,
  nodeInProcess,
  registerBytes,
} from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const bytes = await readFile(SMALL_MODULE)
const alice = newPublisher()
const mallory = newPublisher()
const QUERY: CellQuery = { by: 'capability', name: 'parse' }
const WAIT_MS = 30_000

const metadata = (version: string) => ({
  cell_type: 'parser',
  version,
  capabilities: [{ name: 'parse', version }],
})

/** Registers a cell that alice signed. */
async function registerSigned({ node }: NodeInProcess, version = '1.0.0', keys = alice) {
  const manifest = manifestOf(keys.publisher, summaryOf(bytes), {
    version,
    capabilities: [{ name: 'parse', version }],
  })
  const manifestSignature = keys.signManifest(NETWORK, manifest)
  await registerBytes(node, bytes, { metadata: metadata(version), manifest, manifestSignature })
  return { id: manifestDigest(manifest), digest: manifest.package.digest }
}

const order = (change: Partial<CellYank> = {}): CellYank => ({
  cellType: 'parser',
  version: '1.0.0',
  undo: false,
  credential: 'admin',
  isAdmin: true,
  ...change,
})

const wordOf = (id: string, change: Partial<Yank> = {}, keys = alice): string =>
  keys.signYank(NETWORK, {
    format: 1,
    manifest_digest: id,
    publisher: keys.publisher,
    counter: 1,
    yanked: true,
    reason: 'broken',
    at: 1,
    ...change,
  })

const publisher = { credential: 'test', isAdmin: false }

describe('a cell that its publisher signed', () => {
  it('is yanked by the word of the publisher, whoever brings it', async (t) => {
    const a = await nodeInProcess(t)
    const { id, digest } = await registerSigned(a)
    const bring = (token: string) => a.node.yankCell(order({ token, credential: 'key:x', isAdmin: false }))
    const said = { cellId: id, yanked: true, counter: 1, by: 'publisher' }
    assert.deepEqual(await bring(wordOf(id, { message: 'loses rows' })), said)
    assert.deepEqual(await bring(wordOf(id, { message: 'loses rows' })), said, 'twice is no error')
    assert.equal(a.node.answerLocally(QUERY), undefined)
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'not_found')
    assert.equal(outcome.code, 'PROV_002')
    assert.equal(outcome.alternatives[0]?.compatibility_notes, 'was yanked: broken: loses rows')
    const { status, yanks } = a.node.cellDetails('parser', '1.0.0')
    assert.equal(status, 'yanked')
    assert.deepEqual(
      yanks.map(({ by, reason, message, at }) => ({ by, reason, message, at })),
      [{ by: 'publisher', reason: 'broken', message: 'loses rows', at: '1970-01-01T00:00:00.001Z' }],
    )
    assert.deepEqual(a.node.searchCapabilities({ capability: 'parse' }), { capabilities: [] })
    assert.ok(equalBytes(await download(a.node, digest), bytes), 'by its digest it can still be had')
    await assert.rejects(bring(wordOf(id, { counter: 1, reason: 'superseded' })), { status: 409 })
    await bring(wordOf(id, { counter: 2, yanked: false }))
    assert.equal(answerOf(a.node.answerLocally(QUERY)!).cell_id, id)
    await a.stop()
    const again = await nodeInProcess(t, { dataDir: a.dataDir })
    assert.ok(again.node.answerLocally(QUERY))
    await again.node.yankCell(order({ token: wordOf(id, { counter: 3, reason: 'compromised' }) }))
    await assert.rejects(again.node.yankCell(order({ token: wordOf(id, { counter: 4, yanked: false }) })), {
      status: 409,
    })
    assert.equal(again.node.answerLocally(QUERY), undefined)
  })

  it('is not yanked by words that do not hold or name another cell, nor without one by those it does not belong to', async (t) => {
    const a = await nodeInProcess(t)
    const { id } = await registerSigned(a)
    const other = await registerSigned(a, '2.0.0')
    for (const [change, expected] of [
      [{ token: wordOf(id, {}, mallory) }, { code: 'PROV_005' }],
      [{ token: wordOf(other.id) }, { code: 'PROV_001', status: 400 }],
      [
        { token: wordOf(id), reason: 'broken' as const },
        { code: 'PROV_001', status: 400 },
      ],
      [{ token: 'ys1.AAAA' }, { code: 'PROV_001', status: 400 }],
      [
        { reason: 'broken' as const, ...publisher },
        { code: 'PROV_015', status: 403 },
      ],
      [
        { undo: true, ...publisher },
        { code: 'PROV_015', status: 403 },
      ],
      [{}, { code: 'PROV_001', status: 400 }],
      [{ undo: true }, { code: 'PROV_001', status: 409 }],
      [{ version: '9.0.0', reason: 'broken' as const }, { code: 'PROV_002' }],
    ] as const) {
      await assert.rejects(a.node.yankCell(order(change)), expected, JSON.stringify(change))
    }
    assert.equal(answerOf(a.node.answerLocally({ ...QUERY, range: '1.0.0' })!).cell_id, id)
  })

  it('is withdrawn from this node by its operator, and that is not told as the publisher’s', async (t) => {
    const c = await nodeInProcess(t)
    const { id } = await registerSigned(c)
    const a = await nodeInProcess(t, { seeds: c.node.addresses })
    await knowsProviders(a.node, 1)
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'success')
    const heard = nextEvent(a.node, 'announcement_received')
    const said = await c.node.yankCell(order({ reason: 'compromised' }))
    assert.deepEqual(said, { cellId: id, yanked: true, counter: 1, by: 'operator' })
    await heard
    // Its only provider does not offer it any more; nobody asked a publisher.
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'not_found')
    assert.equal(outcome.alternatives[0]?.compatibility_notes, 'was yanked, says who announces it')
    await assert.rejects(c.node.yankCell(order({ undo: true })), /final/)
  })
})

describe('a cell that the node signed', () => {
  it('is yanked by its owner or the administrator, which counts everywhere, and by nobody else', async (t) => {
    const c = await nodeInProcess(t)
    await registerBytes(c.node, bytes, { metadata: metadata('1.0.0') })
    const a = await nodeInProcess(t, { seeds: c.node.addresses })
    await knowsProviders(a.node, 1)
    const found = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(found.status, 'success')
    await assert.rejects(c.node.yankCell(order({ reason: 'broken', credential: 'other', isAdmin: false })), {
      code: 'PROV_015',
    })
    const learnt = nextEvent(a.node, 'cell_yanked')
    const said = await c.node.yankCell(order({ reason: 'superseded', ...publisher }))
    assert.deepEqual([said.by, said.counter, said.yanked], ['publisher', 1, true])
    assert.deepEqual(await learnt, { cellId: said.cellId, yanked: true, reason: 'superseded', by: 'publisher' })
    const refused = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(refused.status, 'not_found')
    assert.equal(refused.alternatives[0]?.compatibility_notes, 'was yanked: superseded')
    const unlearnt = nextEvent(a.node, 'cell_yanked', ({ yanked }) => !yanked)
    assert.equal((await c.node.yankCell(order({ undo: true }))).counter, 2)
    await unlearnt
    // The page that says so is taken in before it is asked about.
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'success')
  })
})

describe('a copy that is kept here', () => {
  it('can be yanked by the operator for this node', async (t) => {
    const { a, id } = await withCopy(t)
    const said = await a.node.yankCell(order({ reason: 'broken' }))
    assert.deepEqual(said, { cellId: id, yanked: true, counter: 1, by: 'operator' })
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'not_found')
    await a.node.yankCell(order({ undo: true }))
    assert.ok(a.node.answerLocally(QUERY))
  })

  it('stops being the answer when its publisher yanks it elsewhere, without anybody asking, and is told on', async (t) => {
    const { a, c, id, digest } = await withCopy(t)
    assert.ok(a.node.answerLocally(QUERY))
    const learnt = nextEvent(a.node, 'cell_yanked')
    await c.node.yankCell(order({ token: wordOf(id) }))
    await learnt
    assert.equal(a.node.answerLocally(QUERY), undefined)
    // A tells others, too: B knows only A, and has not heard of C.
    await c.stop()
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    // The event may be over before somebody can listen.
    await untilHolds(async () => {
      const outcome = await b.node.requestCell(QUERY, WAIT_MS)
      assert.equal(outcome.status, 'not_found')
      assert.equal(outcome.alternatives[0]?.compatibility_notes, 'was yanked: broken')
    })
    assert.ok(equalBytes(await download(b.node, digest), bytes))
    assert.equal(b.node.answerLocally(QUERY), undefined, 'a copy of what is known to be yanked is no answer either')
  })
})

async function withCopy(t: TestContext) {
  const c = await nodeInProcess(t)
  const { id, digest } = await registerSigned(c)
  const a = await nodeInProcess(t, { seeds: c.node.addresses })
  await knowsProviders(a.node, 1)
  assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'success')
  await download(a.node, digest)
  return { a, c, id, digest }
}
