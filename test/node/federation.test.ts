import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { equalBytes } from '../../src/kernel/base/bytes.ts'
import { StartError } from '../../src/kernel/base/errors.ts'
import type { CellQuery } from '../../src/node/api.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import {
  answerOf,
  download,
  hasPeers,
  knowsProviders,
  nextEvent,
  nodeInProcess,
  registerBytes,
} from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const small = await readFile(SMALL_MODULE)
const middle = await readFile(MIDDLE_MODULE)

const metadata = (version = '1.2.0') => ({
  cell_type: 'source-map',
  version,
  capabilities: [{ name: 'map-sources', version }],
})
const QUERY: CellQuery = { by: 'capability', name: 'map-sources', range: '^1.0.0' }
const WAIT_MS = 30_000

const blobPath = (dataDir: string, digest: string) => {
  const hex = digest.slice('sha256:'.length)
  return join(dataDir, 'blobs', hex[0]!, hex)
}

async function ask(node: RunningNode, query = QUERY) {
  const outcome = await node.requestCell(query, WAIT_MS)
  assert.equal(outcome.status, 'success', JSON.stringify(outcome))
  return { source: outcome.source, answer: answerOf(outcome.cell) }
}

describe('a federation of three in a line', () => {
  it('answers at one end for the other, pulls the package through, and does without its source afterwards', async (t) => {
    const c = await nodeInProcess(t)
    const { manifest } = await registerBytes(c.node, small, { metadata: metadata() })
    const b = await nodeInProcess(t, { seeds: c.node.addresses })
    await knowsProviders(b.node, 1)
    const a = await nodeInProcess(t, { seeds: b.node.addresses })
    await knowsProviders(a.node, 1)

    assert.equal(a.node.answerLocally(QUERY), undefined)
    const { source, answer } = await ask(a.node)
    assert.equal(source, 'directory')
    assert.equal(answer.digest, manifest.package.digest)
    assert.equal(answer.metadata.provider, c.node.providerId)
    assert.equal(answer.publisher_trust, 'unknown')
    assert.equal(answer.download_url, `http://node/api/v1/cells/packages/${answer.digest}`)
    assert.deepEqual(answer.manifest, manifest)

    const cached = nextEvent(a.node, 'cell_cached')
    assert.ok(equalBytes(await download(a.node, answer.digest), small))
    assert.equal((await cached).from, c.node.providerId)

    await c.stop()
    const again = a.node.answerLocally(QUERY)
    assert.ok(again)
    assert.equal(answerOf(again).cell_id, answer.cell_id)
    assert.ok(equalBytes(await download(a.node, answer.digest), small))
    assert.deepEqual((await a.node.listCells({})).cells, [])

    // B never asked for the cell. With C gone it gets it from A.
    await b.node.requestCell(QUERY, WAIT_MS)
    assert.ok(equalBytes(await download(b.node, answer.digest), small))
  })

  it('serves what it pulled through after a restart', async (t) => {
    const c = await nodeInProcess(t)
    const { manifest } = await registerBytes(c.node, small, { metadata: metadata() })
    const a = await nodeInProcess(t, { seeds: c.node.addresses })
    await knowsProviders(a.node, 1)
    await ask(a.node)
    await download(a.node, manifest.package.digest)
    await a.stop()
    await c.stop()
    const again = await nodeInProcess(t, { dataDir: a.dataDir })
    assert.equal(again.node.providerId, a.node.providerId)
    assert.ok(again.node.answerLocally(QUERY))
    assert.ok(equalBytes(await download(again.node, manifest.package.digest), small))
  })
})

describe('a capability that no announcement told of', () => {
  it('is found through the DHT', async (t) => {
    const b = await nodeInProcess(t)
    const c = await nodeInProcess(t, { seeds: b.node.addresses })
    await hasPeers(c.node, 1)
    await registerBytes(c.node, small, { metadata: metadata() })
    const a = await nodeInProcess(t, { seeds: b.node.addresses, settings: { 'directory.max_cells': '0' } })
    await hasPeers(a.node, 1)
    // The DHT is told in the background, and nothing says when it has been.
    const outcome = await untilHolds(async () => {
      const tried = await a.node.requestCell(QUERY, WAIT_MS)
      assert.equal(tried.status, 'success', JSON.stringify(tried))
      return tried
    })
    assert.equal(outcome.source, 'dht')
    const { digest } = answerOf(outcome.cell)
    assert.ok(equalBytes(await download(a.node, digest), small))
    assert.equal(a.node.peers().known_providers, 0)
  })
})

describe('versions here and elsewhere', () => {
  it('compete: the better one wins, wherever it is', async (t) => {
    const c = await nodeInProcess(t)
    await registerBytes(c.node, small, { metadata: metadata('1.2.0') })
    await registerBytes(c.node, middle, { metadata: metadata('2.0.0') })
    const a = await nodeInProcess(t, {
      seeds: c.node.addresses,
      settings: { 'publishers.pinned': c.node.publisher },
    })
    await registerBytes(a.node, middle, { metadata: { ...metadata('1.9.0'), cell_type: 'own' } })
    await knowsProviders(a.node, 1)
    const { answer } = await ask(a.node)
    assert.deepEqual([answer.version, answer.publisher_trust], ['1.2.0', 'pinned_by_operator'])

    const b = await nodeInProcess(t, { seeds: c.node.addresses })
    await registerBytes(b.node, middle, { metadata: { ...metadata('1.0.0'), cell_type: 'own' } })
    await knowsProviders(b.node, 1)
    const here = await ask(b.node)
    assert.deepEqual([here.source, here.answer.version, here.answer.publisher_trust], ['local', '1.0.0', 'known'])
  })
})

