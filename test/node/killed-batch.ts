/** A node in a process of its own that is in the middle of a batch; it tells its parent which answers can be read. */
import type { TestContext } from 'node:test'
import { newOperator, question, ScriptedAnswerer, scriptedProver, signedBody } from '../support/assurance.ts'
import { collected } from '../support/cells.ts'
import { nodeInProcess } from '../support/node-pairs.ts'

const BATCH = '/api/v1/batch'
const [dataDir = '', count = '', heldFrom = ''] = process.argv.slice(2)

const answerer = new ScriptedAnswerer()
const held = Promise.withResolvers<void>()
answerer.before = (query) => {
  if (Number(query.slice(1)) < Number(heldFrom)) return Promise.resolve()
  held.resolve()
  return new Promise(() => undefined)
}
// The parent ends it.
const forever = { after: () => undefined } as unknown as TestContext
const { node } = await nodeInProcess(forever, { dataDir, answerer, prover: scriptedProver })
const key = await newOperator(node)
const requests = Array.from({ length: Number(count) }, (_, i) => question(`q${i}`))
const body = signedBody(key, node, BATCH, { requests })
const from = await node.assurance.verifyRequest(body, { method: 'POST', path: BATCH })
const { batch_id } = await node.assurance.batches.submit(body, from)
await held.promise
const readable = await collected(node.assurance.batches.stream(batch_id, from, 0))
process.send?.({ batchId: batch_id, from, readable: readable.map(({ index }) => index) })
