import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it, type TestContext } from 'node:test'
import type { Yank } from '../../protocol/yank.ts'
import { successor } from '../../scripts/vectors/publishers.ts'
import { signAnnouncement } from '../../src/domain/federation/announcement.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { createPublisherKeys, publisherKeys } from '../../src/kernel/identity/manifest-signer.ts'
import { openSync } from '../../src/network/sync/open-sync.ts'
import { Shunned } from '../../src/network/sync/shunned.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { connectedTo, newIdentity, startNode as startNetwork, within } from '../network/nodes.ts'
import { MemorySet } from '../network/sync/memory-set.ts'
import { NETWORK, newPublisher } from '../support/cells.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { knowsProviders, nodeInProcess, registerBytes } from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const bytes = await readFile(SMALL_MODULE)
const alice = newPublisher()

const metadata = (name: string) => ({
  cell_type: name,
  version: '1.0.0',
  capabilities: [{ name, version: '1.0.0' }],
})

/** A yank of a cell that no node here holds. */
const yankToken = (number: number, change: Partial<Yank> = {}, keys = alice): string =>
  keys.signYank(NETWORK, {
    format: 1,
    manifest_digest: sha256Hex(`cell ${number}`),
    publisher: keys.publisher,
    counter: 1,
    yanked: true,
    reason: 'broken',
    at: 1,
    ...change,
  })

const setOf = async ({ node }: { node: RunningNode }, name: string) =>
  (await node.nodeStatus()).sets.find((set) => set.name === name)!

/** A peer that reconciles `yanks` and keys as a node does, but gossips nothing and opens no reconciliation. */
async function holderOf(t: TestContext, name: string, texts: readonly string[]) {
  const set = new MemorySet(texts, name)
  const peer = await startNetwork(t, { networkName: NETWORK, identity: newIdentity(NETWORK) })
  const give = async (to: RunningNode) => {
    await peer.network.addAddresses(to.providerId, to.addresses)
    await peer.network.connect(to.providerId, AbortSignal.timeout(10_000))
    await connectedTo(peer, to.providerId)
    const shunned = { fetched: new Shunned(systemClock), offered: new Shunned(systemClock) }
    const report = await untilHolds(() => openSync(set, to.providerId, { network: peer.network, shunned, ...within() }))
    return { report, set, shunned }
  }
  return { peer, give }
}

/** Resolves when all nodes have the same root of a set of so many records. */
async function agree(nodes: readonly { node: RunningNode }[], name: string, count: number) {
  await untilHolds(async () => {
    const sets = await Promise.all(nodes.map((one) => setOf(one, name)))
    assert.deepEqual(
      sets.map((set) => [set.count, set.root]),
      sets.map(() => [count, sets[0]!.root]),
    )
  })
}

describe('a yank that one node alone knows', () => {
  it('reaches the others by reconciling, without gossip, and all have the same root', async (t) => {
    const a = await nodeInProcess(t)
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    const c = await nodeInProcess(t, { seeds: b.node.addresses })
    const { give } = await holderOf(t, 'yanks', [yankToken(1), yankToken(2)])
    const { report } = await give(a.node)
    assert.equal(report.given, 2)
    await agree([a, b, c], 'yanks', 2)
    await untilHolds(() => assert.equal(c.node.nodeInfo().consensus_state, 'ACTIVE'))
  })

  it('replaces an older word of the publisher, wherever that was', async (t) => {
    const a = await nodeInProcess(t)
    await (await holderOf(t, 'yanks', [yankToken(1), yankToken(2)])).give(a.node)
    const b = await nodeInProcess(t)
    const undone = yankToken(1, { counter: 2, yanked: false })
    await (await holderOf(t, 'yanks', [undone])).give(b.node)
    const c = await nodeInProcess(t, { seeds: [...a.node.addresses, ...b.node.addresses] })
    await agree([a, b, c], 'yanks', 2)
    const { set } = await (await holderOf(t, 'yanks', [])).give(c.node)
    assert.deepEqual([...set.texts.values()].sort(), [undone, yankToken(2)].sort())
  })

  it('that says the same as another in other words is kept by all or by none', async (t) => {
    const [one, other] = [yankToken(1, { message: 'one' }), yankToken(1, { message: 'other' })]
    const a = await nodeInProcess(t)
    await (await holderOf(t, 'yanks', [one])).give(a.node)
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    await (await holderOf(t, 'yanks', [other])).give(b.node)
    await agree([a, b], 'yanks', 1)
  })
})

