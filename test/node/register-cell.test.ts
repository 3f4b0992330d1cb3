import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { ValidationResults } from '../../protocol/annotations.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import type { CellMetadata } from '../../protocol/repository.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import {
  manifestOf,
  NETWORK,
  newPublisher,
  openBlobs,
  packageFile,
  signedCell,
  staged,
  summaryOf,
} from '../support/cells.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { type NodeInProcess, nextEvent, nodeInProcess, registerBytes } from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const small = await readFile(SMALL_MODULE)
const middle = await readFile(MIDDLE_MODULE)
const alice = newPublisher()
const mallory = newPublisher()

const METADATA: CellMetadata = {
  cell_type: 'parser',
  version: '1.0.0',
  capabilities: [{ name: 'parse', version: '1.0.0' }],
}

/** A registration with the publisher's own manifest. */
function signed(manifest: Manifest = manifestOf(alice.publisher, summaryOf(small)), network = NETWORK) {
  return { metadata: METADATA, manifest, manifestSignature: alice.signManifest(network, manifest) }
}

const issues = (error: unknown): { code: string; location: string }[] => {
  assert.ok(error instanceof ProviderError)
  return ((error.details.validation_results as ValidationResults | undefined)?.issues ?? []).filter(
    ({ severity }) => severity === 'error',
  )
}

async function refusal(promise: Promise<unknown>, code: ErrorCode, status = 400): Promise<ProviderError> {
  const error = await promise.then(
    () => assert.fail('it was accepted'),
    (error: unknown) => error,
  )
  assert.ok(error instanceof ProviderError, String(error))
  assert.deepEqual([error.code, error.status], [code, status], error.message)
  return error
}

async function filesIn({ dataDir }: NodeInProcess): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

async function isEmpty(running: NodeInProcess): Promise<void> {
  assert.deepEqual(await filesIn(running), [])
  assert.equal((await running.node.listCells({})).total_count, 0)
  assert.equal(running.node.answerLocally({ by: 'capability', name: 'parse' }), undefined)
}

describe('what is registered', () => {
  it("is the publisher's manifest, with the package opened and its file in place", async (t) => {
    const running = await nodeInProcess(t)
    const emitted = nextEvent(running.node, 'cell_registered')
    const registered = await registerBytes(running.node, small, signed())
    assert.equal(registered.signedBy, 'publisher')
    assert.equal(registered.manifest.publisher, alice.publisher)
    assert.deepEqual(registered.validation.passed_checks.slice(0, 3), ['manifest', 'signature', 'package_digest'])
    assert.equal((await emitted).cellId, registered.cellId)
    assert.deepEqual(await filesIn(running), [summaryOf(small).digest])
    const details = running.node.cellDetails('parser')
    assert.equal(details.signed_by, 'publisher')
    assert.equal(details.analysis?.kind, 'module')
    assert.ok(details.performance.typical_startup_ms !== null)
  })

  it("without a manifest is signed by the node, and the name is the credential's", async (t) => {
    const { node } = await nodeInProcess(t)
    const registered = await registerBytes(node, small, { metadata: METADATA })
    assert.equal(registered.signedBy, 'provider')
    assert.equal(registered.manifest.publisher, node.publisher)
    const staged = await node.stagePackage(pieceOf(middle))
    const metadata = { ...METADATA, version: '2.0.0' }
    await refusal(node.registerCell({ metadata, package: staged, credential: 'another' }), 'PROV_015', 403)
  })

  it('is refused a second time, and the first one stands', async (t) => {
    const running = await nodeInProcess(t)
    await registerBytes(running.node, small, { metadata: METADATA })
    await refusal(registerBytes(running.node, middle, { metadata: METADATA }), 'PROV_007', 409)
    assert.deepEqual(await filesIn(running), [summaryOf(small).digest])
  })

  it('is whole after a restart', async (t) => {
    const first = await nodeInProcess(t)
    const { cellId } = await registerBytes(first.node, small, signed())
    await first.stop()
    const { node } = await nodeInProcess(t, { dataDir: first.dataDir })
    assert.equal(node.cellDetails('parser').cell_id, cellId)
  })
})

async function* pieceOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

