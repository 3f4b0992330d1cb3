import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { clientAddress, RateLimits, rateLimitHeaders } from '../../src/http/rate-limits.ts'
import { TestClock } from '../support/cells.ts'

const MINUTE_MS = 60_000

function limits(periodMs?: number): { clock: TestClock; rates: RateLimits } {
  const clock = new TestClock()
  return { clock, rates: new RateLimits(periodMs === undefined ? { clock } : { clock, periodMs }) }
}

/** Takes until refused; how many were allowed. */
function drain(rates: RateLimits, client: string, limit: number): number {
  const bucket = rates.bucket(client, limit)
  for (let taken = 0; ; taken++) {
    if (rates.take([bucket])?.allowed !== true) return taken
  }
}

describe('a bucket', () => {
  it('starts full, counts down, and is refused when it is empty', () => {
    const { clock, rates } = limits()
    const bucket = rates.bucket('address:192.0.2.1', 3)
    const seconds = clock.now() / 1000
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => rates.take([bucket])),
      [
        { allowed: true, limit: 3, remaining: 2, reset: seconds + 20, retryAfter: 0 },
        { allowed: true, limit: 3, remaining: 1, reset: seconds + 40, retryAfter: 0 },
        { allowed: true, limit: 3, remaining: 0, reset: seconds + 60, retryAfter: 0 },
        { allowed: false, limit: 3, remaining: 0, reset: seconds + 60, retryAfter: 20 },
        { allowed: false, limit: 3, remaining: 0, reset: seconds + 60, retryAfter: 20 },
      ],
    )
  })

  it('fills evenly, to its limit and no further', () => {
    const { clock, rates } = limits()
    assert.equal(drain(rates, 'a', 600), 600)
    clock.advance(99)
    assert.equal(drain(rates, 'a', 600), 0)
    clock.advance(1)
    assert.equal(drain(rates, 'a', 600), 1)
    clock.advance(MINUTE_MS / 2)
    assert.equal(drain(rates, 'a', 600), 300)
    clock.advance(100 * MINUTE_MS)
    assert.equal(drain(rates, 'a', 600), 600)
  })

  it('allows the next request exactly after Retry-After', () => {
    for (const limit of [1, 5, 7, 60]) {
      const { clock, rates } = limits()
      drain(rates, 'a', limit)
      const { retryAfter } = rates.take([rates.bucket('a', limit)])!
      clock.advance(retryAfter * 1000)
      assert.equal(rates.take([rates.bucket('a', limit)])?.allowed, true, `${limit} a minute`)
    }
  })

  it('has the period that it was given', () => {
    const { clock, rates } = limits(24 * 60 * MINUTE_MS)
    assert.equal(drain(rates, 'a', 10_000), 10_000)
    clock.advance(MINUTE_MS)
    assert.equal(drain(rates, 'a', 10_000), 6)
  })

  it('gives out no more than limit and time allow, and no less, at any times of asking', () => {
    const waits = fc.array(fc.oneof(fc.constant(0), fc.nat(2000), fc.nat(2 * MINUTE_MS)), { maxLength: 300 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), waits, (limit, steps) => {
        const { clock, rates } = limits()
        const bucket = rates.bucket('a', limit)
        let tokens = limit
        for (const wait of steps) {
          clock.advance(wait)
          tokens = Math.min(limit, tokens + (wait * limit) / MINUTE_MS)
          const { allowed, remaining } = rates.take([bucket])!
          // Where the two differ by rounding only, either is right.
          if (Math.abs(tokens - 1) > 0.01) assert.equal(allowed, tokens >= 1)
          if (allowed) tokens -= 1
          assert.ok(remaining <= tokens + 0.01 && remaining > tokens - 1.01, `${remaining} of ${tokens} remain`)
        }
      }),
    )
  })

  it('keeps what was taken when it is asked for anew', () => {
    const { rates } = limits()
    for (const remaining of [4, 3, 2]) assert.equal(rates.take([rates.bucket('a', 5)])?.remaining, remaining)
    assert.equal(rates.take([rates.bucket('b', 5)])?.remaining, 4)
  })

  it('is not lost for an hour when the clock is set back by one', () => {
    const { clock, rates } = limits()
    drain(rates, 'a', 10)
    clock.advance(-60 * MINUTE_MS)
    assert.equal(drain(rates, 'a', 10), 10)
    assert.equal(drain(rates, 'b', 10), 10)
    clock.advance(MINUTE_MS)
    assert.equal(drain(rates, 'a', 10), 10)
  })

  it('does not become full when the clock is set back by a little', () => {
    const { clock, rates } = limits()
    drain(rates, 'a', 10)
    clock.advance(-1000)
    assert.equal(drain(rates, 'a', 10), 0)
  })
})

