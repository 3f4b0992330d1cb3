/** A node in a process of its own that is killed in the moment in which its batch has ended. */
import type { TestContext } from 'node:test'
import { newOperator, question, ScriptedAnswerer, scriptedProver, signedBody } from '../support/assurance.ts'
import { nodeInProcess } from '../support/node-pairs.ts'

const BATCH = '/api/v1/batch'
const [dataDir = '', url = ''] = process.argv.slice(2)

// The parent ends it otherwise.
const forever = { after: () => undefined } as unknown as TestContext
const settings = { 'assurance.webhooks_allow_private': 'true' }
const answerer = new ScriptedAnswerer()
const { node } = await nodeInProcess(forever, { dataDir, answerer, prover: scriptedProver, settings })
const key = await newOperator(node)
const { operatorId: owner } = key
const { status } = await node.webhooks.create({ url, events: ['batch_complete'] }, { owner, by: `operator:${owner}` })
const body = signedBody(key, node, BATCH, { requests: [question('q0'), question('600')] })
const from = await node.assurance.verifyRequest(body, { method: 'POST', path: BATCH })
node.events.on('batch_complete', () => process.kill(process.pid, 'SIGKILL'))
await new Promise((sent) => process.send?.({ status, requestId: body.request_id }, sent))
await node.assurance.batches.submit(body, from)
