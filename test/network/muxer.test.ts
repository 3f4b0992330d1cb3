import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { YamuxGuard } from '../../src/network/muxer.ts'

const frame = (type: number, length: number, data = 0) => {
  const bytes = Buffer.alloc(12 + data)
  bytes[1] = type
  bytes.writeUInt32BE(length, 8)
  return bytes
}

describe('the guard of a muxed connection', () => {
  it('lets frames pass that fit a window, however they are cut', () => {
    const bytes = Buffer.concat([frame(0, 1000, 1000), frame(1, 0xffff_ffff), frame(2, 7), frame(0, 3, 3)])
    for (const size of [1, 7, 500, bytes.length]) {
      const guard = new YamuxGuard()
      for (let at = 0; at < bytes.length; at += size) guard.push(bytes.subarray(at, at + size))
    }
  })

  it('refuses a data frame that no window holds by its header', () => {
    const guard = new YamuxGuard()
    guard.push(frame(0, 3, 3))
    assert.throws(() => guard.push(frame(0, 0xffff_ffff)), /a data frame of 4294967295 bytes/)
  })
})
