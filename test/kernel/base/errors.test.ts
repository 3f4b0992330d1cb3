import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorMessage, fullDisk, hasCode, ProviderError } from '../../../src/kernel/base/errors.ts'

test('a provider error has the status of its code unless it says more', () => {
  assert.equal(new ProviderError('PROV_002', 'gone').status, 404)
  const error = new ProviderError('PROV_001', 'large', { status: 413, details: { limit: 1 } })
  assert.deepEqual([error.code, error.status, error.details], ['PROV_001', 413, { limit: 1 }])
})

test('anything thrown has a text, and system errors have a code', () => {
  assert.equal(errorMessage(new Error('x')), 'x')
  assert.equal(errorMessage('y'), 'y')
  assert.ok(hasCode(Object.assign(new Error('x'), { code: 'ENOENT' }), 'ENOENT'))
  assert.ok(!hasCode(new Error('x'), 'ENOENT'))
  assert.ok(!hasCode({ code: 'ENOENT' }, 'ENOENT'))
})

test('a full disk is something that a caller may see, and nothing else is taken for it', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  for (const error of [
    full,
    new Error('cannot write', { cause: full }),
    new Error('IO error: No space left on device'),
  ]) {
    const seen = fullDisk(error)
    assert.ok(seen instanceof ProviderError)
    assert.deepEqual([seen.code, seen.status, seen.cause], ['PROV_014', 507, error])
  }
  const other = new Error('x')
  assert.equal(fullDisk(other), other)
})
