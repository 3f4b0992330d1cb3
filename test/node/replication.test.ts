import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PolicyStatus } from '../../protocol/replication.ts'
import { equalBytes } from '../../src/kernel/base/bytes.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { manifestOf, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import { download, knowsProviders, type NodeInProcess, nextEvent, nodeInProcess, scriptedPeer } from '../support/node-pairs.ts'

const alice = newPublisher()
const bytesOf = (fill: number, size = 5000) => new Uint8Array(size).fill(fill)
const BY = 'admin'

function cellOf(version: string, bytes: Uint8Array, more: Parameters<typeof manifestOf>[2] = {}, keys = alice) {
  return signedCell(keys, manifestOf(keys.publisher, summaryOf(bytes), { version, ...more }))
}

/** Resolves when the policy is so far. */
async function until(t: it.TestContext, { node }: NodeInProcess, id: string, wanted: Partial<PolicyStatus>) {
  await t.waitFor(() => {
    const policy = node.replication.policies().policies.find((one) => one.id === id)
    for (const [key, value] of Object.entries(wanted)) {
      assert.deepEqual(policy?.[key as keyof PolicyStatus], value, `${key}: ${JSON.stringify(policy)}`)
    }
  }, { timeout: 20_000 })
}

describe('a followed publisher', () => {
  it('has its cells fetched and kept, also those that are announced later, whoever asks', async (t) => {
    const cell = cellOf('1.0.0', bytesOf(1))
    const peer = await scriptedPeer(t, cell, bytesOf(1))
    const a = await nodeInProcess(t, { seeds: [peer.address] })
    const { id } = await a.node.replication.follow({ publisher: alice.publisher, max_bytes: 20_000 }, BY)
    await until(t, a, id, { matches: 1, kept: 1, bytes: 5000, waiting: 0, failed: 0, full: false })
    await peer.stop()
    assert.ok(equalBytes(await download(a.node, cell.manifest.package.digest), bytesOf(1)))
  })
})