describe('nothing is stored of', () => {
  it('a manifest that does not match its package', async (t) => {
    const running = await nodeInProcess(t)
    const error = await refusal(registerBytes(running.node, middle, signed()), 'PROV_008')
    assert.deepEqual(
      issues(error).map(({ code, location }) => [code, location]),
      ['digest', 'size', 'chunks_root'].map((field) => ['PACKAGE_MISMATCH', `manifest.package.${field}`]),
    )
    const manifest = manifestOf(alice.publisher, { ...summaryOf(small), chunksRoot: '0'.repeat(64) })
    await refusal(registerBytes(running.node, small, signed(manifest)), 'PROV_008')
    await isEmpty(running)
  })

  it('a wrong signature', async (t) => {
    const running = await nodeInProcess(t)
    const right = signed()
    const others = signedCell(mallory, manifestOf(mallory.publisher, summaryOf(small))).signature
    const moved = { ...right.manifest, version: '1.0.1' }
    for (const wrong of [
      { ...right, manifestSignature: others },
      { ...right, manifest: moved, metadata: { ...METADATA, version: '1.0.1' } },
      signed(right.manifest, 'another-network'),
    ]) {
      const error = await refusal(registerBytes(running.node, small, wrong), 'PROV_005')
      assert.match(error.message, /signature/)
    }
    await refusal(registerBytes(running.node, small, { ...right, manifestSignature: 'cs1.nonsense' }), 'PROV_001')
    await isEmpty(running)
  })

  it('a manifest without signature, or the other way round', async (t) => {
    const running = await nodeInProcess(t)
    const { metadata, manifest, manifestSignature } = signed()
    await refusal(registerBytes(running.node, small, { metadata, manifest }), 'PROV_001')
    await refusal(registerBytes(running.node, small, { metadata, manifestSignature }), 'PROV_001')
    await isEmpty(running)
  })

  it('metadata that contradicts the manifest', async (t) => {
    const running = await nodeInProcess(t)
    const contradictions: Partial<CellMetadata>[] = [
      { cell_type: 'other' },
      { version: '1.0.1' },
      { capabilities: [{ name: 'parse', version: '1.0.1' }] },
      { capabilities: [...METADATA.capabilities, { name: 'more', version: '1.0.0' }] },
      { packaging_format: 'container' },
      { media_type: 'text/plain' },
      { dependencies: [{ capability: 'read', version_constraint: '*' }] },
      { requirements: { memory_gb: 4 } },
      { labels: { domain: 'law' } },
    ]
    for (const contradiction of contradictions) {
      const registration = { ...signed(), metadata: { ...METADATA, ...contradiction } }
      const error = await refusal(registerBytes(running.node, small, registration), 'PROV_005')
      const [field] = Object.keys(contradiction)
      assert.deepEqual(
        issues(error).map(({ code, location }) => [code, location]),
        [['MANIFEST_MISMATCH', `metadata.${field}`]],
      )
    }
    await isEmpty(running)
    const dependencies = ['b', 'a'].map((capability) => ({ capability, version_constraint: '*' }))
    const agreeing = signed(manifestOf(alice.publisher, summaryOf(small), { dependencies }))
    const metadata = { ...METADATA, labels: {}, requirements: {}, dependencies: dependencies.toReversed() }
    await registerBytes(running.node, small, { ...agreeing, metadata })
  })

  for (const [what, bytes, code] of [
    ['that is not WebAssembly', Buffer.from('#!/bin/sh\necho hello, this is a script\n'), 'FORMAT_UNKNOWN'],
    ['that is cut off', small.subarray(0, small.length / 2), 'WASM_TRUNCATED'],
  ] as const) {
    it(`a package ${what}`, async (t) => {
      const running = await nodeInProcess(t)
      const unsigned = await refusal(registerBytes(running.node, bytes, { metadata: METADATA }), 'PROV_005')
      assert.ok(issues(unsigned).some((issue) => issue.code === code))
      const manifest = manifestOf(alice.publisher, summaryOf(bytes))
      await refusal(registerBytes(running.node, bytes, signed(manifest)), 'PROV_005')
      await isEmpty(running)
    })
  }

  it('a format that this node cannot open', async (t) => {
    const running = await nodeInProcess(t)
    const metadata = { ...METADATA, packaging_format: 'floppy' }
    const error = await refusal(registerBytes(running.node, small, { metadata }), 'PROV_005')
    assert.equal(issues(error)[0]?.code, 'FORMAT_UNKNOWN')
    await isEmpty(running)
  })

  it('an empty package, one over the limit, and one whose upload breaks off', async (t) => {
    const running = await nodeInProcess(t, { settings: { 'cells.max_package_bytes': '1000' } })
    const { node } = running
    await refusal(registerBytes(node, new Uint8Array(), { metadata: METADATA }), 'PROV_008')
    const error = await refusal(registerBytes(node, small, { metadata: METADATA }), 'PROV_001', 413)
    assert.match(error.message, /larger than 1000 bytes/)
    const broken = async function* () {
      yield small.subarray(0, 500)
      throw new Error('the client went away')
    }
    await assert.rejects(node.stagePackage(broken()), /the client went away/)
    const exact = await node.stagePackage(pieceOf(small.subarray(0, 1000)))
    assert.equal(exact.size, 1000)
    await exact.discard()
    await exact.discard()
    await isEmpty(running)
  })

  it('an unsigned upload where the node does not sign for others', async (t) => {
    const running = await nodeInProcess(t, { settings: { 'cells.sign_uploads': 'false' } })
    await refusal(registerBytes(running.node, small, { metadata: METADATA }), 'PROV_001')
    await isEmpty(running)
    await registerBytes(running.node, small, signed())
  })

  it('a manifest of another form', async (t) => {
    const running = await nodeInProcess(t)
    for (const change of [{ version: '1.0' }, { format: 2 }, { more: true }, { capabilities: [] }]) {
      const registration = signed()
      const manifest: unknown = { ...registration.manifest, ...change }
      await refusal(registerBytes(running.node, small, { ...registration, manifest }), 'PROV_001')
    }
    await isEmpty(running)
  })
})

describe('deleting', () => {
  it('removes cell and file, and then there is nothing to delete', async (t) => {
    const running = await nodeInProcess(t)
    await registerBytes(running.node, small, signed())
    await running.node.deleteCell('parser', '1.0.0')
    await isEmpty(running)
    await refusal(running.node.deleteCell('parser', '1.0.0'), 'PROV_002', 404)
  })
})

describe('files that no cell names', () => {
  it('are removed at the next start', async (t) => {
    const first = await nodeInProcess(t)
    const { manifest } = await registerBytes(first.node, small, signed())
    await first.stop()
    const blobs = await openBlobs(join(first.dataDir, 'blobs'))
    const isNamed = () => true
    await blobs.keep(await staged(blobs, middle), isNamed, async () => undefined)
    await blobs.close()
    const orphan = packageFile({ directory: first.dataDir }, summaryOf(middle).digest)
    assert.ok(existsSync(orphan))
    const again = await nodeInProcess(t, { dataDir: first.dataDir })
    await untilHolds(() => assert.ok(!existsSync(orphan)))
    const source = await again.node.openPackage(manifest.package.digest)
    assert.ok(source.complete)
    await source.close()
  })
})
