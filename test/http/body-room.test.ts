import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { BodyRoom } from '../../src/http/body-room.ts'

const MEBIBYTE = 1024 * 1024

/** A room, and what takes of it; each taker can end. */
function newRoom() {
  const room = new BodyRoom()
  return (address: string, length?: number, limit = MEBIBYTE) => {
    const request = { headers: length === undefined ? {} : { 'content-length': String(length) } } as IncomingMessage
    const response = new EventEmitter() as ServerResponse
    return { isIn: room.take(address, limit, request, response), end: () => response.emit('close') }
  }
}

test('an address has an eighth of the room, and gets back what it had when its requests end', () => {
  const take = newRoom()
  const held = Array.from({ length: 8 }, () => take('a', MEBIBYTE))
  assert.ok(held.every(({ isIn }) => isIn))
  assert.equal(take('a', MEBIBYTE).isIn, false)
  assert.equal(take('b', MEBIBYTE).isIn, true)
  held[0]!.end()
  assert.equal(take('a', MEBIBYTE).isIn, true)
  assert.equal(take('a', MEBIBYTE).isIn, false)
})

test('all addresses together have all of it', () => {
  const take = newRoom()
  const held = Array.from({ length: 64 }, (_, n) => take(`address ${n}`, MEBIBYTE))
  assert.ok(held.every(({ isIn }) => isIn))
  assert.equal(take('another', MEBIBYTE).isIn, false)
  for (const { end } of held) end()
  assert.equal(take('another', MEBIBYTE).isIn, true)
})

test('a body of unknown length counts as the longest; usual ones, and those that nobody reads, take none', () => {
  const take = newRoom()
  for (let n = 0; n < 8; n++) assert.equal(take('a').isIn, true)
  assert.equal(take('a').isIn, false)
  assert.equal(take('a', 256 * 1024).isIn, true)
  assert.equal(take('a', MEBIBYTE + 1).isIn, true)
})
