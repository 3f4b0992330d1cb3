import type {
  AnswerLog,
  AnswerPayload,
  AnswerProof,
  Citation,
  QueryResponse,
  RemoteSourceProof,
} from '../../protocol/assurance.ts'
import { CONTEXTS } from '../../protocol/contexts.ts'
import type { PublicKeys } from '../../protocol/public-keys.ts'
import type { Role } from '../../protocol/roles.ts'
import { type ProvenStep, proveAnswer } from '../../src/domain/assurance/prover.ts'
import { toBase64Url, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { sha256, sha256Hex } from '../../src/kernel/base/hash.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { proofJwk } from '../../src/kernel/identity/jwk.ts'
import { ed25519FromSeed, type SigningKey, signObject } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { bindingOf, chainRoot, recordBytes } from '../../src/kernel/log/audit-chain.ts'
import { logOrigin, signCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { cosign, withLines, witnessKey } from '../../src/kernel/log/cosignature.ts'
import { naiveConsistency, naiveInclusion, naiveLeaf, naiveRoot } from '../../test/kernel/log/naive-tree.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** An answer, with what else its verifier knows, and whether it holds. */
export interface AnswerCase {
  readonly about: string
  /** The response's text. */
  readonly text: string
  /** What the verifier knows; what is not there it does not know. */
  readonly provider_id?: string
  readonly keys?: PublicKeys
  readonly request?: unknown
  /** Documents in base64url. */
  readonly sources?: readonly string[]
  /** Unix milliseconds. */
  readonly now?: number
  readonly holds: boolean
}

const DAY_MS = 24 * 3600 * 1000
/** When the key begins, and when answers are given: Unix milliseconds. */
const BEGIN = Date.UTC(2026, 0, 1)
const AT = Date.UTC(2026, 0, 31, 12)

function nodeOf(name: string) {
  const identity = ed25519FromSeed(namedSeed(`answers: ${name}`))
  const providerId = providerIdOf(identity.publicKey)
  const certify = (role: Role, { publicKey }: SigningKey, from: number, serial: number) =>
    issueRoleCertificate({
      identity,
      network: NETWORK,
      role,
      publicKey,
      serial,
      notBefore: from,
      notAfter: from + 90 * DAY_MS,
    })
  const certified = (role: Role, from = BEGIN, serial = 1) => {
    const key = ed25519FromSeed(namedSeed(`answers: ${name}, ${role} ${serial}`))
    return { key, certificate: certify(role, key, from, serial) }
  }
  const proof = certified('proof')
  return {
    providerId,
    proof,
    /** The same key, certified for something else, and from the next day on. */
    otherRole: certify('token', proof.key, BEGIN, 1),
    later: certify('proof', proof.key, AT + DAY_MS, 1),
    /** The key after that. */
    next: certified('proof', BEGIN + 90 * DAY_MS, 2),
    log: certified('log'),
    witness: certified('witness'),
  }
}

const node = nodeOf('provider')
const other = nodeOf('somebody else')
const witness = nodeOf('witness')
const keysOf = ({ proof, next }: typeof node): PublicKeys => ({
  keys: [proofJwk(next.certificate), proofJwk(proof.certificate)],
})

const FIRST = 'Either party may terminate with a notice of 30 days.'
const SECOND = 'Kündigung: “schriftlich” — 😀.'
/** As it stands in its document. */
const SECOND_THERE = 'Kündigung:\u00a0\n  “schriftlich”\t— 😀.'
const documents = {
  contract: utf8(`Template 2.1\n\n${FIRST} The rest stays.\n`),
  appendix: utf8(`${SECOND_THERE}\n`),
}

function citation(name: keyof typeof documents, result: string, sentence: string, there = sentence): Citation {
  const document = documents[name]
  const start = Buffer.from(document).indexOf(there)
  const from = result.indexOf(sentence)
  return {
    result_start: from,
    result_end: from + sentence.length,
    cell_id: sha256Hex(`cell ${name}`),
    cell_type: name,
    version: '2.1.0',
    publisher: 'ab'.repeat(32),
    digest: `sha256:${sha256Hex(document)}`,
    start,
    end: start + utf8(there).length,
  }
}

function payloadOf(result: string, citations: Citation[]): AnswerPayload {
  return {
    result,
    verification_status: 'verified',
    confidence: 0.8333333333333334,
    constraints_passed: ['no-advice'],
    constraints_failed: [],
    citations,
    corpus: { root: 'cd'.repeat(32), cells: 2, ranker: 'bm25/1', segmenter: 'sentences/1' },
    metadata: {
      processing_time_ms: 12,
      model_version: 'extractive/1',
      verification_layers: ['constraint', 'verbatim'],
    },
  }
}

/** A signed request. What its signature is over does not matter here: all of it is hashed. */
const requestOf = (query: string, mode = 'standard') => ({
  request_id: `550e8400-e29b-41d4-a716-${sha256Hex(query + mode).slice(0, 12)}`,
  timestamp: '2026-01-31T11:59:59Z',
  operator_id: 'team@example.org',
  signature: 'A'.repeat(86),
  payload: {
    query,
    context: { domain: 'legal', jurisdiction: 'US-DE', constraints: ['no-advice'] },
    verification_mode: mode,
    return_proof: true,
  },
})

const leafOf = (name: keyof typeof documents): Uint8Array =>
  utf8(
    canonicalJson({
      act: 'register',
      cell_id: sha256Hex(`cell ${name}`),
      cell_type: name,
      version: '2.1.0',
      publisher: 'ab'.repeat(32),
      digest: `sha256:${sha256Hex(documents[name])}`,
      at: '2026-01-15T00:00:00.000Z',
    }),
  )
const leaves: Uint8Array[] = [
  ...Array.from({ length: 3 }, (_, i) => utf8(`{"act":"administration","commitment":"${sha256Hex(`${i}`)}"}`)),
  leafOf('contract'),
  utf8('{"act":"administration"}'),
  leafOf('appendix'),
  utf8('{"act":"administration","commitment":"x"}'),
]
const hashes = leaves.map(naiveLeaf)

function logOf(
  change: Partial<AnswerLog> = {},
  names: (keyof typeof documents)[] = ['contract', 'appendix'],
): AnswerLog {
  const size = leaves.length
  const note = signCheckpoint({ origin: logOrigin(node.providerId), size, root: naiveRoot(hashes) }, node.log.key)
  const { key, certificate } = witness.witness
  const line = cosign(note, witnessKey(witness.providerId, key.publicKey), key, AT / 1000)
  return {
    certificate: node.log.certificate,
    checkpoint: withLines(note, [line]),
    tree_size: size,
    witnesses: [certificate],
    sources: names.map((name) => {
      const index = name === 'contract' ? 3 : 5
      return {
        cell_id: sha256Hex(`cell ${name}`),
        leaf: toBase64Url(leafOf(name)),
        log_index: index,
        inclusion: naiveInclusion(index, hashes).map(toHex),
      }
    }),
    anchors: [
      {
        anchor: 'file',
        receipt: '{"committed":"2026-01-20T00:00:00.000Z"}',
        size: 6,
        root: toHex(naiveRoot(hashes.slice(0, 6))),
        consistency: naiveConsistency(6, hashes).map(toHex),
      },
    ],
    ...change,
  }
}

/** What the log of somebody else has of a cell: one leaf of two. */
function elsewhere(name: keyof typeof documents, change: Partial<RemoteSourceProof> = {}): RemoteSourceProof {
  const tree = [utf8('{"act":"administration"}'), leafOf(name)].map(naiveLeaf)
  return {
    cell_id: sha256Hex(`cell ${name}`),
    leaf: toBase64Url(leafOf(name)),
    log_index: 1,
    inclusion: naiveInclusion(1, tree).map(toHex),
    provider_id: other.providerId,
    certificate: other.log.certificate,
    checkpoint: signCheckpoint({ origin: logOrigin(other.providerId), size: 2, root: naiveRoot(tree) }, other.log.key),
    tree_size: 2,
    ...change,
  }
}

type Proven = QueryResponse & { readonly proof: AnswerProof }
type Request = ReturnType<typeof requestOf>

interface Given {
  readonly request: Request
  readonly payload?: AnswerPayload | null
  readonly status?: QueryResponse['status']
  readonly errors?: QueryResponse['errors']
  readonly log?: AnswerLog
  readonly key?: typeof node.proof
  readonly at?: number
  readonly steps?: readonly ProvenStep[]
  readonly network?: string
}

const RESULT = `${FIRST}\n${SECOND}`
const PAYLOAD = payloadOf(RESULT, [
  citation('contract', RESULT, FIRST),
  citation('appendix', RESULT, SECOND, SECOND_THERE),
])
const STEPS: ProvenStep[] = [
  { step: 'normalization', input: { query: ' Termination? ' }, output: { query: 'termination?' } },
  {
    step: 'retrieval',
    input: { query: 'termination?' },
    output: { scores: [12.5, 1e-7, 1e21, 0.000001, -0, 333333333.3333333] },
  },
]

function answerOf({ request, payload = PAYLOAD, status = 'success', errors = [], log, ...more }: Given): Proven {
  const { key = node.proof, at = AT, steps = STEPS, network = NETWORK } = more
  const response = {
    request_id: request.request_id,
    response_id: `6ba7b810-9dad-41d1-80b4-${request.request_id.slice(-12)}`,
    timestamp: new Date(at).toISOString(),
    status,
    payload,
    errors,
  }
  return { ...response, proof: proveAnswer(key, network, { request, steps, response, log }) }
}

/** The answer with another chain, everything after it signed anew: what a node could make that does not care. */
function rechained(answer: Proven, change: (chain: AnswerProof['audit_chain']) => AnswerProof['audit_chain']): Proven {
  const { proof } = answer
  const { key } = node.proof
  const chain = change(structuredClone(proof.audit_chain))
  const unsigned = { ...proof, audit_chain: chain, hash_chain: chainRoot(sha256, chain.map(recordBytes)) }
  const signatures = chain.map((record) => signObject(key, NETWORK, CONTEXTS.auditRecord, record))
  const signature = signObject(key, NETWORK, CONTEXTS.answer, bindingOf(sha256, answer, unsigned))
  return { ...answer, proof: { ...unsigned, signatures, signature } }
}

/** Answers that others change, with what their verifier knows. */
export const sampleAnswers = (): { about: string; answer: Proven; request: Request }[] => {
  const standard = requestOf('When does it end?')
  const audit = requestOf('When does it end?', 'audit')
  const copied = requestOf('And when it is a copy?', 'audit')
  return [
    { about: 'mode standard', request: standard, answer: answerOf({ request: standard }) },
    {
      about: 'mode audit, with log, witness and anchor',
      request: audit,
      answer: answerOf({ request: audit, log: logOf() }),
    },
    {
      about: 'mode audit, with a cell in the log of another node',
      request: copied,
      answer: answerOf({
        request: copied,
        log: logOf({ elsewhere: [elsewhere('appendix')], witnesses: [] }, ['contract']),
      }),
    },
  ]
}

/** `answers.json`. */
export function answerVectors(): { about: string; network: string; cases: AnswerCase[] } {
  const [standard, audit] = sampleAnswers()
  const keys = keysOf(node)
  const text = (value: unknown): string => JSON.stringify(value)
  const holds = (about: string, answer: object, known: Partial<AnswerCase> = {}): AnswerCase => ({
    about,
    text: text(answer),
    keys,
    ...known,
    holds: true,
  })
  const refused = (about: string, answer: object, known: Partial<AnswerCase> = {}): AnswerCase => ({
    ...holds(about, answer, known),
    holds: false,
  })
  const { request, answer } = standard!
  const { answer: audited, request: auditRequest } = audit!
  const encoded = Object.values(documents).map(toBase64Url)
  const withProof = (change: Partial<AnswerProof>): object => ({ ...answer, proof: { ...answer.proof, ...change } })
  const { audit_chain: chain, signatures } = answer.proof
  const cited = (change: (payload: AnswerPayload) => Partial<AnswerPayload>): Proven =>
    answerOf({ request, payload: { ...PAYLOAD, ...change(PAYLOAD) } })
  const [first, second] = PAYLOAD.citations
  const logged = (change: Partial<AnswerLog>, names?: (keyof typeof documents)[]): Proven =>
    answerOf({ request: auditRequest, log: logOf(change, names) })
  const unavailable = { code: '602', message: 'External proof unavailable', severity: 'warning' } as const
  const log = logOf()
  return {
    about:
      'Responses with the proof of their answer, what their verifier knows beside them, and whether they hold. Whoever knows nothing of a member leaves it out.',
    network: NETWORK,
    cases: [
      holds('with the keys of the node', answer),
      holds('with the request, the documents and the time', answer, {
        request,
        sources: encoded,
        now: AT,
        provider_id: node.providerId,
      }),
      holds('with the provider id alone', answer, { keys: undefined as never, provider_id: node.providerId }),
      holds('with log, witness and anchor', audited, { request: auditRequest }),
      holds(
        'with an anchor that keeps as much',
        logged({
          anchors: [{ ...log.anchors![0]!, size: 7, root: toHex(naiveRoot(hashes)), consistency: [] }],
        }),
      ),
      holds(
        'with one cell in the log and one not, and saying so',
        answerOf({ request: auditRequest, status: 'partial', errors: [unavailable], log: logOf({}, ['contract']) }),
        { request: auditRequest },
      ),
      holds('with a cell in the log of another node', logged({ elsewhere: [elsewhere('appendix')] }, ['contract']), {
        request: auditRequest,
      }),
      holds(
        'with all cells in the log of another node',
        logged({ elsewhere: [elsewhere('contract'), elsewhere('appendix')] }, []),
      ),
      holds('without steps of its own', answerOf({ request, steps: [] })),
      holds(
        'of a failure, without a payload',
        answerOf({
          request,
          payload: null,
          status: 'failed',
          errors: [{ code: '600', message: 'Constraint violation', severity: 'error' }],
        }),
      ),
      holds(
        'with numbers that have several spellings',
        answerOf({ request, payload: { ...PAYLOAD, confidence: 1e-7 } }),
      ),
      holds('with the same number spelt otherwise', JSON.parse(text(answer)), {
        text: text(answer).replace('"confidence":0.8333333333333334', '"confidence":8.333333333333334e-1'),
      }),
      holds('signed by the key after the first', answerOf({ request, key: node.next, at: BEGIN + 100 * DAY_MS })),

      refused('without a proof', { ...answer, proof: undefined }),
      refused('with a member that is not signed', { ...answer, comment: 'x' }),
      refused('with a duplicate member', answer, { text: text(answer).replace('{', '{"status":"success",') }),
      refused('an empty chain', withProof({ audit_chain: [], signatures: [] })),
      refused('a signature missing', withProof({ signatures: signatures.slice(0, -1) })),
      refused('a signature too many', withProof({ signatures: [...signatures, signatures[0]!] })),
      refused(
        'the last record and its signature twice',
        withProof({
          audit_chain: [...chain, chain.at(-1)!],
          signatures: [...signatures, signatures.at(-1)!],
        }),
      ),
      refused(
        'the last record twice, signed anew',
        rechained(answer, (records) => [...records, records.at(-1)!]),
      ),
      refused(
        'a record missing, signed anew',
        rechained(answer, (records) => records.toSpliced(1, 1)),
      ),
      refused(
        'records exchanged, signed anew',
        rechained(answer, ([a, b, c, d]) => [a!, c!, b!, d!]),
      ),
      refused(
        'no record of the answer, signed anew',
        rechained(answer, (records) => records.slice(0, -1)),
      ),
      refused(
        'records of the same time, signed anew',
        rechained(answer, (records) => {
          let prev = '0'.repeat(64)
          return records.map((record) => {
            const changed = { ...record, timestamp: records[0]!.timestamp, prev_hash: prev }
            prev = sha256Hex(recordBytes(changed))
            return changed
          })
        }),
      ),
      refused('another root', withProof({ hash_chain: audited.proof.hash_chain })),
      refused('the proof of another answer', { ...answer, proof: audited.proof }),
      refused('the result of another answer', {
        ...answer,
        payload: { ...PAYLOAD, result: RESULT.replace('30', '90') },
      }),
      refused('another request', answer, { request: auditRequest }),
      refused('the request with another signature', answer, { request: { ...request, signature: 'B'.repeat(86) } }),
      refused('another kid', withProof({ kid: audited.proof.kid.replace(/^./, 'A') })),
      refused('keys of another node', answer, { keys: keysOf(other) }),
      refused('keys without the one that signed', answer, { keys: { keys: keys.keys.slice(0, 1) } }),
      refused('another node', answer, { provider_id: other.providerId }),
      refused('a certificate of another role', withProof({ certificate: node.otherRole })),
      refused('a certificate of another node', withProof({ certificate: other.proof.certificate })),
      refused('before the key was in force', withProof({ certificate: node.later })),
      refused('after the key was in force', answerOf({ request, at: BEGIN + 91 * DAY_MS })),
      refused('after the key was replaced, as the list of keys says', answer, {
        keys: { keys: keys.keys.map((key) => ({ ...key, exp: BEGIN / 1000 + 1 })) },
      }),
      refused('from the future', answer, { now: AT - DAY_MS }),
      refused('of another network', answerOf({ request, network: 'another' })),
      refused(
        'a citation without its result',
        cited(() => ({ result: '' })),
      ),
      refused(
        'text that is not cited',
        cited(({ result }) => ({ result: `${result} And so on.` })),
      ),
      refused(
        'citations out of order',
        cited(() => ({ citations: [second!, first!] })),
      ),
      refused(
        'a citation of fewer bytes than the sentence',
        cited(() => ({ citations: [{ ...first!, end: first!.end - 1 }, second!] })),
      ),
      refused(
        'a citation that is no quotation',
        cited(({ result }) => ({
          result: result.replace('Either party', 'Either  party'),
          citations: [
            { ...first!, result_end: first!.result_end + 1, end: first!.end + 1 },
            { ...second!, result_start: second!.result_start + 1, result_end: second!.result_end + 1 },
          ],
        })),
      ),
      refused(
        'a citation inside a character',
        cited(() => ({
          citations: [first!, { ...second!, result_end: second!.result_end - 2, end: second!.end - 2 }],
        })),
      ),
      refused('a document that is not cited', answer, { sources: [toBase64Url(utf8('something else'))] }),
      refused(
        'a document that says something else there',
        cited(() => ({
          citations: [{ ...first!, start: first!.start - 1, end: first!.end - 1 }, second!],
        })),
        { sources: encoded },
      ),
      refused('mode audit without a log', answerOf({ request: auditRequest }), { request: auditRequest }),
      refused('a cell that the log lacks, without saying so', logged({}, ['contract'])),
      refused('a log of another node', logged({ certificate: other.log.certificate })),
      refused('a log of another size', logged({ tree_size: 8 })),
      refused('a leaf at another place', logged({ sources: [{ ...log.sources[0]!, log_index: 4 }, log.sources[1]!] })),
      refused(
        'a leaf of another cell',
        logged({
          sources: [{ ...log.sources[0]!, cell_id: log.sources[1]!.cell_id }, log.sources[1]!],
        }),
      ),
      refused('a cell proven twice', logged({ sources: [log.sources[0]!, ...log.sources] })),
      refused(
        'a leaf that is no registration',
        logged({
          sources: [
            {
              ...log.sources[0]!,
              leaf: toBase64Url(leaves[4]!),
              log_index: 4,
              inclusion: naiveInclusion(4, hashes).map(toHex),
            },
            log.sources[1]!,
          ],
        }),
      ),
      refused('a witness who has not signed', logged({ witnesses: [other.witness.certificate] })),
      refused('a witness named twice', logged({ witnesses: [...log.witnesses, ...log.witnesses] })),
      refused(
        'an anchor that keeps another log',
        logged({ anchors: [{ ...log.anchors![0]!, root: 'ee'.repeat(32) }] }),
      ),
      refused('a cell proven here and elsewhere', logged({ elsewhere: [elsewhere('appendix')] })),
      refused(
        'a cell proven elsewhere twice',
        logged({ elsewhere: [elsewhere('appendix'), elsewhere('appendix')] }, ['contract']),
      ),
      ...Object.entries<Partial<RemoteSourceProof>>({
        'certified for somebody else': { provider_id: witness.providerId },
        'of a key for something else': { certificate: other.proof.certificate },
        'of another size': { tree_size: 3 },
        'of a leaf at another place': { log_index: 0 },
        'of another cell': { leaf: toBase64Url(leafOf('contract')) },
        'of the node itself': {
          ...log.sources[1]!,
          provider_id: node.providerId,
          certificate: log.certificate,
          checkpoint: log.checkpoint,
          tree_size: log.tree_size,
        },
      }).map(([about, change]) =>
        refused(
          `a proof by the log of another node ${about}`,
          logged({ elsewhere: [elsewhere('appendix', change)] }, ['contract']),
        ),
      ),
      refused('the log left out', { ...audited, proof: { ...audited.proof, log: undefined } }),
    ],
  }
}
