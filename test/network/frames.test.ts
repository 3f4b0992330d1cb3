import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { encodeFrame, FrameDecoder, FrameError } from '../../src/network/frames.ts'

const concat = (parts: Iterable<Uint8Array>): Buffer => Buffer.concat([...parts])
const header = (length: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

describe('frames', () => {
  it('come out as they went in, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 30 }),
        (payloads, cuts) => {
          const bytes = concat(payloads.map(encodeFrame))
          const decoder = new FrameDecoder(300)
          const seen: Buffer[] = []
          let at = 0
          for (const cut of [...cuts, bytes.length]) {
            for (const frame of decoder.push(bytes.subarray(at, at + cut))) seen.push(Buffer.from(frame))
            at = Math.min(bytes.length, at + cut)
          }
          assert.deepEqual(
            seen,
            payloads.map((payload) => Buffer.from(payload)),
          )
          assert.ok(decoder.isEmpty)
        },
      ),
    )
  })

  it('survive a cut at every single byte', () => {
    const payloads = ['a', 'bc', 'x'.repeat(5000)]
    const bytes = concat(payloads.map(encodeFrame))
    for (let cut = 0; cut <= bytes.length; cut++) {
      const decoder = new FrameDecoder()
      const seen: string[] = []
      for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        for (const frame of decoder.push(part)) seen.push(Buffer.from(frame).toString())
      }
      assert.deepEqual(seen, payloads)
    }
  })

  it('of zero bytes, over the limit, or of 2^32-1 bytes are refused at their header', () => {
    for (const length of [0, 101, 2 ** 31, 2 ** 32 - 1]) {
      const decoder = new FrameDecoder(100)
      assert.throws(() => [...decoder.push(header(length))], FrameError, `length ${length}`)
    }
    const exact = new FrameDecoder(100)
    assert.equal([...exact.push(encodeFrame(new Uint8Array(100)))].length, 1)
  })

  it('hand on the frames before a bad one', () => {
    const decoder = new FrameDecoder(10)
    const seen: Uint8Array[] = []
    assert.throws(() => {
      for (const frame of decoder.push(concat([encodeFrame('ok'), header(11)]))) seen.push(frame)
    }, FrameError)
    assert.equal(seen.length, 1)
  })
})
