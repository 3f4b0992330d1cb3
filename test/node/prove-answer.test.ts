import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { AnswerPayload, Citation, QueryResponse, VerificationMode } from '../../protocol/assurance.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import { verifyAnswer } from '../../src/client/index.ts'
import { sha256 } from '../../src/kernel/base/hash.ts'
import { nativeVerifier, pooledVerifier } from '../../src/kernel/identity/verify.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { NETWORK, TestClock } from '../support/cells.ts'
import { acceptingTau, lineService } from '../support/line-service.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nextEvent, nodeInProcess, registerBytes } from '../support/node-pairs.ts'

const module = await readFile(SMALL_MODULE)
const DAY_MS = 24 * 60 * 60 * 1000
const SENTENCE = 'Either party may terminate.'
const arithmetic = { verifier: nativeVerifier, records: pooledVerifier, sha256 }

async function registered(node: RunningNode, version = '1.0.0'): Promise<Manifest & { id: string }> {
  const metadata = { cell_type: 'contract', version, capabilities: [{ name: 'contract', version }] }
  const { manifest, cellId } = await registerBytes(node, module, { metadata })
  return { ...manifest, id: cellId }
}

const cites = (cell: Manifest & { id: string }, place = 0): Citation => ({
  result_start: place * (SENTENCE.length + 1),
  result_end: place * (SENTENCE.length + 1) + SENTENCE.length,
  cell_id: cell.id,
  cell_type: cell.cell_type,
  version: cell.version,
  publisher: cell.publisher,
  digest: cell.package.digest,
  start: 0,
  end: SENTENCE.length,
})

/** An answer of the node, as its door would give it. */
async function answered(node: RunningNode, mode: VerificationMode, citations: Citation[], now = Date.now()) {
  const request = {
    request_id: randomUUID(),
    timestamp: new Date(now).toISOString(),
    operator_id: 'team@example.org',
    signature: 'A'.repeat(86),
    payload: { query: 'end?', context: { domain: 'legal' as const }, verification_mode: mode, return_proof: true },
  }
  const payload = {
    result: citations.map(() => SENTENCE).join('\n'),
    verification_status: 'verified' as const,
    confidence: 0.5,
    constraints_passed: [],
    constraints_failed: [],
    citations,
    corpus: { root: 'ab'.repeat(32), cells: 1, ranker: 'bm25/1', segmenter: 'sentences/1' },
    metadata: { model_version: 'extractive/1', verification_layers: [] },
  }
  const steps = [{ step: 'normalize', input: { query: 'end?' }, output: { tokens: ['end'] } }]
  const responseId = randomUUID()
  const timestamp = new Date(now).toISOString()
  const order = { request, answered: { status: 'success' as const, payload, errors: [], steps }, processingMs: 3 }
  const signal = new AbortController().signal
  const { status, errors, proof } = await node.prover.prove({ ...order, responseId, timestamp }, signal)
  const metadata = { ...payload.metadata, processing_time_ms: 3 }
  const response: QueryResponse = {
    request_id: request.request_id,
    response_id: responseId,
    timestamp,
    status,
    payload: { ...payload, metadata } satisfies AnswerPayload,
    proof,
    errors: [...errors],
  }
  const verify = (now?: number) =>
    verifyAnswer(JSON.stringify(response), {
      network: NETWORK,
      publicKeys: node.proofKeys.list(),
      providerId: node.providerId,
      request,
      arithmetic,
      now,
    })
  return { response, verify }
}

test('an answer in mode standard has no log; in strict and audit it has the registration of each cited cell', async (t) => {
  const { node } = await nodeInProcess(t)
  const first = await registered(node)
  const second = await registered(node, '2.0.0')
  const citations = [cites(second, 0), cites(first, 1), cites(second, 2)]
  const standard = await answered(node, 'standard', citations)
  assert.equal((await standard.verify()).log, undefined)
  for (const mode of ['strict', 'audit'] as const) {
    const { response, verify } = await answered(node, mode, citations)
    assert.deepEqual([response.status, response.errors], ['success', []])
    const { log, requestMatches, keyListed } = await verify()
    assert.deepEqual([requestMatches, keyListed], [true, true])
    assert.deepEqual([log!.size, log!.registered, log!.missing], [2, [second.id, first.id], []])
  }
})

test('the log of a proof carries who cosigned it', async (t) => {
  const { node: witness } = await nodeInProcess(t)
  const { node } = await nodeInProcess(t, { seeds: witness.addresses })
  const cosigned = nextEvent(node, 'checkpoint_cosigned')
  const cell = await registered(node)
  await cosigned
  const { log } = await (await answered(node, 'strict', [cites(cell)])).verify()
  assert.deepEqual(log!.witnesses, [witness.providerId])
})

