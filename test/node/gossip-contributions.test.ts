import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { CONTEXTS } from '../../protocol/contexts.ts'
import type { ContributionAnnounce, ContributionResponse } from '../../protocol/contribution.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { type ContributionRecord, contributionId } from '../../src/domain/goals/contribution-record.ts'
import { toBase64Url, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { signObject } from '../../src/kernel/identity/keys.ts'
import { ContributionGossip } from '../../src/node/flows/gossip-contributions.ts'
import { silentLogger } from '../network/nodes.ts'
import { NETWORK, TestClock } from '../support/cells.ts'
import { contributionOf, goalOf, newContributor, packOf } from '../support/goals.ts'
import { untilHolds } from '../support/until-holds.ts'

const result = { score: 1, metrics: { reward: 1, risk: 0, complexity: 0 } }
const entry = { ...goalOf(), joined: true }

/** Gossip about a goal at a node whose peers are called `names`, and answer requests for contributions with `held`. */
function open(t: TestContext, names: readonly string[], held: readonly ContributionRecord[] = []) {
  const identity = newContributor()
  const clock = new TestClock()
  const published: { topic: string; bytes: Uint8Array }[] = []
  const asked: [peer: string, ids: readonly string[]][] = []
  const scored: [peer: string, event: string][] = []
  const accepted: string[] = []
  const kept = new Set<string>()
  const network = {
    publish: async (topic: string, bytes: Uint8Array) => void published.push({ topic, bytes }),
    request: async (peer: string, _: string, { contributions: ids }: { contributions: readonly string[] }) => {
      asked.push([peer, ids])
      const contributions = held
        .filter(({ contribution }) => ids.includes(contributionId(contribution)))
        .map((record): ContributionResponse['contributions'][number] => ({ ...record, result }))
      return { contributions }
    },
    connectedPeers: () => names.map((providerId) => ({ providerId })),
    scores: { record: (peer: string, event: string) => void scored.push([peer, event]) },
  }
  const keys = { identity, providerId: providerIdOf(identity.publicKey) }
  const parts = { clock, logger: silentLogger, keys, config: { network: { name: NETWORK } }, network }
  const gossip = new ContributionGossip(parts as never, {
    goal: entry,
    has: (id) => kept.has(id),
    set: {
      accept: async (text) => {
        const id = contributionId((JSON.parse(text) as ContributionRecord).contribution)
        accepted.push(id)
        kept.add(id)
        return 'accepted'
      },
    },
  })
  t.after(() => gossip.stop())
  return { gossip, clock, published, asked, scored, accepted, kept }
}

/** An announcement by a stranger. */
function announced(record: ContributionRecord, change: Partial<ContributionAnnounce> = {}, sender = newContributor()) {
  const unsigned = {
    type: 'contribution_announce' as const,
    sender_id: providerIdOf(sender.publicKey),
    timestamp: new TestClock().now(),
    nonce: toBase64Url(new Uint8Array(16)),
    contribution: record.contribution,
    result,
    ...change,
  }
  const signature = signObject(sender, NETWORK, CONTEXTS.contributionAnnounce, unsigned)
  return { sender: unsigned.sender_id, bytes: utf8(canonicalJson({ ...unsigned, signature, ...change })) }
}

describe('an announced contribution', () => {
  it('is passed on and asked for, first of its sender, then of the peer that brought it', async (t) => {
    const record = contributionOf(entry.digest, packOf({ reward: 1 }))
    const id = contributionId(record.contribution)
    const { sender, bytes } = announced(record)
    const near = open(t, [sender, 'peer'], [record])
    assert.equal(near.gossip.gossiped(bytes, 'peer'), 'accept')
    await untilHolds(() => assert.deepEqual(near.accepted, [id]))
    assert.deepEqual(near.asked, [[sender, [id]]])
    assert.deepEqual(near.scored, [[sender, 'valid_contribution']])
    assert.equal(near.gossip.gossiped(bytes, 'peer'), 'ignore')
    const far = open(t, ['peer'], [record])
    assert.equal(far.gossip.gossiped(bytes, 'peer'), 'accept')
    await untilHolds(() => assert.deepEqual(far.asked, [['peer', [id]]]))
  })

  it('that does not hold is rejected, and costs the peer its score', (t) => {
    const record = contributionOf(entry.digest, packOf({ reward: 1 }))
    const { contribution } = record
    const other = contributionOf(entry.digest, packOf({ reward: 2 })).contribution
    const bad = {
      'no JSON': utf8('{'),
      'too large': new Uint8Array(LIMITS.contributionAnnounceBytes + 1),
      'another goal': announced(contributionOf(goalOf().digest, packOf({ reward: 1 }))).bytes,
      'the signature of another contribution': announced({
        ...record,
        contribution: { ...contribution, signature: other.signature },
      }).bytes,
      'another contributor': announced({
        ...record,
        contribution: { ...contribution, contributor_id: other.contributor_id },
      }).bytes,
      'the signature of another sender': announced(record, { sender_id: providerIdOf(newContributor().publicKey) })
        .bytes,
      'an unknown member': announced(record, { more: 1 } as never).bytes,
    }
    const { gossip, scored, asked } = open(t, ['peer'])
    for (const [what, bytes] of Object.entries(bad)) assert.equal(gossip.gossiped(bytes, 'peer'), 'reject', what)
    assert.equal(scored.length, Object.keys(bad).length)
    assert.deepEqual(asked, [])
  })

  it('of another time is ignored, and costs nothing', (t) => {
    const { gossip, scored, clock } = open(t, ['peer'])
    const { bytes } = announced(contributionOf(entry.digest, packOf({ reward: 1 })))
    clock.advance(LIMITS.clockSkewMs + 1)
    assert.equal(gossip.gossiped(bytes, 'peer'), 'ignore')
    assert.deepEqual(scored, [])
  })
})

describe('an own contribution', () => {
  it('is announced so that others take it, and no more of them than others listen to', async (t) => {
    const { gossip, published } = open(t, [])
    const record = contributionOf(entry.digest, packOf({ reward: 1 }))
    for (let i = 0; i < 500; i++) gossip.publish(record.contribution, result)
    assert.ok(published.length >= 100 && published.length < 256, `${published.length} were published`)
    assert.equal(published[0]!.topic, `goal/${entry.digest}`)
    assert.equal(open(t, []).gossip.gossiped(published[0]!.bytes, 'peer'), 'accept')
  })
})
