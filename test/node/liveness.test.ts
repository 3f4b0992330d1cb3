import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import type { Receipt } from '../../protocol/receipt.ts'
import { signReceipt } from '../../src/kernel/identity/receipt-signature.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { newIdentity, startNode as startNetwork } from '../network/nodes.ts'
import { manifestOf, NETWORK, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import {
  answerOf,
  knowsProviders,
  nextEvent,
  nodeInProcess,
  offerOf,
  scriptedPackage,
  scriptedPeer,
} from '../support/node-pairs.ts'
import { untilHolds } from '../support/until-holds.ts'

const alice = newPublisher()
/** A last chunk that is small enough to be verified. */
const bytes = new Uint8Array(LIMITS.chunkBytes + 5000).fill(7)
const cell = signedCell(alice, manifestOf(alice.publisher, summaryOf(bytes)))
const QUERY = { by: 'capability', name: 'parse' } as const
const WAIT_MS = 20_000
/** Ten a second. */
const OFTEN = { 'receipts.probes_per_minute': '600' }
const NEVER = { 'receipts.probes_per_minute': '0' }

const shown = (node: RunningNode, provider: string) =>
  node.peers().providers.find(({ provider_id: id }) => id === provider)

const probed = (node: RunningNode, provider: string, ok: boolean) =>
  nextEvent(node, 'provider_probed', (event) => event.providerId === provider && event.ok === ok)

describe('a probe', () => {
  it('of a provider that delivers what it announces ends in a receipt for it', async (t) => {
    const peer = await scriptedPeer(t, cell, bytes)
    const a = await nodeInProcess(t, { seeds: [peer.address], settings: OFTEN })
    const { stage } = await probed(a.node, peer.providerId, true)
    assert.equal(stage, 'verify')
    assert.equal(shown(a.node, peer.providerId)?.reachable, true)
    const [found] = a.node.searchCapabilities({ capability: 'parse' }).capabilities[0]!.cell_types
    assert.equal(found?.reachable, true)
    assert.ok(Date.parse(found?.last_seen ?? '') > 0)
  })

  it('names the stage that failed', async (t) => {
    const wrong = bytes.slice()
    wrong[wrong.length - 1]! ^= 1
    const peers = {
      answer: await scriptedPeer(t, cell, bytes, { onCellRequest: () => Promise.reject(new Error('broken')) }),
      describe: await scriptedPeer(t, cell, bytes, { onPackageRequest: async () => undefined }),
      fetch: await scriptedPeer(t, cell, bytes, { openPackage: async () => undefined }),
      verify: await scriptedPeer(t, cell, bytes, { openPackage: async () => scriptedPackage(wrong) }),
    }
    const seeds = Object.values(peers).map(({ address }) => address)
    const a = await nodeInProcess(t, { seeds, settings: OFTEN })
    const stages = await Promise.all(
      Object.values(peers).map(async ({ providerId }) => (await probed(a.node, providerId, false)).stage),
    )
    assert.deepEqual(stages, Object.keys(peers))
    for (const { providerId } of Object.values(peers)) assert.equal(shown(a.node, providerId)?.reachable, false)
  })

  it('of a package whose last chunk is large ends with its first bytes', async (t) => {
    const large = new Uint8Array(LIMITS.chunkBytes).fill(9)
    const { providerId, address } = await scriptedPeer(
      t,
      signedCell(alice, manifestOf(alice.publisher, summaryOf(large))),
      large,
    )
    const a = await nodeInProcess(t, { seeds: [address], settings: OFTEN })
    assert.equal((await probed(a.node, providerId, true)).stage, 'fetch')
  })
})

describe('a provider that does not answer', () => {
  it('is asked after one that does, and stays listed', async (t) => {
    let asked = 0
    const dead = await scriptedPeer(t, cell, bytes, {
      onCellRequest: ({ by }) => {
        if (by === 'capability') asked++
        throw new Error('broken')
      },
    })
    const good = await scriptedPeer(t, cell, bytes)
    const a = await nodeInProcess(t, { seeds: [dead.address, good.address], settings: OFTEN })
    await Promise.all([probed(a.node, dead.providerId, false), probed(a.node, good.providerId, true)])
    const outcome = await a.node.requestCell(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'success')
    assert.equal(answerOf(outcome.cell).metadata.provider, good.providerId)
    assert.equal(asked, 0)
    assert.deepEqual(
      [dead, good].map(({ providerId }) => shown(a.node, providerId)?.reachable),
      [false, true],
    )
    const [found] = a.node.searchCapabilities({ capability: 'parse' }).capabilities[0]!.cell_types
    assert.equal(found?.provider_id, good.providerId, 'of two who announce it, the one that can be reached')
  })

  it('is found out as soon as somebody asks for its cell, and recovers when it answers again', async (t) => {
    let isDead = false
    const peer = await scriptedPeer(t, cell, bytes, {
      onCellRequest: () => {
        if (isDead) throw new Error('broken')
        return [offerOf(cell)]
      },
    })
    const other = await startNetwork(t, { networkName: NETWORK })
    const seeds = [peer.address, other.network.addresses[0]!]
    const a = await nodeInProcess(t, { seeds, settings: OFTEN })
    await probed(a.node, peer.providerId, true)
    isDead = true
    const failed = probed(a.node, peer.providerId, false)
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'not_found')
    await failed
    assert.equal(shown(a.node, peer.providerId)?.reachable, false)
    assert.ok(shown(a.node, peer.providerId)?.last_seen, 'it was seen before')
    isDead = false
    const recovered = probed(a.node, peer.providerId, true)
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'success')
    await recovered
    assert.equal(shown(a.node, peer.providerId)?.reachable, true)
  })

  it('gets no receipt from a node that reaches nobody else', async (t) => {
    const asked = Promise.withResolvers<void>()
    const peer = await scriptedPeer(t, cell, bytes, {
      onCellRequest: () => {
        asked.resolve()
        throw new Error('broken')
      },
    })
    const a = await nodeInProcess(t, { seeds: [peer.address], settings: OFTEN })
    let receipts = 0
    a.node.events.on('provider_probed', () => receipts++)
    await asked.promise
    await a.stop()
    assert.equal(receipts, 0)
    assert.equal(shown(a.node, peer.providerId)?.reachable, null)
  })
})

