import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { LoggedAct } from '../../protocol/log.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import type { CellMetadata } from '../../protocol/repository.ts'
import { decodeEntries, formatTilePath } from '../../src/kernel/log/tiles.ts'
import type { CellUpdate } from '../../src/node/api.ts'
import { manifestOf, NETWORK, newPublisher, summaryOf } from '../support/cells.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { answerOf, download, type NodeInProcess, nodeInProcess, registerBytes } from '../support/node-pairs.ts'

const small = await readFile(SMALL_MODULE)
const middle = await readFile(MIDDLE_MODULE)
const alice = newPublisher()

const METADATA: CellMetadata = {
  cell_type: 'parser',
  version: '1.0.0',
  capabilities: [{ name: 'parse', version: '1.0.0' }],
  description: 'Parses.',
  tags: ['text'],
  labels: { domain: 'law' },
  metadata: { license: 'MIT', documentation_url: 'https://docs.example' },
  performance: { typical_startup_ms: 3 },
}

const sign = (manifest: Manifest) => ({ manifest, manifestSignature: alice.signManifest(NETWORK, manifest) })

async function* pieceOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function update({ node }: NodeInProcess, change: Partial<CellUpdate>, bytes?: Uint8Array) {
  const staged = bytes === undefined ? undefined : await node.stagePackage(pieceOf(bytes))
  try {
    return await node.updateCell({ cellType: 'parser', metadata: {}, credential: 'test', package: staged, ...change })
  } finally {
    await staged?.discard()
  }
}

async function packagesIn({ dataDir }: NodeInProcess): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort()
}

function actsOf({ node }: NodeInProcess): string[] {
  const size = Number(node.log.checkpoint().split('\n')[1])
  const bundle = node.log.tile(formatTilePath({ level: 'entries', index: 0, width: size }))
  return decodeEntries(bundle, size)
    .map((leaf) => JSON.parse(Buffer.from(leaf).toString()) as LoggedAct)
    .map(({ act, version }) => `${act} ${version}`)
}

describe('updating', () => {
  it('makes a new version of the same package without a copy of it', async (t) => {
    const running = await nodeInProcess(t)
    const { node } = running
    const first = await registerBytes(node, small, { metadata: METADATA })
    const second = await update(running, { version: '1.1.0', metadata: { description: 'Parses more.' } })
    assert.equal(second.signedBy, 'provider')
    assert.deepEqual(second.manifest, { ...first.manifest, version: '1.1.0' })
    assert.deepEqual(await packagesIn(running), [summaryOf(small).digest])
    const [before, after] = [node.cellDetails('parser', '1.0.0'), node.cellDetails('parser')]
    assert.equal(after.version, '1.1.0')
    assert.equal(after.description, 'Parses more.')
    assert.deepEqual(after.tags, ['text'])
    assert.deepEqual(after.analysis, before.analysis)
    assert.deepEqual([after.metadata.license, after.metadata.documentation_url], ['MIT', 'https://docs.example'])
    assert.deepEqual(actsOf(running), ['register 1.0.0', 'register 1.1.0'])

    await node.deleteCell('parser', '1.0.0')
    assert.deepEqual(await download(node, after.digest), new Uint8Array(small), 'the package stays for the other')
    await node.deleteCell('parser', '1.1.0')
    assert.deepEqual(await packagesIn(running), [])
  })

  it('takes a new package, and null removes a link', async (t) => {
    const running = await nodeInProcess(t)
    await registerBytes(running.node, small, { metadata: METADATA })
    const metadata = { version: '2.0.0', metadata: { license: null } }
    const { manifest, validation } = await update(running, { metadata }, middle)
    assert.equal(manifest.package.digest, `sha256:${summaryOf(middle).digest}`)
    assert.ok(validation.passed_checks.includes('package_digest'))
    assert.deepEqual(await packagesIn(running), [summaryOf(small).digest, summaryOf(middle).digest].sort())
    const { license, documentation_url } = running.node.cellDetails('parser').metadata
    assert.deepEqual([license, documentation_url], [null, 'https://docs.example'])
  })

  it("is the publisher's to sign, and what they sign is not filled in from another version", async (t) => {
    const running = await nodeInProcess(t)
    const summary = summaryOf(small)
    await registerBytes(running.node, small, {
      metadata: METADATA,
      ...sign(manifestOf(alice.publisher, summary, { labels: { domain: 'law' } })),
    })
    const capabilities = [{ name: 'parse', version: '2.0.0' }]
    const right = sign(manifestOf(alice.publisher, summary, { version: '2.0.0', capabilities }))
    const { signedBy, manifest } = await update(running, { version: '2.0.0', ...right })
    assert.equal(signedBy, 'publisher')
    assert.deepEqual([manifest.capabilities, manifest.labels], [capabilities, {}])
    const other = sign(manifestOf(alice.publisher, summaryOf(middle), { version: '3.0.0' }))
    await assert.rejects(update(running, { version: '3.0.0', ...other }), { code: 'PROV_008' })
    await assert.rejects(update(running, { version: '3.0.0' }), { code: 'PROV_015' }, 'the node is another publisher')
  })

  it('is refused where there is nothing to update, and where the version is taken', async (t) => {
    const running = await nodeInProcess(t)
    await assert.rejects(update(running, { version: '1.1.0' }), { code: 'PROV_002', status: 404 })
    await registerBytes(running.node, small, { metadata: METADATA })
    await assert.rejects(update(running, { version: '1.0.0' }), { code: 'PROV_007', status: 409 })
    await assert.rejects(update(running, { version: '1.0.0' }, middle), { code: 'PROV_007', status: 409 })
    await assert.rejects(update(running, { version: '1.1.0', credential: 'another' }), { code: 'PROV_015' })
    await assert.rejects(update(running, {}), { code: 'PROV_001', message: /version is missing/ })
    const contradiction = { version: '1.1.0', metadata: { version: '1.2.0' } }
    await assert.rejects(update(running, contradiction), { code: 'PROV_001', message: /"1\.2\.0".*"1\.1\.0"/ })
    const elsewhere = { version: '1.1.0', metadata: { cell_type: 'other' } }
    await assert.rejects(update(running, elsewhere), { code: 'PROV_001', message: /cell_type/ })
    for (const metadata of [{ packaging_format: 'document' }, { media_type: 'text/plain' }]) {
      await assert.rejects(update(running, { version: '1.1.0', metadata }), /needs a cell_package/)
    }
    assert.deepEqual(actsOf(running), ['register 1.0.0'])
    assert.deepEqual(await packagesIn(running), [summaryOf(small).digest])
  })

  it('and deleting at the same time leave a package exactly when a version has it', async (t) => {
    const running = await nodeInProcess(t)
    const { node } = running
    await registerBytes(node, small, { metadata: METADATA })
    const [updated] = await Promise.allSettled([
      update(running, { version: '1.1.0' }),
      node.deleteCell('parser', '1.0.0'),
    ])
    assert.equal((await packagesIn(running)).length, updated.status === 'fulfilled' ? 1 : 0)
    assert.equal((await node.listCells({})).total_count, updated.status === 'fulfilled' ? 1 : 0)
  })
})

