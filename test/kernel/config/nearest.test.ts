import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from '../../../src/kernel/config/nearest.ts'

test('the nearest word, if it is near', () => {
  const words = ['http.host', 'http.port', 'p2p.port', 'log.level']
  assert.equal(nearest('http.prot', words), 'http.port')
  assert.equal(nearest('log.leve', words), 'log.level')
  assert.equal(nearest('http.port', words), 'http.port')
  assert.equal(nearest('entirely.else', words), undefined)
  assert.equal(nearest('', []), undefined)
})
