import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addressGroup } from '../../src/network/address-group.ts'
import { InboundLimit } from '../../src/network/inbound-limit.ts'

describe('inbound connections per address', () => {
  it('are at most a quarter of all; one that ends makes room', () => {
    const limit = new InboundLimit(8)
    const leave = limit.enter('8.8.8.8')
    assert.ok(leave)
    assert.ok(limit.enter('::ffff:8.8.8.8'))
    assert.equal(limit.enter('8.8.8.8'), undefined)
    assert.ok(limit.enter('8.8.4.4'))
    leave()
    assert.ok(limit.enter('8.8.8.8'))
    assert.equal(limit.enter('8.8.8.8'), undefined)
  })

  it('count an IPv6 site as one', () => {
    const limit = new InboundLimit(8)
    assert.ok(limit.enter('2606:4700:1:2::1'))
    assert.ok(limit.enter('2606:4700:1:2:ffff::2'))
    assert.equal(limit.enter('2606:4700:1:2:3:4:5:6'), undefined)
    assert.ok(limit.enter('2606:4700:1:3::1'))
    assert.equal(addressGroup('2606::1'), '2606:0:0:0')
    assert.equal(addressGroup('2606:0:0:0:1::'), '2606:0:0:0')
  })

  it('are not limited from loopback and private addresses', () => {
    const limit = new InboundLimit(1)
    for (const host of ['127.0.0.1', '::1', '192.168.1.1', 'fd00::1']) {
      for (let i = 0; i < 5; i++) assert.ok(limit.enter(host), host)
    }
    assert.ok(limit.enter('2002:808:808::1'))
    assert.equal(limit.enter('2002:808:808::1'), undefined)
  })
})

describe('inbound connections of a group from which banned peers came', () => {
  it('are fewer, but one, and new ones are rare', () => {
    const banned = new Map<string, number>()
    const limit = new InboundLimit(32, (group) => banned.get(group) ?? 0)
    const from = (host: string, times: number): number =>
      Array.from({ length: times }, () => limit.enter(host)).filter((leave) => leave !== undefined).length
    banned.set('8.8.8.8', 1)
    assert.equal(from('8.8.8.8', 8), 4, 'half of a quarter')
    banned.set('9.9.9.9', 30)
    assert.equal(from('9.9.9.9', 8), 1, 'who else is there is not shut out')
    assert.equal(from('7.7.7.7', 8), 8)
    let came = 0
    for (let i = 0; i < 100; i++) {
      const leave = limit.enter('8.8.4.4')
      if (leave !== undefined) came++
      leave?.()
      banned.set('8.8.4.4', 1)
    }
    assert.equal(came, 21, 'one before the ban, twenty a minute after it')
  })
})
