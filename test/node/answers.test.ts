import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import { createPublisherKeys, type PublisherKeys, publisherKeys } from '../../src/kernel/identity/manifest-signer.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { verifyRegistration } from '../../src/kernel/log/registration-proof.ts'
import type { CellQuery } from '../../src/node/api.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { NETWORK, packageRef, summaryOf } from '../support/cells.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { answerOf, download, knowsProviders, nextEvent, nodeInProcess, registerBytes } from '../support/node-pairs.ts'

const small = await readFile(SMALL_MODULE)
const WAIT_MS = 30_000
const QUERY: CellQuery = { by: 'capability', name: 'map-sources' }
const hybridPublisher = (): PublisherKeys => publisherKeys(createPublisherKeys({ kind: 'publisher', hybrid: true }))

interface Offer {
  readonly cell_type?: string
  readonly version?: string
  readonly dependencies?: Manifest['dependencies']
  readonly requirements?: Manifest['requirements']
}

/** Registers the module, signed by the node or by `keys`. */
function register(node: RunningNode, offer: Offer = {}, keys?: PublisherKeys) {
  const { cell_type = 'source-map', version = '1.0.0', dependencies = [], requirements = {} } = offer
  const capabilities = [{ name: cell_type === 'source-map' ? 'map-sources' : cell_type, version }]
  const metadata = { cell_type, version, capabilities, dependencies, requirements }
  if (keys === undefined) return registerBytes(node, small, { metadata })
  const manifest: Manifest = {
    ...metadata,
    format: 1,
    publisher: keys.publisher,
    packaging_format: 'wasm',
    media_type: 'application/wasm',
    labels: {},
    package: packageRef(summaryOf(small)),
  }
  const manifestSignature = keys.signManifest(NETWORK, manifest)
  return registerBytes(node, small, { metadata, manifest, manifestSignature })
}

describe('an explained answer', () => {
  it('says of every candidate here what became of it, and where was looked', async (t) => {
    const { node } = await nodeInProcess(t)
    const old = await register(node, { version: '1.0.0' })
    const best = await register(node, { version: '1.5.0' })
    const large = await register(node, { version: '1.6.0', requirements: { memory_gb: 64 } })
    const query: CellQuery = { ...QUERY, range: '^1.0.0', device: { memory_gb: 8 }, explain: true }
    assert.equal(node.answerLocally(query), undefined)
    const outcome = await node.requestCell(query, WAIT_MS)
    assert.equal(outcome.status, 'success')
    assert.deepEqual(
      outcome.explanation?.map(({ cell_id, source, outcome, reason }) => ({ cell_id, source, outcome, reason })),
      [
        { cell_id: best.cellId, source: 'store', outcome: 'won', reason: 'the best of all that fit' },
        {
          cell_id: old.cellId,
          source: 'store',
          outcome: 'lost',
          reason: 'the winner offers version 1.5.0, which is higher',
        },
        {
          cell_id: large.cellId,
          source: 'store',
          outcome: 'rejected',
          reason: 'needs 64 GB of memory, the device has 8',
        },
      ],
    )
    assert.deepEqual(outcome.coverage, {
      sources: [
        { source: 'store', outcome: 'answered', candidates: 2 },
        { source: 'directory', outcome: 'answered', candidates: 0 },
        { source: 'dht', outcome: 'not_asked', candidates: 0 },
      ],
      peers: [],
      oldest_answer_ms: 0,
    })
  })

  it('names what peers announced and offered, and how old the announcements are', async (t) => {
    const c = await nodeInProcess(t)
    const there = await register(c.node, { version: '2.0.0' })
    const { node } = await nodeInProcess(t, { seeds: c.node.addresses })
    const here = await register(node, { version: '1.0.0' }, publisherKeys(createPublisherKeys({ kind: 'publisher' })))
    await knowsProviders(node, 1)
    const outcome = await node.requestCell({ ...QUERY, explain: true }, WAIT_MS)
    assert.equal(outcome.status, 'success')
    const [won, lost, ...others] = outcome.explanation ?? []
    assert.deepEqual([won?.cell_id, won?.outcome, won?.source], [here.cellId, 'won', 'store'])
    assert.deepEqual([lost?.cell_id, lost?.outcome, lost?.source], [there.cellId, 'rejected', 'directory'])
    assert.match(lost!.reason, /its publisher is unknown/)
    assert.equal(lost?.provider_id, c.node.providerId)
    assert.deepEqual(others, [])
    assert.ok(outcome.coverage!.oldest_answer_ms >= 0)

    const missing = await node.requestCell({ ...QUERY, range: '^7.0.0', explain: true }, WAIT_MS)
    assert.equal(missing.status, 'not_found')
    assert.deepEqual(
      missing.explanation?.map(({ outcome }) => outcome),
      ['rejected', 'rejected'],
    )
    assert.deepEqual(
      missing.coverage.sources.map(({ source }) => source),
      ['store', 'directory', 'dht'],
    )
  })
})