describe('several buckets', () => {
  it('all count, and the one with the fewest left is told', () => {
    const { rates } = limits()
    const key = rates.bucket('key:1', 100)
    const address = rates.bucket('address:192.0.2.1', 3)
    const taken = [1, 2, 3].map(() => rates.take([key, address]))
    assert.deepEqual(
      taken.map((verdict) => [verdict?.limit, verdict?.remaining]),
      [
        [3, 2],
        [3, 1],
        [3, 0],
      ],
    )
    assert.deepEqual(rates.take([address, key])?.allowed, false)
    assert.equal(rates.take([key])?.remaining, 96)
  })

  it('lose nothing when one of them refuses', () => {
    const { rates } = limits()
    drain(rates, 'address:192.0.2.1', 3)
    const key = rates.bucket('key:1', 100)
    for (let i = 0; i < 10; i++) {
      assert.equal(rates.take([key, rates.bucket('address:192.0.2.1', 3)])?.allowed, false)
    }
    assert.equal(rates.take([key])?.remaining, 99)
  })

  it('of which two are empty tell when both will have one', () => {
    const { rates } = limits()
    drain(rates, 'slow', 2)
    drain(rates, 'quick', 60)
    const both = [rates.bucket('slow', 2), rates.bucket('quick', 60)]
    for (const buckets of [both, both.toReversed()]) {
      const { limit, retryAfter } = rates.take(buckets)!
      assert.deepEqual([limit, retryAfter], [2, 30])
    }
  })

  it('of which there is none limit nothing and tell nothing', () => {
    const { rates } = limits()
    assert.equal(rates.take([]), undefined)
    assert.deepEqual(rateLimitHeaders(undefined), [])
  })
})

describe('a million distinct clients', () => {
  it('are each served, take no memory, and give nobody his bucket back', () => {
    const { rates } = limits()
    assert.equal(drain(rates, 'address:attacker', 600), 600)
    const half = rates.bucket('address:half', 600)
    for (let i = 0; i < 300; i++) rates.take([half])
    const before = process.memoryUsage()
    let refused = 0
    for (let i = 0; i < 1_000_000; i++) {
      if (rates.take([rates.bucket(`address:${i}`, 600)])?.allowed !== true) refused++
    }
    const after = process.memoryUsage()
    assert.equal(refused, 0)
    // The counters are all there before the first client comes.
    assert.ok(after.arrayBuffers - before.arrayBuffers < 1024 * 1024)
    assert.equal(rates.take([rates.bucket('address:attacker', 600)])?.allowed, false)
    const { remaining } = rates.take([half])!
    // A million requests raise every counter by some; the smallest of four by little.
    assert.ok(remaining <= 299 && remaining > 270, `${remaining} remain`)
  })

  it('of whom thousands use up their limits leave the others alone', () => {
    const { rates } = limits()
    for (let i = 0; i < 2000; i++) drain(rates, `address:busy ${i}`, 60)
    let refused = 0
    for (let i = 0; i < 50_000; i++) {
      if (rates.take([rates.bucket(`address:quiet ${i}`, 60)])?.allowed !== true) refused++
    }
    assert.ok(refused <= 2, `${refused} of 50,000 refused`)
  })
})

describe('the headers', () => {
  it('tell limit, rest and reset, and when to come again once refused', () => {
    const { clock, rates } = limits()
    const bucket = rates.bucket('a', 1)
    const reset = String(clock.now() / 1000 + 60)
    const common = ['X-RateLimit-Limit', '1', 'X-RateLimit-Remaining', '0', 'X-RateLimit-Reset', reset]
    assert.deepEqual(rateLimitHeaders(rates.take([bucket])), common)
    assert.deepEqual(rateLimitHeaders(rates.take([bucket])), [...common, 'Retry-After', '60'])
  })
})

describe('the address that stands for a client', () => {
  it('is an IPv4 address as it is, in IPv6 clothes too', () => {
    assert.equal(clientAddress('192.0.2.7'), '192.0.2.7')
    assert.equal(clientAddress('::ffff:192.0.2.7'), '192.0.2.7')
    assert.equal(clientAddress('::FFFF:192.0.2.7'), '192.0.2.7')
  })

  it('is the /64 of an IPv6 address, however it is written', () => {
    const spellings = [
      '2001:db8:0:1:2:3:4:5',
      '2001:db8:0:1::',
      '2001:0DB8:0000:0001:ffff:ffff:ffff:ffff',
      '2001:db8:0:1::192.0.2.7',
      '2001:db8:0:1:2:3:192.0.2.7',
      '2001:db8:0:1::1%eth0',
    ]
    for (const spelling of spellings) assert.equal(clientAddress(spelling), '2001:db8:0:1', spelling)
    assert.equal(clientAddress('2001:db8::1'), '2001:db8:0:0')
    assert.equal(clientAddress('::1'), '0:0:0:0')
    assert.equal(clientAddress('fe80::1%eth0'), 'fe80:0:0:0')
    assert.notEqual(clientAddress('2001:db8:0:2::1'), '2001:db8:0:1')
  })

  it('agrees with the expanded form for any address', () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(groups, (parts) => {
        const hex = parts.map((part) => part.toString(16))
        // The URL parser writes the shortest form (RFC 5952).
        const short = new URL(`http://[${hex.join(':')}]/`).hostname.slice(1, -1)
        assert.equal(clientAddress(short), hex.slice(0, 4).join(':'))
      }),
    )
  })
})
