import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { peerHandlers } from '../../src/node/flows/serve-peers.ts'

test('a request for yanks is answered with as many tokens as one frame holds', async () => {
  const token = `ys1.${'A'.repeat(90 * 1024)}`
  const parts = { yanks: { token: () => token } } as never
  const { answers } = peerHandlers(parts, { reconciler: { answers: {} } } as never)
  const cells = Array.from({ length: LIMITS.yanksPerRequest }, () => ({
    manifest_digest: 'ab'.repeat(32),
    publisher: 'cd'.repeat(32),
  }))
  const { yanks } = await answers.yank_request({ type: 'yank_request', id: 1, cells }, 'peer', undefined as never)
  assert.equal(yanks.length, Math.floor(LIMITS.frameBytes / (token.length + 3)))
})
