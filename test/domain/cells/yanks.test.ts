import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import type { Yank } from '../../../protocol/yank.ts'
import { successor } from '../../../scripts/vectors/publishers.ts'
import { Yanks } from '../../../src/domain/cells/yanks.ts'
import {
  createPublisherKeys,
  type PublisherKeyFile,
  type PublisherKeys,
  publisherKeys,
} from '../../../src/kernel/identity/manifest-signer.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { manifestOf, NETWORK, newPublisher, openCells, signedCell, staged } from '../../support/cells.ts'

type Cells = Awaited<ReturnType<typeof openCells>>

const alice = newPublisher()
const mallory = newPublisher()
const ID = 'ab'.repeat(32)

const yankOf = (publisher: string, change: Partial<Yank> = {}): Yank => ({
  format: 1,
  manifest_digest: ID,
  publisher,
  counter: 1,
  yanked: true,
  reason: 'broken',
  at: 1000,
  ...change,
})

const tokenOf = (keys: PublisherKeys, change: Partial<Yank> = {}): string =>
  keys.signYank(NETWORK, yankOf(keys.publisher, change))

async function registered(cells: Cells, version = '1.0.0') {
  const writer = await staged(cells.blobs, new TextEncoder().encode(version))
  const cell = signedCell(alice, manifestOf(alice.publisher, writer.summary, { version }))
  return cells.repository.register(cell, { credential: 'key', report: null }, writer)
}

/** Yanks over the store of `cells`, with other settings. */
async function reopened(cells: Cells, options: { strangerBytes?: number; pinned?: string } = {}): Promise<Yanks> {
  const parts = {
    ...cells,
    trust: { isPinned: (publisher: string) => publisher === options.pinned },
    network: NETWORK,
    verifier: nativeVerifier,
  }
  const yanks = new Yanks(parts, options.strangerBytes)
  await yanks.load()
  return yanks
}

const acts = async (cells: Cells): Promise<object[]> => {
  const leaves: object[] = []
  for (let index = 0; ; index++) {
    const leaf = cells.merkleLog.leaf(index)
    if (leaf === undefined) return leaves
    leaves.push(JSON.parse(new TextDecoder().decode(leaf)))
  }
}

const open = async (t: TestContext) => {
  const cells = await openCells(t)
  return { cells, yanks: cells.yanks }
}

