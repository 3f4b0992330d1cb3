import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../../protocol/limits.ts'
import type { Receipt } from '../../../protocol/receipt.ts'
import { Receipts } from '../../../src/domain/federation/receipts.ts'
import { TestClock } from '../../support/cells.ts'

function open() {
  const clock = new TestClock()
  const counted = new Set(['partner', 'second', 'third', 'witness'])
  const receipts = new Receipts({ clock, self: 'self', counts: (prober) => counted.has(prober) })
  /** A receipt as its prober made it, from an address group of its own unless it is given. */
  const told = (prober: string, ok: boolean, more: Partial<Receipt> = {}, group = prober): boolean => {
    const at = clock.now()
    const found = { ok, stage: 'fetch', at, round_trip_ms: 1, manifest_digest: 'ab'.repeat(32) } as const
    return receipts.take({ provider: 'provider', prober, ...found, ...more }, `${prober}'s token`, group)
  }
  return { clock, counted, receipts, told }
}

describe('a receipt counts', () => {
  it('of this node, partners and witnesses, and nobody else', () => {
    const { receipts, told } = open()
    assert.equal(receipts.reachable('provider'), null)
    for (let i = 0; i < 100; i++) assert.equal(told(`stranger ${i}`, false), false)
    assert.equal(receipts.reachable('provider'), null)
    assert.equal(told('witness', true), true)
    assert.equal(receipts.reachable('provider'), true)
  })

  it('not of a provider about itself, and not about this node', () => {
    const { receipts, told } = open()
    assert.equal(told('partner', true, { provider: 'partner' }), false)
    assert.equal(told('partner', false, { provider: 'self' }), false)
    assert.equal(receipts.reachable('partner'), null)
    assert.equal(receipts.reachable('self'), null)
  })

  it('not when another claims to be this node', () => {
    const { receipts, told } = open()
    assert.equal(told('self', false), false)
    assert.equal(receipts.reachable('provider'), null)
  })

  it('for a quarter of an hour', () => {
    const { clock, receipts, told } = open()
    told('partner', false)
    clock.advance(LIMITS.receiptLifetimeMs - 1)
    assert.equal(receipts.reachable('provider'), false)
    clock.advance(1)
    assert.equal(receipts.reachable('provider'), null)
    assert.equal(told('partner', true, { at: clock.now() - LIMITS.receiptLifetimeMs }), false)
    assert.equal(told('partner', true, { at: clock.now() + LIMITS.clockSkewMs + 1 }), false)
    assert.equal(receipts.reachable('provider'), null)
  })

  it('only until its prober makes a newer one', () => {
    const { clock, receipts, told } = open()
    told('partner', true)
    assert.equal(told('partner', false), false, 'of two at one time, the first')
    clock.advance(1)
    assert.equal(told('partner', false), true)
    assert.equal(told('partner', true, { at: clock.now() - 1 }), false)
    assert.equal(receipts.reachable('provider'), false)
  })

  it('as long as its prober is a partner or a witness', () => {
    const { counted, receipts, told } = open()
    told('partner', false)
    counted.delete('partner')
    assert.equal(receipts.reachable('provider'), null)
    receipts.sweep()
    counted.add('partner')
    assert.equal(receipts.reachable('provider'), null, 'it was forgotten')
  })
})

describe('receipts that differ', () => {
  it('are decided by what this node found', () => {
    const { clock, receipts, told } = open()
    for (const prober of ['partner', 'second', 'third']) told(prober, false)
    assert.equal(receipts.reachable('provider'), false)
    receipts.observed('provider', { ok: true, at: clock.now() })
    assert.equal(receipts.reachable('provider'), true)
    clock.advance(LIMITS.receiptLifetimeMs)
    assert.equal(receipts.reachable('provider'), null)
  })

  it('are decided by the majority of address groups, whatever their numbers', () => {
    const { receipts, told } = open()
    told('partner', false, {}, 'one house')
    told('second', false, {}, 'one house')
    told('third', false, {}, 'one house')
    assert.equal(receipts.reachable('provider'), false)
    told('witness', true)
    assert.equal(receipts.reachable('provider'), null, 'one group against one')
  })

  it('of one address group are decided by the newest', () => {
    const { clock, receipts, told } = open()
    told('partner', false, {}, 'one house')
    clock.advance(1)
    told('second', true, {}, 'one house')
    assert.equal(receipts.reachable('provider'), true)
  })
})

it('providers that were reached come first, those that were not last, others in between and all in their order', () => {
  const { receipts, told } = open()
  told('partner', true, { provider: 'd' })
  told('partner', false, { provider: 'a' })
  assert.deepEqual(receipts.inOrder(['a', 'b', 'c', 'd']), ['d', 'b', 'c', 'a'])
})

it('what one prober tells is bounded, the newest stay', () => {
  const { clock, receipts, told } = open()
  for (let i = 0; i < 1000; i++) {
    clock.advance(1)
    told('partner', false, { provider: `provider ${i}` })
  }
  assert.equal(receipts.reachable('provider 0'), null)
  assert.equal(receipts.reachable('provider 743'), null)
  assert.equal(receipts.reachable('provider 744'), false)
  assert.equal(receipts.reachable('provider 999'), false)
})

it('when a provider was last seen is remembered longer than a receipt counts', () => {
  const { clock, receipts, told } = open()
  const at = clock.now()
  told('partner', true)
  clock.advance(1000)
  told('partner', false)
  clock.advance(LIMITS.receiptLifetimeMs)
  receipts.sweep()
  assert.equal(receipts.lastSeen('provider'), at)
  assert.equal(receipts.lastSeen('another'), undefined)
})

it('what this node found is told once it was signed, the newest first, as far as it is asked for', () => {
  const { clock, receipts } = open()
  const from = clock.now()
  receipts.observed('a', { ok: true, at: from, token: 'of a' })
  clock.advance(10)
  receipts.observed('b', { ok: false, at: clock.now(), token: 'of b' })
  receipts.observed('c', { ok: true, at: clock.now() })
  assert.deepEqual(receipts.ownTokens(0, 10), ['of b', 'of a'])
  assert.deepEqual(receipts.ownTokens(0, 1), ['of b'])
  assert.deepEqual(receipts.ownTokens(from, 10), ['of b'])
})