/** A node that says of providers what a test wants, signed with its own key unless another is given. */
async function prober(t: it.TestContext, words: readonly Partial<Receipt>[], signer?: ReturnType<typeof newIdentity>) {
  const identity = newIdentity(NETWORK)
  const asked = Promise.withResolvers<void>()
  const tokens = words.map((word) => {
    const { wire, providerId } = signer ?? identity
    const found = { ok: false, stage: 'connect', round_trip_ms: null, manifest_digest: cell.id } as const
    return signReceipt(wire, NETWORK, { provider: '', prober: providerId, at: Date.now(), ...found, ...word })
  })
  const { network } = await startNetwork(t, {
    identity,
    networkName: NETWORK,
    handlers: {
      answers: {
        receipts_request: () => {
          asked.resolve()
          return { receipts: tokens }
        },
      },
    },
  })
  return { providerId: identity.providerId, address: network.addresses[0]!, asked: asked.promise }
}

describe('what others found', () => {
  it('counts when they are partners or witnesses, is overruled by this node, and is not even asked of strangers', async (t) => {
    const peer = await scriptedPeer(t, cell, bytes)
    const witness = await prober(t, [{ provider: peer.providerId }])
    const partner = await prober(t, [{ provider: peer.providerId }])
    const liar = await prober(t, [{ provider: peer.providerId }])
    const seeds = [peer.address, witness.address, liar.address]
    const settings = { ...NEVER, 'receipts.witnesses': witness.providerId }

    const a = await nodeInProcess(t, { seeds, settings })
    await knowsProviders(a.node, 1)
    await witness.asked
    await untilHolds(() => assert.equal(shown(a.node, peer.providerId)?.reachable, false), { timeout: WAIT_MS })
    assert.equal((await a.node.requestCell(QUERY, WAIT_MS)).status, 'success', 'it is asked all the same')
    assert.equal(shown(a.node, peer.providerId)?.reachable, true)

    const b = await nodeInProcess(t, { seeds: [peer.address], settings: NEVER })
    const addition = { provider_id: partner.providerId, name: 'B', url: 'http://127.0.0.1:1', shared_secret: 'x' }
    await b.node.federation.add(addition, 'admin')
    await b.stop()
    const c = await nodeInProcess(t, { seeds: [peer.address, partner.address], settings: NEVER, dataDir: b.dataDir })
    await knowsProviders(c.node, 1)
    await partner.asked
    await untilHolds(() => assert.equal(shown(c.node, peer.providerId)?.reachable, false), { timeout: WAIT_MS })

    let isAsked = false
    liar.asked.then(() => {
      isAsked = true
    })
    await Promise.resolve()
    assert.equal(isAsked, false)
    // What ends after the test begins with `b`, and with the data directory that both have used.
    await c.stop()
  })

  it('changes nothing where a witness passes on what others say, or signs for others', async (t) => {
    const peer = await scriptedPeer(t, cell, bytes)
    const relayed = await prober(t, [{ provider: peer.providerId }], newIdentity(NETWORK))
    const forged = await prober(t, [{ provider: peer.providerId, prober: newIdentity(NETWORK).providerId }])
    const settings = { ...NEVER, 'receipts.witnesses': `${relayed.providerId},${forged.providerId}` }
    const a = await nodeInProcess(t, { seeds: [peer.address, relayed.address, forged.address], settings })
    await knowsProviders(a.node, 1)
    await Promise.all([relayed.asked, forged.asked])
    assert.equal((await a.node.requestCell({ ...QUERY, name: 'else' }, WAIT_MS)).status, 'not_found')
    assert.equal(shown(a.node, peer.providerId)?.reachable, null)
  })
})