describe('a yank by its publisher', () => {
  const named = { id: ID, publisher: alice.publisher }

  it('withdraws the cell with its reason, and an undo with a higher counter brings it back', async (t) => {
    const { yanks } = await open(t)
    assert.equal(yanks.reasonOf(named), undefined)
    await yanks.accept(tokenOf(alice, { message: 'loses data' }), 'a peer')
    assert.equal(yanks.reasonOf(named), 'was yanked: broken: loses data')
    assert.equal(await yanks.accept(tokenOf(alice, { counter: 1, yanked: false }), 'a peer'), undefined)
    assert.ok(yanks.isWithdrawn(named), 'at equal counters the yank counts')
    await yanks.accept(tokenOf(alice, { counter: 2, yanked: false }), 'a peer')
    assert.ok(!yanks.isWithdrawn(named))
    await yanks.accept(tokenOf(alice, { counter: 2 }), 'a peer')
    assert.ok(yanks.isWithdrawn(named), 'at equal counters the yank counts, in whatever order they come')
  })

  it('as compromised is final, whatever comes after or came before', async (t) => {
    const { yanks } = await open(t)
    await yanks.accept(tokenOf(alice, { counter: 9, yanked: false }), 'a peer')
    await yanks.accept(tokenOf(alice, { counter: 3, reason: 'compromised' }), 'a peer')
    assert.equal(yanks.reasonOf(named), 'was yanked: compromised')
    assert.equal(await yanks.accept(tokenOf(alice, { counter: 10, yanked: false }), 'a peer'), undefined)
    assert.ok(yanks.isWithdrawn(named))
    await assert.rejects(yanks.accept(tokenOf(alice, { counter: 11, yanked: false, reason: 'compromised' })), {
      code: 'PROV_001',
    })
  })

  it('counts the same in whatever order yanks arrive', async (t) => {
    const { cells } = await open(t)
    let number = 0
    const said = fc.record({
      counter: fc.integer({ min: 1, max: 3 }),
      yanked: fc.boolean(),
      reason: fc.constantFrom('broken' as const, 'compromised' as const),
    })
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(said, { maxLength: 4, selector: (s) => JSON.stringify(s) }), async (all) => {
        const valid = all.filter(({ yanked, reason }) => yanked || reason !== 'compromised')
        const verdicts: unknown[] = []
        for (const order of [valid, [...valid].reverse()]) {
          const id = (number++).toString(16).padStart(64, '0')
          for (const one of order) await cells.yanks.accept(tokenOf(alice, { ...one, manifest_digest: id }), 'a peer')
          const { counter, yanked, reason } = cells.yanks.publisherYank({ id, publisher: alice.publisher }) ?? {}
          verdicts.push({ counter, yanked, reason })
        }
        assert.deepEqual(verdicts[0], verdicts[1])
      }),
      { numRuns: 40 },
    )
  })

  it('says nothing about cells of others', async (t) => {
    const { yanks, cells } = await open(t)
    await yanks.accept(tokenOf(mallory), 'a peer')
    assert.ok(!yanks.isWithdrawn(named))
    const { id, manifest } = await registered(cells)
    const foreign = tokenOf(mallory, { manifest_digest: id })
    await assert.rejects(yanks.accept(foreign), { code: 'PROV_005' })
    assert.equal((await yanks.accept(foreign, 'a peer'))?.cell, undefined, 'kept, because peers cannot tell')
    assert.ok(!yanks.isWithdrawn({ id, publisher: manifest.publisher }))
    await yanks.accept(tokenOf(alice, { manifest_digest: id }), 'a peer')
    assert.ok(yanks.isWithdrawn({ id, publisher: manifest.publisher }))
  })

  it('does not count when it is forged, for another network, or spelled otherwise', async (t) => {
    const { yanks } = await open(t)
    const good = tokenOf(alice)
    const elsewhere = alice.signYank('elsewhere', yankOf(alice.publisher))
    for (const [token, code] of [
      [elsewhere, 'PROV_005'],
      [`cs1${good.slice(3)}`, 'PROV_001'],
      [`${good}A`, 'PROV_001'],
      [`ys1.${'A'.repeat(200_000)}`, 'PROV_001'],
    ] as const) {
      await assert.rejects(yanks.accept(token, 'a peer'), { code })
    }
    assert.throws(() => mallory.signYank(NETWORK, yankOf(alice.publisher)), TypeError)
    assert.ok(!yanks.isWithdrawn(named))
  })

  it('needs both halves of a hybrid publisher', async (t) => {
    const { yanks } = await open(t)
    const file = createPublisherKeys({ kind: 'publisher', hybrid: true })
    const keys = publisherKeys(file)
    const [prefix, content = ''] = tokenOf(keys).split('.')
    const signed = JSON.parse(Buffer.from(content, 'base64url').toString())
    const stripped = { ...signed, signatures: signed.signatures.slice(0, 1) }
    const token = `${prefix}.${Buffer.from(JSON.stringify(stripped)).toString('base64url')}`
    await assert.rejects(yanks.accept(token, 'a peer'), /requires ed25519, ml-dsa-65/)
    assert.ok(await yanks.accept(tokenOf(keys), 'a peer'))
  })

  it('does not count once its keys are revoked, and one by the new keys does, with whatever counter', async (t) => {
    const { cells, yanks } = await open(t)
    const first = createPublisherKeys({ kind: 'publisher' })
    const stolen = publisherKeys(first)
    const own = { id: ID, publisher: stolen.publisher }
    await yanks.accept(tokenOf(stolen, { counter: 5 }), 'a peer')
    assert.ok(yanks.isWithdrawn(own))
    const second: PublisherKeyFile = successor(first, 'second', { revoked_from: 0 }, NETWORK)
    await yanks.accept(tokenOf(publisherKeys(second), { counter: 1, manifest_digest: 'cd'.repeat(32) }), 'a peer')
    assert.ok(!yanks.isWithdrawn(own))
    assert.deepEqual(yanks.said(own), [])
    await assert.rejects(yanks.accept(tokenOf(stolen, { counter: 6 }), 'a peer'), /has revoked the keys/)
    await yanks.accept(tokenOf(publisherKeys(second), { counter: 1 }), 'a peer')
    assert.ok(yanks.isWithdrawn(own))
    assert.ok((await reopened(cells)).isWithdrawn(own))
  })
})

