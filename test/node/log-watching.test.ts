import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { EquivocationRecord } from '../../protocol/transparency.ts'
import { toHex } from '../../src/kernel/base/bytes.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { verifyEquivocation } from '../../src/kernel/log/equivocation.ts'
import { parseLogRecord } from '../../src/kernel/log/log-record.ts'
import { connectedTo, within } from '../network/nodes.ts'
import { NETWORK } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { hasPeers, nextEvent, nodeInProcess } from '../support/node-pairs.ts'
import { scriptedLog, scriptedLogPeer } from '../support/scripted-logs.ts'

describe('two faces shown to two peers', () => {
  it('of one size: both end with evidence that a stranger verifies, and know no good of the node', async (t) => {
    const a = await nodeInProcess(t)
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    await Promise.all([hasPeers(a.node, 1), hasPeers(b.node, 1)])
    const liar = scriptedLog()
    const [left, right] = [liar.history('left', 2), liar.history('right', 2)]
    const found = [a, b].map(({ node }) => nextEvent(node, 'equivocation_found'))
    const peer = await scriptedLogPeer(t, liar, {
      seeds: [...a.node.addresses, ...b.node.addresses],
      tell: (asker) => [(asker === a.node.providerId ? left : right).record(5)],
    })
    await Promise.all([a, b].map(({ node }) => connectedTo(peer, node.providerId)))
    for (const { providerId } of await Promise.all(found)) assert.equal(providerId, liar.providerId)

    // The liar is banned by now.
    const stranger = await scriptedLogPeer(t, scriptedLog(), { seeds: [...a.node.addresses, ...b.node.addresses] })
    await Promise.all([a, b].map(({ node }) => connectedTo(stranger, node.providerId)))
    const texts = await Promise.all(
      [a, b].map(async ({ node }) => {
        const { records } = await stranger.network.request(
          node.providerId,
          'log_records_request',
          { provider_id: liar.providerId },
          within(),
        )
        return records.at(-1)!
      }),
    )
    for (const text of texts) {
      const evidence = parseLogRecord(text) as EquivocationRecord
      const proven = { providerId: liar.providerId, origin: `${liar.providerId}/log`, sizes: [5, 5] }
      assert.deepEqual(verifyEquivocation(pureVerifier, NETWORK, evidence), proven)
    }
    for (const { node } of [a, b]) {
      assert.deepEqual(
        (await node.log.evidence({})).equivocations.map(({ provider_id }) => provider_id),
        [liar.providerId],
      )
    }
  })

  it('of two sizes: the proof for the larger one, which leads from another root than was signed, is evidence', async (t) => {
    const liar = scriptedLog()
    const [left, right] = [liar.history('left', 2), liar.history('right', 2)]
    const { node } = await nodeInProcess(t)
    const found = nextEvent(node, 'equivocation_found')
    // Sizes of a perfect tree, whose root the proof itself leaves out, and of another.
    for (const from of [4, 5]) {
      const evidence: EquivocationRecord = {
        type: 'equivocation',
        provider_id: liar.providerId,
        first: left.record(from),
        second: right.record(7),
        proof: { from_root: toHex(right.root(from)), hashes: right.proof(from, 7) },
      }
      verifyEquivocation(nativeVerifier, NETWORK, evidence)
    }
    const peer = await scriptedLogPeer(t, liar, {
      seeds: node.addresses,
      tell: () => [left.record(4), right.record(7)],
      handlers: {
        answers: {
          consistency_request: ({ from, to }) => ({
            from_root: toHex(right.root(from)),
            hashes: right.proof(from, to),
          }),
        },
      },
    })
    await connectedTo(peer, node.providerId)
    assert.equal((await found).providerId, liar.providerId)
    const { equivocations } = await node.log.evidence({})
    assert.deepEqual(verifyEquivocation(pureVerifier, NETWORK, equivocations[0]!).sizes, [4, 7])
  })
})