describe('dependencies', () => {
  it('are resolved over the federation into a lock, or not at all', async (t) => {
    const c = await nodeInProcess(t)
    const needs = [{ capability: 'alpha', version_constraint: '^1.0.0' }]
    const alpha = await register(c.node, {
      cell_type: 'alpha',
      version: '1.2.0',
      dependencies: [{ capability: 'beta', version_constraint: '>=2.0.0' }],
    })
    const { node } = await nodeInProcess(t, { seeds: c.node.addresses })
    const root = await register(node, { dependencies: needs })
    await knowsProviders(node, 1)
    const query: CellQuery = { ...QUERY, resolveDependencies: true }
    const without = await node.requestCell(query, WAIT_MS)
    assert.equal(without.status, 'not_found')
    assert.deepEqual(without.conflicts, [
      {
        capability: 'beta',
        required_by: [{ cell_type: 'alpha', version: '1.2.0', version_constraint: '>=2.0.0' }],
        reason: 'nobody offers it',
      },
    ])
    assert.equal(without.alternatives[0]?.cell_type, 'source-map')
    assert.ok(without.coverage)

    const beta = await register(node, { cell_type: 'beta', version: '2.1.0' })
    const outcome = await node.requestCell(query, WAIT_MS)
    assert.equal(outcome.status, 'success', JSON.stringify(outcome))
    assert.equal(answerOf(outcome.cell).cell_id, root.cellId)
    assert.deepEqual(
      outcome.lock?.map(({ capability, cell_id, digest, publisher }) => ({ capability, cell_id, digest, publisher })),
      [alpha, beta].map(({ cellId, manifest }) => ({
        capability: manifest.cell_type,
        cell_id: cellId,
        digest: manifest.package.digest,
        publisher: manifest.publisher,
      })),
    )
    assert.ok(outcome.lock!.length <= LIMITS.lockEntries)
  })
})

describe('security level maximum', () => {
  const verify = (provider: RunningNode, cellId: string, proof: Parameters<typeof verifyRegistration>[2] | undefined) =>
    verifyRegistration(nativeVerifier, NETWORK, proof!, {
      id: cellId,
      providerId: provider.providerId,
      now: Date.now(),
    })

  it('takes a hybrid signature of a pinned publisher, and brings the proof of the log that has it', async (t) => {
    const keys = hybridPublisher()
    const plain = publisherKeys(createPublisherKeys({ kind: 'publisher' }))
    const { node } = await nodeInProcess(t, {
      settings: { 'publishers.pinned': `${keys.publisher},${plain.publisher}` },
    })
    await register(node, { cell_type: 'plain', version: '3.0.0' }, plain)
    const cell = await register(node, { version: '1.0.0' }, keys)
    const query: CellQuery = { ...QUERY, securityLevel: 'maximum' }
    assert.equal(node.answerLocally(query), undefined)
    const outcome = await node.requestCell(query, WAIT_MS)
    assert.equal(outcome.status, 'success', JSON.stringify(outcome))
    const answer = answerOf(outcome.cell)
    assert.equal(verify(node, cell.cellId, answer.log).digest, answer.digest)

    const refused = await node.requestCell({ ...query, name: 'plain' }, WAIT_MS)
    assert.equal(refused.status, 'not_found')
    assert.match(refused.alternatives[0]!.compatibility_notes, /needs a hybrid signature/)
  })

  it('brings the proof of the peer that registered the cell, also where a copy is kept here', async (t) => {
    const keys = hybridPublisher()
    const c = await nodeInProcess(t)
    const cell = await register(c.node, {}, keys)
    const { node } = await nodeInProcess(t, {
      seeds: c.node.addresses,
      settings: { 'publishers.pinned': keys.publisher },
    })
    await knowsProviders(node, 1)
    const ask = async () => {
      const outcome = await node.requestCell({ ...QUERY, securityLevel: 'maximum' }, WAIT_MS)
      assert.equal(outcome.status, 'success', JSON.stringify(outcome))
      return answerOf(outcome.cell)
    }
    assert.equal(verify(c.node, cell.cellId, (await ask()).log).act, 'register')
    const cached = nextEvent(node, 'cell_cached')
    await download(node, cell.manifest.package.digest)
    await cached
    assert.ok(node.answerLocally(QUERY))
    assert.equal(verify(c.node, cell.cellId, (await ask()).log).act, 'register')
  })
})
