import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PackageReport, WasmReport } from '../../../protocol/annotations.ts'
import type { Severity } from '../../../protocol/vulnerabilities.ts'
import type { Candidate } from '../../../src/domain/cells/candidate.ts'
import { answerTexts } from '../../../src/domain/cells/records.ts'
import { fixedSteps, securityRating } from '../../../src/domain/cells/security-rating.ts'
import { manifestOf, newPublisher, openCells, signedCell, staged } from '../../support/cells.ts'

const CELL = { id: 'cell', publisher: 'p', cellType: 'parser', version: '1.0.0' }
const policy = (isPinned: boolean, worst?: Severity) => ({
  trust: { isPinned: () => isPinned },
  vulnerabilities: { worstOpen: () => worst },
})

const wasm = (more: Partial<WasmReport> = {}): PackageReport => ({
  kind: 'module',
  imports: [],
  exports: [],
  memory_min_bytes: 65_536,
  memory_max_bytes: 131_072,
  compile_ms: 1,
  ...more,
})
const WASI = [{ module: 'wasi_snapshot_preview1', name: 'fd_write', kind: 'function' }]
const INTERFACE = [{ module: '', name: 'wasi:io/streams@0.2.0', kind: 'instance' }]
const ENV = [...WASI, { module: 'env', name: 'wasi:eval', kind: 'function' }]
const CONTAINER: PackageReport = {
  kind: 'container',
  platforms: [],
  manifests: 1,
  layers: 1,
  entries: 1,
  unpacked_bytes: 1,
}

describe('a rating', () => {
  const table: [
    string,
    PackageReport | null,
    'publisher' | 'provider',
    boolean,
    Severity | undefined,
    string | null,
  ][] = [
    ['a pinned publisher, a bounded module', wasm(), 'publisher', true, undefined, 'A'],
    ['WASI alone costs nothing', wasm({ imports: WASI }), 'publisher', true, undefined, 'A'],
    ['nor in a component', wasm({ imports: INTERFACE }), 'publisher', true, undefined, 'A'],
    ['a text', { kind: 'document', characters: 3 }, 'publisher', true, undefined, 'A'],
    ['a publisher whom nobody pinned', wasm(), 'publisher', false, undefined, 'B'],
    ['signed by the provider', wasm(), 'provider', false, undefined, 'C'],
    ['an import outside WASI', wasm({ imports: ENV }), 'publisher', true, undefined, 'B'],
    ['memory without a maximum', wasm({ memory_max_bytes: null }), 'publisher', true, undefined, 'B'],
    ['both', wasm({ imports: ENV, memory_max_bytes: null }), 'publisher', true, undefined, 'C'],
    ['a container', CONTAINER, 'publisher', true, undefined, 'C'],
    ['an archive', { kind: 'archive', entries: 1, unpacked_bytes: 1 }, 'publisher', false, undefined, 'D'],
    ["a plugin's format", { kind: 'other', details: {} }, 'publisher', true, undefined, 'C'],
    ['a low vulnerability', wasm(), 'publisher', true, 'low', 'B'],
    ['a medium one', wasm(), 'publisher', true, 'medium', 'C'],
    ['a high one', wasm(), 'publisher', true, 'high', 'D'],
    ['a critical one', wasm(), 'publisher', true, 'critical', 'E'],
    ['everything but a critical one', CONTAINER, 'provider', false, 'high', 'D'],
    ['everything', CONTAINER, 'provider', false, 'critical', 'E'],
    ['a package that was not opened here', null, 'publisher', true, 'critical', null],
  ]
  for (const [name, report, signed_by, isPinned, worst, rating] of table) {
    it(`${rating}: ${name}`, () => {
      assert.equal(securityRating(fixedSteps({ report, signed_by }), CELL, policy(isPinned, worst)), rating)
    })
  }
})

describe('the rating in an answer', () => {
  async function registered(t: Parameters<typeof openCells>[0]) {
    const cells = await openCells(t)
    const publisher = newPublisher()
    const writer = await staged(cells.blobs, new TextEncoder().encode('module'))
    const cell = signedCell(publisher, manifestOf(publisher.publisher, writer.summary))
    const annotations = { description: '{"security_rating":null}\n{"publisher_trust":""}' }
    await cells.repository.register({ ...cell, annotations }, { credential: 'key', report: wasm() }, writer)
    await writer.discard()
    const [candidate] = cells.index.candidates('capability', 'parse') as [Candidate]
    const ask = (...how: Parameters<typeof policy>) => {
      const { before, after } = cells.index.answer({ candidate, tier: 1 }, policy(...how))!
      const answer = JSON.parse(`${before}http://node${after}`)
      assert.equal(answer.publisher_trust, 'pinned_by_operator')
      assert.equal(answer.metadata.description, annotations.description)
      assert.equal(answer.download_url, `http://node/api/v1/cells/packages/${cell.manifest.package.digest}`)
      assert.deepEqual(answer.manifest, cell.manifest)
      return answer.metadata.security_rating
    }
    return { cells, candidate, ask }
  }

  it('is that of the moment: after a pin, after a vulnerability', async (t) => {
    const { ask } = await registered(t)
    assert.equal(ask(false), 'B')
    assert.equal(ask(true), 'A')
    assert.equal(ask(true, 'critical'), 'E')
  })

  it('is there for answers that a release without ratings stored', async (t) => {
    const { cells, candidate, ask } = await registered(t)
    const old = '{"cell_id":"x","download_url":"\n/x","metadata":{"security_rating":null},"publisher_trust":"'
    await cells.store.transact((tx) => tx.put(answerTexts, candidate.id, old))
    assert.equal(ask(true), 'A')
  })

  it('is null for a copy that was not opened here', async (t) => {
    const cells = await openCells(t)
    const publisher = newPublisher()
    const writer = await staged(cells.blobs, new TextEncoder().encode('module'))
    const cell = signedCell(publisher, manifestOf(publisher.publisher, writer.summary))
    await cells.cache.keep(cell, 'peer', '2026-01-01T00:00:00.000Z', writer)
    await writer.discard()
    const [candidate] = cells.index.candidates('capability', 'parse') as [Candidate]
    const { before, after } = cells.index.answer({ candidate, tier: 3 }, policy(true, 'critical'))!
    assert.equal(JSON.parse(before + after).metadata.security_rating, null)
  })
})