describe('evidence', () => {
  it('reaches who has never met the node, at once and when it comes late', async (t) => {
    const a = await nodeInProcess(t)
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    const c = await nodeInProcess(t, { seeds: b.node.addresses })
    await Promise.all([hasPeers(a.node, 1), hasPeers(b.node, 2), hasPeers(c.node, 1)])
    const liar = scriptedLog()
    const found = [a, b, c].map(({ node }) => nextEvent(node, 'equivocation_found'))
    const peer = await scriptedLogPeer(t, liar, {
      seeds: a.node.addresses,
      tell: () => [liar.history('left').record(5), liar.history('right').record(5)],
    })
    await connectedTo(peer, a.node.providerId)
    for (const { providerId } of await Promise.all(found)) assert.equal(providerId, liar.providerId)

    const d = await nodeInProcess(t)
    const late = nextEvent(d.node, 'equivocation_found')
    const e = await nodeInProcess(t, { seeds: [...c.node.addresses, ...d.node.addresses] })
    await hasPeers(e.node, 2)
    assert.equal((await late).providerId, liar.providerId)
    const lists = await Promise.all([a, b, c, d].map(({ node }) => node.log.evidence({})))
    // All keep the same piece, and it stays after a restart.
    for (const { equivocations } of lists) assert.deepEqual(equivocations, lists[0]!.equivocations)
  })

  it('outlives a restart, as the ban does', async (t) => {
    const dataDir = join(await temporaryFolder(t), 'data')
    const first = await nodeInProcess(t, { dataDir })
    const liar = scriptedLog()
    const tell = () => [liar.history('left').record(5), liar.history('right').record(5)]
    const found = nextEvent(first.node, 'equivocation_found')
    const peer = await scriptedLogPeer(t, liar, { seeds: first.node.addresses, tell })
    await found
    await peer.network.stop()
    await first.stop()

    const { node } = await nodeInProcess(t, { dataDir })
    const { equivocations } = await node.log.evidence({})
    assert.deepEqual(
      equivocations.map(({ provider_id }) => provider_id),
      [liar.providerId],
    )
    const [ban] = node.bans.list().bans
    assert.deepEqual([ban?.provider_id, ban?.until], [liar.providerId, null])
  })
})

describe('a proof that is refused', () => {
  it('suspends a log until it is given', async (t) => {
    const log = scriptedLog()
    const history = log.history('only')
    const { node } = await nodeInProcess(t)
    const suspended = nextEvent(node, 'log_standing')
    let isWilling = false
    const peer = await scriptedLogPeer(t, log, {
      seeds: node.addresses,
      tell: () => [history.record(3), history.record(isWilling ? 9 : 6)],
      handlers: {
        answers: {
          consistency_request: ({ from, to }) =>
            isWilling ? { from_root: toHex(history.root(from)), hashes: history.proof(from, to) } : {},
        },
      },
    })
    await connectedTo(peer, node.providerId)
    assert.deepEqual(await suspended, { providerId: log.providerId, standing: 'suspended' })
    const listed = (await node.log.evidence({})).suspended
    assert.deepEqual(
      listed.map(({ provider_id, reason }) => [provider_id, reason]),
      [[log.providerId, 'did not prove that its checkpoint of 6 leaves extends the one of 3']],
    )
    const show = async (size: number) => {
      const body = { old_size: 0, proof: [], checkpoint: history.checkpoint(size), certificate: log.certificate }
      return (await peer.network.request(node.providerId, 'add_checkpoint_request', body, within())).refused
    }
    assert.equal(await show(6), 'suspended')

    const cleared = nextEvent(node, 'log_standing')
    isWilling = true
    // It is asked again when something new of it is heard.
    assert.equal(await show(9), 'suspended')
    assert.deepEqual(await cleared, { providerId: log.providerId, standing: 'good' })
    assert.deepEqual((await node.log.evidence({})).suspended, [])
  })
})