describe('an operator', () => {
  it('yanks and undoes for this node, apart from what the publisher says', async (t) => {
    const { cells, yanks } = await open(t)
    const cell = await registered(cells)
    const named = { id: cell.id, publisher: alice.publisher }
    await assert.rejects(yanks.byOperator(cell, 'undo'), { code: 'PROV_001', status: 409 })
    await yanks.byOperator(cell, { reason: 'broken' })
    await yanks.accept(tokenOf(alice, { manifest_digest: cell.id, reason: 'superseded' }), 'a peer')
    assert.deepEqual(yanks.announced(named), { status: 'yanked', yank_counter: 1 })
    await yanks.accept(tokenOf(alice, { manifest_digest: cell.id, counter: 2, yanked: false }), 'a peer')
    assert.equal(yanks.reasonOf(named), 'was yanked: broken', 'the publisher cannot undo it')
    assert.deepEqual(yanks.announced(named), { status: 'yanked' }, 'it is not told as the publisher’s')
    await yanks.byOperator(cell, 'undo')
    assert.ok(!yanks.isWithdrawn(named))
    assert.deepEqual(yanks.announced(named), { yank_counter: 2 })
    await yanks.accept(tokenOf(alice, { manifest_digest: cell.id, counter: 3 }), 'a peer')
    await assert.rejects(yanks.byOperator(cell, 'undo'), { status: 409 })
    assert.ok(yanks.isWithdrawn(named), 'the operator cannot undo what the publisher says')
    await yanks.byOperator(cell, { reason: 'compromised' })
    await assert.rejects(yanks.byOperator(cell, 'undo'), /final/)
    assert.deepEqual(
      yanks.said(named).map(({ by, counter, yanked, reason, token }) => [by, counter, yanked, reason, typeof token]),
      [
        ['publisher', 3, true, 'broken', 'string'],
        ['operator', 3, true, 'compromised', 'undefined'],
      ],
    )
  })
})

describe('yanks of a cell of this repository', () => {
  it('are in the log with reason and author, and survive a restart', async (t) => {
    const { cells, yanks } = await open(t)
    const cell = await registered(cells)
    const named = { id: cell.id, publisher: alice.publisher }
    await yanks.accept(tokenOf(alice, { manifest_digest: cell.id }), 'a peer')
    await yanks.accept(tokenOf(alice, { manifest_digest: cell.id, counter: 2, yanked: false }), 'a peer')
    await yanks.byOperator(cell, { reason: 'withdrawn', message: 'not here' })
    // Of a cell that is not here nothing can be logged.
    await yanks.accept(tokenOf(alice), 'a peer')
    assert.deepEqual(
      (await acts(cells)).slice(1).map((act) => {
        const {
          at: _,
          cell_type: __,
          version: ___,
          digest: ____,
          publisher: _____,
          ...rest
        } = act as Record<string, string>
        return rest
      }),
      [
        { act: 'yank', cell_id: cell.id, reason: 'broken', by: 'publisher' },
        { act: 'unyank', cell_id: cell.id, reason: 'broken', by: 'publisher' },
        { act: 'yank', cell_id: cell.id, reason: 'withdrawn', by: 'operator' },
      ],
    )
    const again = await reopened(cells)
    assert.equal(again.reasonOf(named), 'was yanked: withdrawn: not here')
    assert.deepEqual(again.said(named), yanks.said(named))
    assert.ok(again.isWithdrawn({ id: ID, publisher: alice.publisher }))
  })

  it('show in the list and keep it from standing in for others', async (t) => {
    const { cells, yanks } = await open(t)
    const cell = await registered(cells)
    await registered(cells, '1.1.0')
    await yanks.accept(tokenOf(alice, { manifest_digest: cell.id }))
    const { cells: listed } = await cells.repository.list({})
    assert.deepEqual(
      listed[0]?.versions.map(({ version, status }) => [version, status]),
      [
        ['1.1.0', 'active'],
        ['1.0.0', 'yanked'],
      ],
    )
    const writer = await staged(cells.blobs, new TextEncoder().encode('user'))
    const user = manifestOf(alice.publisher, writer.summary, {
      cell_type: 'user',
      capabilities: [{ name: 'use', version: '1.0.0' }],
      dependencies: [{ capability: 'parse', version_constraint: '^1.0.0' }],
    })
    await cells.repository.register(signedCell(alice, user), { credential: 'key', report: null }, writer)
    await assert.rejects(cells.repository.delete('parser', '1.1.0'), { code: 'PROV_015' })
    await yanks.accept(tokenOf(alice, { manifest_digest: cell.id, counter: 2, yanked: false }))
    await cells.repository.delete('parser', '1.1.0')
  })
})