describe('keys of publishers that replaced theirs', () => {
  it('are the same on all nodes, and who contradicts itself is frozen everywhere', async (t) => {
    const first = createPublisherKeys({ kind: 'publisher' })
    const [left, right, elsewhere] = [
      successor(first, 'left', {}, NETWORK),
      successor(first, 'right', {}, NETWORK),
      successor(createPublisherKeys({ kind: 'publisher' }), 'elsewhere', {}, NETWORK),
    ].map(({ records }) => canonicalJson({ format: 1, records }))
    const a = await nodeInProcess(t)
    await (await holderOf(t, 'publisher-keys', [left!, elsewhere!])).give(a.node)
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    await agree([a, b], 'publisher-keys', 2)
    await (await holderOf(t, 'publisher-keys', [right!])).give(b.node)
    await agree([a, b], 'publisher-keys', 2)
    const root = (await setOf(a, 'publisher-keys')).root
    await b.stop()
    const again = await nodeInProcess(t, { dataDir: b.dataDir })
    await untilHolds(async () => assert.equal((await setOf(again, 'publisher-keys')).root, root))
    // A yank by frozen keys is not shared.
    const { report } = await (await holderOf(t, 'yanks', [yankToken(9, {}, publisherKeys(first))])).give(a.node)
    assert.equal(report.given, 0)
  })
})

describe('announcements', () => {
  it('reach a node that joins late, all of them, from a peer that only heard of them', async (t) => {
    const a = await nodeInProcess(t)
    const providers = 40
    const texts: string[] = []
    for (let i = 0; i < providers; i++) {
      const identity = newIdentity(NETWORK)
      const announcement = signAnnouncement(identity.identity, NETWORK, {
        provider_id: identity.providerId,
        page: 0,
        sequence: Date.now(),
        expires_at: Date.now() + 600_000,
        addresses: [],
        cells: [
          {
            manifest_digest: sha256Hex(`manifest ${i}`),
            publisher: alice.publisher,
            cell_type: `cell-${i}`,
            version: '1.0.0',
            capabilities: [{ name: `capability-${i}`, version: '1.0.0' }],
          },
        ],
      })
      texts.push(canonicalJson(announcement))
    }
    const { report } = await (await holderOf(t, 'announcements', texts)).give(a.node)
    assert.equal(report.given, providers)
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    await knowsProviders(b.node, providers)
    await agree([a, b], 'announcements', providers)
    assert.equal(b.node.peers().known_providers, providers)
  })

  it('of both sides of a partition are known on both when it is healed', async (t) => {
    const a = await nodeInProcess(t)
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    await registerBytes(a.node, bytes, { metadata: metadata('one') })
    await knowsProviders(b.node, 1)
    await b.stop()
    // While b is away a learns something, and b something else.
    await registerBytes(a.node, bytes, { metadata: metadata('two') })
    await (await holderOf(t, 'yanks', [yankToken(1)])).give(a.node)
    const away = await nodeInProcess(t, { dataDir: b.dataDir })
    await registerBytes(away.node, bytes, { metadata: metadata('three') })
    await (await holderOf(t, 'yanks', [yankToken(2)])).give(away.node)
    await away.stop()
    const healed = await nodeInProcess(t, { dataDir: b.dataDir, seeds: a.node.addresses })
    await agree([a, healed], 'yanks', 2)
    await untilHolds(async () => {
      for (const [node, name] of [
        [a.node, 'three'],
        [healed.node, 'two'],
      ] as const) {
        const { capabilities } = node.searchCapabilities({ capability: name })
        assert.equal(capabilities.length, 1, name)
      }
    })
  })
})

describe('a peer that reconciles with a node', () => {
  it('cannot bring it what does not hold', async (t) => {
    const a = await nodeInProcess(t)
    const good = yankToken(1)
    const { give } = await holderOf(t, 'yanks', ['record of nothing', `${good}A`])
    const { report } = await give(a.node)
    assert.equal(report.given, 0)
    assert.equal((await setOf(a, 'yanks')).count, 0)
  })

  it('is told that there is no such set', async (t) => {
    const a = await nodeInProcess(t)
    const { peer } = await holderOf(t, 'yanks', [])
    await peer.network.addAddresses(a.node.providerId, a.node.addresses)
    const ask = peer.network.request(
      a.node.providerId,
      'records_request',
      { set: 'x', ids: ['ab'.repeat(32)] },
      within(),
    )
    await assert.rejects(ask, { code: 'bad_request', message: /there is no set x here/ })
  })
})
