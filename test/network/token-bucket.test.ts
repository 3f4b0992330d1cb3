import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TokenBucket, TokenBuckets } from '../../src/network/token-bucket.ts'

describe('a token bucket', () => {
  it('gives its burst at once, and then its rate', () => {
    const bucket = new TokenBucket(10, 3, 0)
    assert.deepEqual(
      [bucket.take(1, 0), bucket.take(1, 0), bucket.take(1, 0), bucket.take(1, 0)],
      [true, true, true, false],
    )
    assert.equal(bucket.take(1, 99), false)
    assert.equal(bucket.take(1, 101), true)
    assert.equal(bucket.take(4, 10_000), false, 'never more than the burst')
    assert.equal(bucket.take(3, 10_000), true)
  })

  it('tells when a token that is taken in advance is there', () => {
    const bucket = new TokenBucket(10, 1, 0)
    assert.deepEqual([bucket.reserve(0), bucket.reserve(0), bucket.reserve(0)], [0, 100, 200])
    assert.equal(bucket.reserve(200), 100)
  })

  it('is one for each, of a bounded number', () => {
    const buckets = new TokenBuckets(1, 1)
    assert.equal(buckets.of('a').take(), true)
    assert.equal(buckets.of('a').take(), false)
    assert.equal(buckets.of('b').take(), true)
    for (let i = 0; i < 10_000; i++) buckets.of(`idle ${i}`)
    assert.equal(buckets.of('a').take(), false, 'those that are full go first')
  })
})
