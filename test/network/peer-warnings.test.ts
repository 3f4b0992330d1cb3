import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { pino } from 'pino'
import { PeerWarnings } from '../../src/network/peer-warnings.ts'

describe('warnings about peers', () => {
  it('are written once per peer and minute, a hundred in all, and the rest is counted', () => {
    const lines: { peer: string; msg: string; held_back?: number }[] = []
    const sink = new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)))
        done()
      },
    })
    let now = 0
    const warnings = new PeerWarnings(pino(sink), () => now)
    const warn = (peer: string) => warnings.write('warn', peer, new Error('no'), 'a peer broke the protocol')
    for (let i = 0; i < 5; i++) warn('a')
    warn('b')
    assert.deepEqual(
      lines.map(({ peer, held_back }) => [peer, held_back]),
      [
        ['a', undefined],
        ['b', undefined],
      ],
    )
    now = 60_000
    warn('a')
    assert.equal(lines.at(-1)?.held_back, 4)
    for (let i = 0; i < 500; i++) warn(`peer ${i}`)
    assert.equal(lines.length, 2 + 100)
    now = 120_000
    warn('b')
    assert.equal(lines.at(-1)?.held_back, 401)
  })
})