test('what the log of the node cannot prove is said, with 602, and the answer is partial', async (t) => {
  const { node } = await nodeInProcess(t)
  const cell = await registered(node)
  const copy = { ...cell, id: 'ef'.repeat(32) }
  const { response, verify } = await answered(node, 'strict', [cites(cell), cites(copy, 1)])
  assert.equal(response.status, 'partial')
  assert.deepEqual(
    response.errors.map(({ code, severity }) => [code, severity]),
    [['602', 'warning']],
  )
  assert.match(
    response.errors[0]!.message,
    /External proof unavailable: the log of this node has no registration of the cell efef/,
  )
  assert.deepEqual((await verify()).log!.missing, [copy.id])
})

test('a node without a leaf in its log says that it can prove nothing', async (t) => {
  const { node } = await nodeInProcess(t)
  const copy = {
    cell_type: 'a',
    version: '1.0.0',
    publisher: 'ab'.repeat(32),
    id: 'ef'.repeat(32),
    package: { digest: `sha256:${'ab'.repeat(32)}` },
  }
  const { response, verify } = await answered(node, 'audit', [cites(copy as never)])
  assert.deepEqual([response.status, response.errors.length, response.proof!.log], ['partial', 1, undefined])
  assert.equal((await verify()).log, undefined)
})

test('mode audit carries what the anchors keep of the log, or says that they keep nothing yet', async (t) => {
  const service = await lineService(t, acceptingTau)
  const tau = {
    'anchors.commit_interval_seconds': '1',
    'anchors.commit_threshold': '1',
    'anchors.commit_to_tau': 'true',
    'anchors.tau_host': '127.0.0.1',
    'anchors.tau_port': String(service.port),
  }
  const { node } = await nodeInProcess(t, { settings: tau })
  const committed = nextEvent(node, 'tau_commit')
  const cell = await registered(node)
  const early = await answered(node, 'audit', [cites(cell)])
  assert.equal(early.response.status, 'partial')
  assert.match(early.response.errors[0]!.message, /the anchor tau keeps nothing of this log yet/)
  assert.deepEqual((await early.verify()).log!.anchors, [])
  const { logSize } = await committed
  await registered(node, '2.0.0')
  const { response, verify } = await answered(node, 'audit', [cites(cell)])
  assert.deepEqual([response.status, response.errors], ['success', []])
  const { log } = await verify()
  assert.deepEqual([log!.size, log!.anchors], [2, [{ anchor: 'tau', size: logSize }]])
})

test('a proof key is replaced on the running node, logged, and old proofs verify, also after a restart', async (t) => {
  const { node, dataDir, stop } = await nodeInProcess(t)
  const before = await answered(node, 'standard', [])
  const { current, retired } = await node.proofKeys.rotate('admin')
  assert.equal(retired!.kid, before.response.proof!.kid)
  assert.deepEqual(
    node.proofKeys.list().keys.map(({ kid }) => kid),
    [current.kid, retired!.kid],
  )
  const after = await answered(node, 'standard', [])
  assert.equal(after.response.proof!.kid, current.kid)
  assert.deepEqual([(await before.verify()).kid, (await after.verify()).kid], [retired!.kid, current.kid])
  const { entries } = await node.audit({})
  assert.deepEqual(
    entries.map(({ act, by, details }) => [act, by, details]),
    [['proof_key_rotated', 'admin', { kid: current.kid, retired: retired!.kid }]],
  )
  const keys = node.proofKeys.list()
  await stop()
  const again = await nodeInProcess(t, { dataDir })
  assert.deepEqual(again.node.proofKeys.list(), keys)
  assert.equal((await before.verify()).keyListed, true)
})

test('a proof key is replaced when it is as old as the configuration says, and that is logged too', async (t) => {
  const clock = new TestClock(Date.now())
  const { node } = await nodeInProcess(t, { clock, settings: { 'assurance.proof_key_days': '10' } })
  const old = await answered(node, 'standard', [], clock.now())
  clock.advance(9 * DAY_MS)
  assert.equal((await answered(node, 'standard', [], clock.now())).response.proof!.kid, old.response.proof!.kid)
  clock.advance(DAY_MS)
  const young = await answered(node, 'standard', [], clock.now())
  assert.notEqual(young.response.proof!.kid, old.response.proof!.kid)
  assert.deepEqual((await old.verify(clock.now())).steps, ['request', 'normalize', 'answer'])
  await young.verify(clock.now())
  let entries = (await node.audit({})).entries
  while (entries.length === 0) {
    await new Promise((resolve) => setImmediate(resolve))
    entries = (await node.audit({})).entries
  }
  assert.deepEqual([entries[0]!.act, entries[0]!.by], ['proof_key_rotated', 'node'])
})
