import { hash, randomUUID, sign, verify } from 'node:crypto'
import type { QueryResponse } from '../../../protocol/assurance.ts'
import { type Provable, proveAnswer } from '../../../src/domain/assurance/prover.ts'
import { canonicalJson } from '../../../src/kernel/base/canonical-json.ts'
import { sha256 } from '../../../src/kernel/base/hash.ts'
import { ed25519PrivateKey, ed25519PublicKey } from '../../../src/kernel/identity/key-encoding.ts'
import { ed25519FromSeed, newSeed } from '../../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../../src/kernel/identity/role-certificate.ts'
import { nativeVerifier, pooledVerifier } from '../../../src/kernel/identity/verify.ts'
import { checkedAnswer, verifyProvenAnswer } from '../../../src/kernel/log/verify-answer.ts'
import { alternate, bounded, compared, type Measurement, median, quantile } from '../measure.ts'
import type { Row } from '../row.ts'

const NETWORK = 'bench'
const DAY_MS = 24 * 3600 * 1000
/** Answers of one round. */
const ANSWERS = 1000
/** Steps of an answer, beside the first and last record. */
const STEPS = 8
const RECORDS = 1000
const MOST_P50_MS = 2
const MOST_P99_MS = 10
const MOST_LONG_MS = 50
const LEAST = 0.5

const arithmetic = { verifier: nativeVerifier, records: pooledVerifier, sha256 }

export const answerProofs: Row = {
  name: 'answer-proofs',
  title: 'proof of an answer with 10 records and 5 citations: made, read and verified',
  async run(context) {
    const count = context.quick ? 20 : ANSWERS
    const seed = newSeed()
    const identity = ed25519FromSeed(newSeed())
    const key = ed25519FromSeed(seed)
    const now = Date.now()
    const certificate = issueRoleCertificate({
      identity,
      network: NETWORK,
      role: 'proof',
      publicKey: key.publicKey,
      serial: 1,
      notBefore: now - DAY_MS,
      notAfter: now + DAY_MS,
    })
    const response = sampleResponse()
    const proven = (steps: number): QueryResponse => {
      const proof = proveAnswer({ key, certificate }, NETWORK, provable(response, steps))
      return { ...response, proof }
    }
    const verified = (answer: unknown) =>
      verifyProvenAnswer(arithmetic, checkedAnswer(answer), { network: NETWORK, providerId: certificate.provider_id })

    const texts = proven(STEPS).proof!.audit_chain.map((record) => Buffer.from(canonicalJson(record)))
    const privateKey = ed25519PrivateKey(seed)
    const publicKey = ed25519PublicKey(key.publicKey)
    /** The signatures and hashes alone: each record and the binding signed and verified, each record hashed twice at both ends. */
    const bare = (): void => {
      for (const text of [...texts, texts[0]!]) {
        const signature = sign(null, text, privateKey)
        for (let n = 0; n < 4; n++) hash('sha256', text, 'buffer')
        if (!verify(null, text, publicKey, signature)) throw new Error('a signature does not hold')
      }
    }

    const slow: number[] = []
    const typical: number[] = []
    const rate = (since: number): number => (count * 1000) / (performance.now() - since)
    const { ours, baseline } = await alternate(context.rounds, {
      async ours() {
        const times: number[] = []
        const since = performance.now()
        for (let n = 0; n < count; n++) {
          const begun = performance.now()
          await verified(JSON.parse(JSON.stringify(proven(STEPS))))
          times.push(performance.now() - begun)
        }
        typical.push(quantile(times, 0.5))
        slow.push(quantile(times, 0.99))
        return rate(since)
      },
      async baseline() {
        const since = performance.now()
        for (let n = 0; n < count; n++) bare()
        return rate(since)
      },
    })

    const long = proven(RECORDS - 2)
    const messages = long.proof!.audit_chain.map((record) => {
      const text = Buffer.from(canonicalJson(record))
      return { text, signature: sign(null, text, privateKey) }
    })
    const longRuns = await alternate(context.rounds, {
      async ours() {
        const since = performance.now()
        await verified(long)
        return performance.now() - since
      },
      async baseline() {
        const since = performance.now()
        for (const { text, signature } of messages) {
          if (!verify(null, text, publicKey, signature)) throw new Error('a signature does not hold')
        }
        return performance.now() - since
      },
    })
    const oneByOne: Measurement = {
      label: `the ${RECORDS} signatures of that, one after the other`,
      unit: 'ms',
      ours: median(longRuns.baseline),
    }
    return [
      bounded(`${answerProofs.title}, p50`, 'ms', typical, MOST_P50_MS, 'JSON text in between'),
      bounded(`${answerProofs.title}, p99`, 'ms', slow, MOST_P99_MS),
      compared(
        answerProofs.title,
        'answers/s',
        ours,
        baseline,
        LEAST,
        'baseline: their signatures and hashes alone, made and verified by node:crypto',
      ),
      bounded(
        `verification of a proof with ${RECORDS} records`,
        'ms',
        longRuns.ours,
        MOST_LONG_MS,
        'signatures in the thread pool',
      ),
      oneByOne,
    ]
  },
}

const SENTENCE = 'Either party may terminate this agreement with a notice of thirty days.'

function sampleResponse(): Omit<QueryResponse, 'proof'> {
  const publisher = 'ab'.repeat(32)
  const citations = Array.from({ length: 5 }, (_, i) => ({
    result_start: i * (SENTENCE.length + 1),
    result_end: i * (SENTENCE.length + 1) + SENTENCE.length,
    cell_id: String(i).repeat(64),
    cell_type: 'contract',
    version: '2.1.0',
    publisher,
    digest: `sha256:${publisher}`,
    start: i * 1000,
    end: i * 1000 + SENTENCE.length,
  }))
  return {
    request_id: randomUUID(),
    response_id: randomUUID(),
    timestamp: new Date().toISOString(),
    status: 'success',
    payload: {
      result: citations.map(() => SENTENCE).join(' '),
      verification_status: 'verified',
      confidence: 0.75,
      constraints_passed: [],
      constraints_failed: [],
      citations,
      corpus: { root: publisher, cells: 10_000, ranker: 'bm25/1', segmenter: 'sentences/1' },
      metadata: { processing_time_ms: 3, model_version: 'extractive/1', verification_layers: ['verbatim'] },
    },
    errors: [],
  }
}

function provable(response: Omit<QueryResponse, 'proof'>, count: number): Provable {
  const { request_id } = response
  const request = {
    request_id,
    timestamp: '2026-01-31T12:00:00Z',
    operator_id: 'bench@example.org',
    signature: 'A'.repeat(86),
    payload: { query: 'termination', context: { domain: 'legal' }, return_proof: true },
  }
  const steps = Array.from({ length: count }, (_, i) => ({ step: 'retrieval', input: { i }, output: { at: i } }))
  return { request, steps, response, log: undefined }
}