describe('what a peer announces', () => {
  it('has its status: in testing it is resolved to by its exact version only, deprecated after everything else', async (t) => {
    const c = await nodeInProcess(t)
    await registerBytes(c.node, small, { metadata: { ...metadata('1.3.0'), status: 'in_testing' } })
    await registerBytes(c.node, middle, { metadata: metadata('1.2.0') })
    await registerBytes(c.node, middle, { metadata: metadata('1.1.0') })
    const a = await nodeInProcess(t, { seeds: c.node.addresses })
    await knowsProviders(a.node, 1)
    await untilHolds(async () => assert.equal((await ask(a.node)).answer.version, '1.2.0'))
    const testing = await ask(a.node, { ...QUERY, range: '1.3.0' })
    assert.equal(testing.answer.version, '1.3.0')
    // A copy has the status that it was offered with.
    await download(a.node, testing.answer.digest)
    assert.ok(a.node.answerLocally({ ...QUERY, range: '1.3.0' }))
    assert.equal(a.node.answerLocally(QUERY), undefined)

    const heard = nextEvent(a.node, 'announcement_received')
    await c.node.annotateCell('source-map', '1.2.0', { status: 'deprecated' })
    await heard
    assert.equal((await ask(a.node)).answer.version, '1.1.0')
  })

  it('is stale at high security: that it is not yanked is not certain', async (t) => {
    const c = await nodeInProcess(t)
    const { manifest } = await registerBytes(c.node, small, { metadata: metadata() })
    const a = await nodeInProcess(t, { seeds: c.node.addresses, settings: { 'publishers.pinned': c.node.publisher } })
    await knowsProviders(a.node, 1)
    const high: CellQuery = { ...QUERY, securityLevel: 'high' }
    assert.equal((await ask(a.node)).answer.stale, undefined)
    assert.equal((await ask(a.node, high)).answer.stale, true)
    await download(a.node, manifest.package.digest)
    assert.equal((await ask(a.node, high)).answer.stale, undefined, 'of what is held here the node hears')
  })
})

describe('not found', () => {
  it('says whether anybody offers the name, what did not fit, and where this node looked', async (t) => {
    const c = await nodeInProcess(t)
    await registerBytes(c.node, small, { metadata: metadata('1.2.0') })
    const a = await nodeInProcess(t, { seeds: c.node.addresses })
    await knowsProviders(a.node, 1)
    const misfit = await a.node.requestCell({ ...QUERY, range: '^7.0.0' }, WAIT_MS)
    assert.equal(misfit.status, 'not_found')
    assert.equal(misfit.code, 'PROV_002')
    assert.equal(misfit.alternatives[0]?.version, '1.2.0')
    assert.match(misfit.alternatives[0].compatibility_notes, /1\.2\.0 is outside \^7\.0\.0/)
    const unknown = await a.node.requestCell({ by: 'capability', name: 'nobody-offers-this' }, WAIT_MS)
    assert.equal(unknown.status, 'not_found')
    assert.equal(unknown.code, 'PROV_003')
    assert.deepEqual(
      unknown.coverage.sources.map(({ source, outcome }) => `${source} ${outcome}`),
      ['store answered', 'directory answered', 'dht answered'],
    )
  })

  it('a package that nobody holds is PROV_002, another form of digest PROV_001', async (t) => {
    const { node } = await nodeInProcess(t)
    await assert.rejects(node.openPackage(`sha256:${'0'.repeat(64)}`), { code: 'PROV_002' })
    await assert.rejects(node.openPackage('sha256:../../etc/passwd'), { code: 'PROV_001' })
  })
})

describe("bytes that changed on the provider's disk", () => {
  it('reach no reader whole, and are not kept', async (t) => {
    const c = await nodeInProcess(t)
    const { manifest } = await registerBytes(c.node, middle, { metadata: metadata() })
    const { digest } = manifest.package
    const damaged = Buffer.from(middle)
    damaged[damaged.length - 1]! ^= 1
    await writeFile(blobPath(c.dataDir, digest), damaged)
    const a = await nodeInProcess(t, { seeds: c.node.addresses })
    await knowsProviders(a.node, 1)
    await ask(a.node)
    await assert.rejects(download(a.node, digest), /chunk 0 is not what the publisher signed/)
    assert.equal(a.node.answerLocally(QUERY), undefined)
    await assert.rejects(readFile(blobPath(a.dataDir, digest)), { code: 'ENOENT' })
    // Mended there, it is had at the next try.
    await writeFile(blobPath(c.dataDir, digest), middle)
    assert.ok(equalBytes(await download(a.node, digest), middle))
  })
})

describe('deleting', () => {
  it('tells the others', async (t) => {
    const c = await nodeInProcess(t)
    await registerBytes(c.node, small, { metadata: metadata() })
    await c.node.deleteCell('source-map', '1.2.0')
    assert.equal(c.node.answerLocally(QUERY), undefined)
    const a = await nodeInProcess(t, { seeds: c.node.addresses })
    await hasPeers(a.node, 1)
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'not_found')
  })
})

describe('starting', () => {
  it('a second node on the same data is refused, and leaves the first alone', async (t) => {
    const { dataDir, node } = await nodeInProcess(t)
    await assert.rejects(nodeInProcess(t, { dataDir }), StartError)
    await registerBytes(node, small, { metadata: metadata() })
    assert.ok(node.answerLocally(QUERY))
  })
})
