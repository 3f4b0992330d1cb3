import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '@libp2p/memory'
import { plaintext } from '@libp2p/plaintext'
import { askFor, connectedTo, startNode, within } from './nodes.ts'

const wiring = (name: string) => ({
  transports: [memory()],
  connectionEncrypters: [plaintext()],
  listen: `/memory/${name}`,
})

test('nodes of one process can meet in its memory', async (t) => {
  const b = await startNode(t, { wiring: wiring('b'), handlers: { onCellRequest: () => '[]' } })
  assert.deepEqual(b.network.addresses, [`/memory/b/p2p/${b.providerId}`])
  const a = await startNode(t, { wiring: wiring('a'), seeds: b.network.addresses })
  await connectedTo(a, b.providerId)
  const { cells } = await a.network.request(b.providerId, 'cell_request', askFor('parse'), within())
  assert.deepEqual(cells, [])
})