describe('yanks of cells that are not here', () => {
  const keys = Array.from({ length: 6 }, newPublisher)
  const size = tokenOf(keys[0]!).length

  it('are bounded in all and per provider; those of pinned publishers and of cells held here always fit', async (t) => {
    const { cells } = await open(t)
    const pinned = keys[5]!
    // Room for four and a half, and half a one for each provider.
    let yanks = await reopened(cells, { strangerBytes: size * 4.5, pinned: pinned.publisher })
    assert.equal(await yanks.accept(tokenOf(keys[0]!), 'one'), undefined, 'more than a provider’s share')
    yanks = await reopened(cells, { strangerBytes: size * 16.5, pinned: pinned.publisher })
    assert.ok(await yanks.accept(tokenOf(keys[0]!), 'one'))
    assert.ok(await yanks.accept(tokenOf(keys[1]!), 'one'))
    assert.equal(await yanks.accept(tokenOf(keys[2]!), 'one'), undefined)
    assert.ok(await yanks.accept(tokenOf(keys[2]!), 'two'))
    assert.ok(await yanks.accept(tokenOf(keys[1]!, { counter: 2, yanked: false }), 'one'), 'it takes the same place')
    assert.ok(await yanks.accept(tokenOf(pinned), 'one'))
    const cell = await registered(cells)
    assert.ok(await yanks.accept(tokenOf(alice, { manifest_digest: cell.id }), 'one'))
    // What is on disk counts again after a restart.
    yanks = await reopened(cells, { strangerBytes: size * 16.5 })
    assert.equal(await yanks.accept(tokenOf(keys[3]!), 'one'), undefined)
    yanks = await reopened(cells, { strangerBytes: size * 3.1 })
    assert.equal(await yanks.accept(tokenOf(keys[3]!), 'three'), undefined)
  })
})

describe('an announced yank', () => {
  const entry = { manifest_digest: ID, publisher: alice.publisher, cell_type: 't', version: '1.0.0', capabilities: [] }

  it('is news when its counter is higher than what is known, or it yanks what is not yanked', async (t) => {
    const { yanks } = await open(t)
    const isNews = (status: 'active' | 'yanked', counter?: number) =>
      yanks.isNews({ ...entry, status, ...(counter === undefined ? {} : { yank_counter: counter }) })
    assert.ok(!isNews('yanked'), 'without a counter it is that provider’s own word')
    assert.ok(isNews('yanked', 1) && isNews('active', 1))
    await yanks.accept(tokenOf(alice, { counter: 2 }), 'a peer')
    assert.ok(!isNews('yanked', 2) && !isNews('active', 2) && isNews('active', 3))
    await yanks.accept(tokenOf(alice, { counter: 3, yanked: false }), 'a peer')
    assert.ok(isNews('yanked', 3) && !isNews('active', 3))
  })
})
