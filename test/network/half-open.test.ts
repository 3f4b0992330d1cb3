import assert from 'node:assert/strict'
import { it } from 'node:test'
import { HalfOpen } from '../../src/network/half-open.ts'

/** Connections by name, and the names of those that were given up, in order. */
function entered(limit: HalfOpen) {
  const aborted: string[] = []
  const enter = (group: string, name: string) => {
    const connection = { abort: () => void aborted.push(name) }
    limit.enter(connection, group)
    return connection
  }
  return { aborted, enter }
}

it('one handshake too many displaces the oldest of the address group that has the most', () => {
  const { aborted, enter } = entered(new HalfOpen(4))
  enter('honest', 'h1')
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) enter('attacker', name)
  assert.deepEqual(aborted, ['a1', 'a2'])
  enter('another', 'o1')
  assert.deepEqual(aborted, ['a1', 'a2', 'a3'])
})

it('a handshake that is over makes room, once', () => {
  const limit = new HalfOpen(2)
  const { aborted, enter } = entered(limit)
  const first = enter('a', 'a1')
  enter('a', 'a2')
  limit.leave(first)
  limit.leave(first)
  enter('a', 'a3')
  assert.deepEqual(aborted, [])
  enter('a', 'a4')
  assert.deepEqual(aborted, ['a2'])
})
