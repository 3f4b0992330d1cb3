import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LIMITS } from '../../protocol/limits.ts'
import { ed25519FromSeed, newSeed } from '../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { type BatchBinding, BatchError, BatchOpener, BatchSealer } from '../../src/network/batch.ts'
import { FrameDecoder } from '../../src/network/frames.ts'

const key = ed25519FromSeed(newSeed())
const binding: BatchBinding = { network: 'test', session: 'ab'.repeat(32), from: 'a' }

/** Frames of batches made of JSON values. */
function sealed(batches: readonly (readonly unknown[])[], bound = binding, signer = key): Uint8Array[][] {
  const sealer = new BatchSealer(bound, signer)
  return batches.map((values) => {
    const bytes = sealer.seal(values.map((value) => Buffer.from(JSON.stringify(value))))
    return [...new FrameDecoder().push(bytes)].map((frame) => Buffer.from(frame))
  })
}

function opener(bound = binding) {
  const seen: unknown[] = []
  const reader = new BatchOpener(bound, key.publicKey, nativeVerifier, (value) => seen.push(value))
  const push = (frames: readonly Uint8Array[]): void => {
    for (const frame of frames) reader.push(frame)
  }
  return { seen, push }
}

describe('batches', () => {
  it('hand on what was written, in order', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 900 }) }, { noNullPrototype: true }), {
            minLength: 1,
            maxLength: 6,
          }),
          {
            maxLength: 4,
          },
        ),
        (batches) => {
          const { seen, push } = opener()
          for (const frames of sealed(batches)) push(frames)
          assert.deepEqual(seen, batches.flat())
        },
      ),
      { numRuns: 30 },
    )
  })

  it('hold every frame until the signature arrived', () => {
    const { seen, push } = opener()
    const [frames] = sealed([[{ a: 1 }, { b: 2 }]])
    push(frames!.slice(0, 2))
    assert.deepEqual(seen, [])
    push(frames!.slice(2))
    assert.deepEqual(seen, [{ a: 1 }, { b: 2 }])
  })

  it('are refused when any byte is changed, and nothing of them is handed on', () => {
    const [frames] = sealed([[{ a: 1 }, { b: 2 }]])
    for (let frame = 0; frame < frames!.length; frame++) {
      for (let at = 0; at < frames![frame]!.length; at++) {
        const changed = frames!.map((bytes) => Uint8Array.from(bytes))
        changed[frame]![at]! ^= 1
        const { seen, push } = opener()
        try {
          push(changed)
        } catch (error) {
          assert.ok(error instanceof Error)
        }
        assert.deepEqual(seen, [], `frame ${frame}, byte ${at}`)
      }
    }
  })

  it('are refused when repeated, reordered, shortened, swapped inside, or of another session, network, writer or key', () => {
    const [first, second] = sealed([[{ a: 1 }, { b: 2 }], [{ c: 3 }]])
    const cases: [string, Uint8Array[][], BatchBinding?][] = [
      ['second first', [second!]],
      ['frame missing', [first!.slice(1)]],
      ['frames swapped', [[first![1]!, first![0]!, first![2]!]]],
      ['frame of another batch', [[...second!.slice(0, 1), ...first!]]],
      ['session', [first!], { ...binding, session: 'cd'.repeat(32) }],
      ['network', [first!], { ...binding, network: 'other' }],
      ['writer', [first!], { ...binding, from: 'b' }],
      ['key', sealed([[{ a: 1 }]], binding, ed25519FromSeed(newSeed()))],
    ]
    for (const [name, batches, bound] of cases) {
      const { seen, push } = opener(bound)
      assert.throws(() => batches.forEach(push), BatchError, name)
      assert.deepEqual(seen, [], name)
    }
    const repeated = opener()
    repeated.push(first!)
    assert.throws(() => repeated.push(first!), /batch 0 where 1 was expected/)
    assert.equal(repeated.seen.length, 2)
  })

  it('are bounded in frames and bytes before a signature is seen', () => {
    const many = opener()
    assert.throws(() => {
      for (let i = 0; i <= LIMITS.batchFrames; i++) many.push([Buffer.from('{}')])
    }, /frames in a batch/)
    const large = opener()
    const frame = Buffer.from(JSON.stringify('x'.repeat(LIMITS.frameBytes - 10)))
    assert.throws(() => {
      for (let i = 0; i < 5; i++) large.push([frame])
    }, /bytes in a batch/)
  })

  it('that are empty, or hold what is no JSON, are refused', () => {
    const { push } = opener()
    assert.throws(() => push([Buffer.from('{"type":"batch","sequence":0,"count":0,"signature":"AA"}')]), BatchError)
    assert.throws(() => opener().push([Buffer.from('{"a":1,"a":2}')]), /same key twice/)
  })
})
