import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { CellMetadata } from '../../protocol/repository.ts'
import { successor } from '../../scripts/vectors/publishers.ts'
import { createPublisherKeys, publisherKeys } from '../../src/kernel/identity/manifest-signer.ts'
import type { Registration } from '../../src/node/api.ts'
import { manifestOf, NETWORK, newPublisher, summaryOf } from '../support/cells.ts'
import { LARGE_MODULE, MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { type NodeInProcess, nodeInProcess, registerBytes } from '../support/node-pairs.ts'

const small = await readFile(SMALL_MODULE)
const middle = await readFile(MIDDLE_MODULE)
const alice = newPublisher()

const METADATA: CellMetadata = {
  cell_type: 'parser',
  version: '1.0.0',
  capabilities: [{ name: 'parse', version: '1.0.0' }],
}
const EVERY_CHECK = ['manifest', 'signature', 'package_digest', 'metadata', 'ownership', 'version']

const signed = (bytes: Uint8Array, publisher = alice) => {
  const manifest = manifestOf(publisher.publisher, summaryOf(bytes))
  return { metadata: METADATA, manifest, manifestSignature: publisher.signManifest(NETWORK, manifest) }
}

async function* pieceOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function validate(
  { node }: NodeInProcess,
  bytes: Uint8Array,
  registration: Omit<Registration, 'package' | 'credential'>,
  credential = 'test',
) {
  return node.validateCell({ ...registration, package: await node.stagePackage(pieceOf(bytes)), credential })
}

const errorsOf = ({ issues }: { issues: { severity: string; code: string; location: string }[] }): string[] =>
  issues.filter(({ severity }) => severity === 'error').map(({ code, location }) => `${code} ${location}`)

async function filesIn({ dataDir }: NodeInProcess): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

describe('validating', () => {
  it('passes every check of a right cell, signed or not, and leaves neither file nor record nor log entry', async (t) => {
    const running = await nodeInProcess(t)
    const before = running.node.log.checkpoint().split('\n').slice(0, 3)
    for (const bytes of [small, middle, await readFile(LARGE_MODULE)]) {
      for (const registration of [signed(bytes), { metadata: METADATA }]) {
        const results = await validate(running, bytes, registration)
        assert.deepEqual(errorsOf(results), [])
        assert.deepEqual(results.passed_checks.slice(0, EVERY_CHECK.length), EVERY_CHECK)
        assert.ok(results.passed_checks.length > EVERY_CHECK.length, 'the package was opened')
      }
    }
    assert.deepEqual(await filesIn(running), [])
    assert.equal((await running.node.listCells({})).total_count, 0)
    assert.deepEqual(running.node.log.checkpoint().split('\n').slice(0, 3), before)
    await registerBytes(running.node, small, signed(small))
  })

  it('finds what registering finds', async (t) => {
    const running = await nodeInProcess(t)
    const validated = await validate(running, small, signed(small))
    const { validation } = await registerBytes(running.node, small, signed(small))
    assert.deepEqual(validation, validated)
  })

  it('lists everything that is wrong at once', async (t) => {
    const running = await nodeInProcess(t)
    await registerBytes(running.node, small, signed(small))
    const cut = middle.subarray(0, middle.length / 2)
    const { manifest } = signed(small, newPublisher())
    const metadata = { ...METADATA, media_type: 'text/plain', labels: { domain: 'law' } }
    const { manifestSignature } = signed(small)
    const results = await validate(running, cut, { metadata, manifest, manifestSignature })
    assert.deepEqual(
      errorsOf(results).map((error) => error.replace(/, byte \d+$/, '')),
      [
        'SIGNATURE_INVALID manifest_signature',
        'PACKAGE_MISMATCH manifest.package.digest',
        'PACKAGE_MISMATCH manifest.package.size',
        'PACKAGE_MISMATCH manifest.package.chunks_root',
        'MANIFEST_MISMATCH metadata.media_type',
        'MANIFEST_MISMATCH metadata.labels',
        'NOT_OWNER metadata.cell_type',
        'VERSION_EXISTS metadata.version',
        'WASM_TRUNCATED package',
      ],
    )
    assert.deepEqual(results.passed_checks.slice(0, 1), ['manifest'])
    assert.deepEqual(await filesIn(running), [summaryOf(small).digest], 'what was registered stays')
  })

  it('says whose name it is, to whom it is not', async (t) => {
    const running = await nodeInProcess(t)
    await registerBytes(running.node, small, { metadata: METADATA })
    const next = { metadata: { ...METADATA, version: '2.0.0' } }
    assert.deepEqual(errorsOf(await validate(running, small, next)), [])
    assert.deepEqual(errorsOf(await validate(running, small, next, 'another')), ['NOT_OWNER metadata.cell_type'])
  })

  it('knows no format and has nobody to sign for', async (t) => {
    const running = await nodeInProcess(t, { settings: { 'cells.sign_uploads': 'false' } })
    const script = Buffer.from('#!/bin/sh\necho hello, this is a script\n')
    const results = await validate(running, script, { metadata: METADATA })
    assert.deepEqual(errorsOf(results), ['FORMAT_UNKNOWN metadata.packaging_format', 'MANIFEST_MISSING manifest'])
    const floppy = await validate(running, small, { metadata: { ...METADATA, packaging_format: 'floppy' } })
    assert.deepEqual(errorsOf(floppy), ['FORMAT_UNKNOWN manifest.packaging_format', 'MANIFEST_MISSING manifest'])
  })

  it('learns no keys, and believes none that were revoked', async (t) => {
    const running = await nodeInProcess(t)
    const first = createPublisherKeys({ kind: 'publisher' })
    const second = publisherKeys(successor(first, 'second', { revoked_from: 0 }, NETWORK))
    assert.deepEqual(errorsOf(await validate(running, small, signed(small, second))), [])
    assert.deepEqual(errorsOf(await validate(running, small, signed(small, publisherKeys(first)))), [])
    await registerBytes(running.node, small, signed(small, second))
    const revoked = await validate(running, middle, signed(middle, publisherKeys(first)))
    assert.deepEqual(errorsOf(revoked), ['SIGNATURE_INVALID manifest_signature', 'VERSION_EXISTS metadata.version'])
  })

  it('refuses what cannot be read, and leaves nothing', async (t) => {
    const running = await nodeInProcess(t)
    const right = signed(small)
    for (const unreadable of [
      { ...right, manifest: { ...right.manifest, format: 2 } },
      { ...right, manifestSignature: 'cs1.nonsense' },
      { metadata: METADATA, manifest: right.manifest },
      { metadata: METADATA, manifestSignature: right.manifestSignature },
      { metadata: { ...METADATA, capabilities: [...METADATA.capabilities, ...METADATA.capabilities] } },
    ]) {
      await assert.rejects(validate(running, small, unreadable), { code: 'PROV_001', status: 400 })
    }
    assert.deepEqual(await filesIn(running), [])
  })
})
