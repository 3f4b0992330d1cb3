import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { ConnectionRoom } from '../../src/network/connection-room.ts'

interface Planned {
  readonly peer: string
  readonly direction?: 'inbound' | 'outbound'
  readonly ageMs?: number
  readonly isNeeded?: boolean
  readonly score?: number
}

/** Who is disconnected of these, of at most 16. */
function closedOf(planned: readonly Planned[]): string[] {
  const of = new Map(
    planned.map((one) => [
      {
        remotePeer: one.peer,
        direction: one.direction ?? 'inbound',
        timeline: { open: Date.now() - (one.ageMs ?? 60_000) },
      } as unknown as Connection,
      one,
    ]),
  )
  const closed: string[] = []
  const room = new ConnectionRoom({
    maxConnections: 16,
    connections: () => [...of.keys()],
    isNeeded: (connection) => of.get(connection)?.isNeeded === true,
    scoreOf: (peer) => planned.find((one) => one.peer === peer)?.score ?? 0,
    close: (connection) => closed.push(of.get(connection)!.peer),
  })
  room.look()
  return closed.sort()
}

const peers = (count: number, like: Omit<Planned, 'peer'> = {}): Planned[] =>
  Array.from({ length: count }, (_, i) => ({ peer: `${JSON.stringify(like)}${i}`, ...like }))

describe('room for newcomers', () => {
  it('is made where seven eighths of the connections are taken, until three quarters are', () => {
    assert.equal(closedOf(peers(14)).length, 0)
    assert.equal(closedOf(peers(15)).length, 3)
    assert.equal(closedOf(peers(16)).length, 4)
  })

  it('is not made by peers that this node chose, that are needed, or that have just come', () => {
    for (const kept of [{ direction: 'outbound' as const }, { isNeeded: true }, { ageMs: 1000 }]) {
      assert.deepEqual(closedOf(peers(16, kept)), [])
      assert.deepEqual(closedOf([...peers(14, kept), { peer: 'a' }, { peer: 'b' }]), ['a', 'b'])
    }
  })

  it('is made by those that behaved worst', () => {
    const bad = ['a', 'b', 'c'].map((peer) => ({ peer, score: 1 }))
    assert.deepEqual(closedOf([...peers(12, { score: 5 }), ...bad]), ['a', 'b', 'c'])
  })
})