describe('the status of a version', () => {
  const statuses = async ({ node }: NodeInProcess) =>
    (await node.listCells({})).cells.flatMap(({ versions }) => versions.map((v) => `${v.version} ${v.status}`))
  const found = ({ node }: NodeInProcess, range?: string) => {
    const answer = node.answerLocally({ by: 'capability', name: 'parse', ...(range === undefined ? {} : { range }) })
    return answer === undefined ? undefined : answerOf(answer).version
  }

  it('is set when it is registered, and is not taken over by the next one', async (t) => {
    const running = await nodeInProcess(t)
    await registerBytes(running.node, small, { metadata: { ...METADATA, status: 'in_testing' } })
    assert.deepEqual(await statuses(running), ['1.0.0 in_testing'])
    assert.equal(found(running, '*'), undefined)
    await update(running, { version: '1.1.0' })
    await update(running, { version: '1.2.0', metadata: { status: 'deprecated' } })
    assert.deepEqual(await statuses(running), ['1.2.0 deprecated', '1.1.0 active', '1.0.0 in_testing'])
    assert.equal(found(running, '*'), '1.1.0')
  })

  it('decides what is answered as soon as it changes, is logged, and survives a restart', async (t) => {
    const running = await nodeInProcess(t)
    const { node } = running
    await registerBytes(node, small, { metadata: METADATA })
    await update(running, { version: '1.1.0' })
    assert.equal(found(running), '1.1.0')
    const changed = await node.annotateCell('parser', '1.1.0', { status: 'deprecated', description: 'Old.', tags: [] })
    assert.deepEqual([changed.status, changed.description, changed.tags], ['deprecated', 'Old.', []])
    assert.ok(changed.metadata.updated_at >= changed.metadata.created_at)
    assert.equal(found(running), '1.0.0')
    const [item] = (await node.listCells({})).cells
    assert.deepEqual([item?.description, item?.tags], ['Old.', []])
    const acts = ['register 1.0.0', 'register 1.1.0', 'update 1.1.0']
    assert.deepEqual(actsOf(running), acts)

    await running.stop()
    const again = await nodeInProcess(t, { dataDir: running.dataDir })
    assert.deepEqual(await statuses(again), ['1.1.0 deprecated', '1.0.0 active'])
    assert.deepEqual(actsOf(again), acts)
    await again.node.annotateCell('parser', '1.1.0', { status: 'active' })
    const answer = answerOf(again.node.answerLocally({ by: 'capability', name: 'parse' })!)
    assert.deepEqual([answer.version, answer.metadata.description], ['1.1.0', 'Old.'])
  })

  it('of an older version leaves what the list says of the cell', async (t) => {
    const running = await nodeInProcess(t)
    await registerBytes(running.node, small, { metadata: METADATA })
    await update(running, { version: '1.1.0' })
    await running.node.annotateCell('parser', '1.0.0', { status: 'deprecated', description: 'Old.' })
    assert.deepEqual(await statuses(running), ['1.1.0 active', '1.0.0 deprecated'])
    assert.equal((await running.node.listCells({})).cells[0]?.description, 'Parses.')
    assert.equal((await running.node.info()).cell_count, 2)
    await assert.rejects(running.node.annotateCell('parser', '9.0.0', { tags: [] }), { code: 'PROV_002', status: 404 })
  })
})
