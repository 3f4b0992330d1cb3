import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import {
  type AnswerLog,
  type AnswerPayload,
  type AnswerProof,
  ASSURANCE_LIMITS,
  type Citation,
  QueryResponse,
  type RemoteSourceProof,
  type SourceProof,
} from '../../../protocol/assurance.ts'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { LoggedAct } from '../../../protocol/log.ts'
import { PublicKeys } from '../../../protocol/public-keys.ts'
import { fromBase64Url, fromHex, toHex, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import { checkerOf } from '../base/checker.ts'
import { schemaRule } from '../base/schema-findings.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import { keyThumbprint } from '../identity/jwk.ts'
import { verifyRoleCertificate } from '../identity/roles.ts'
import { decoded, signedText } from '../identity/signed.ts'
import { type AsyncSignatureVerifier, pureVerifier, type SignatureVerifier } from '../identity/verify-pure.ts'
import {
  bindingOf,
  chainRoot,
  FIRST_STEP,
  jsonHash,
  LAST_STEP,
  NO_RECORD,
  recordBytes,
  resultHash,
  type Sha256,
} from './audit-chain.ts'
import { openLogNote } from './certified-checkpoint.ts'
import { witnessKey } from './cosignature.ts'
import { leafHash } from './tree.ts'
import { verifyConsistency, verifyInclusion } from './verify.ts'

/** Answers that carry their proof, as anybody verifies them without asking anybody. Browser-safe. */

/** What verification computes with. */
export interface AnswerArithmetic {
  /** Verdicts on certificates and on the log. */
  readonly verifier: SignatureVerifier
  /** The same on records, of which there are many: later verdicts may be found side by side. */
  readonly records: Pick<SignatureVerifier | AsyncSignatureVerifier, 'ed25519'>
  readonly sha256: Sha256
}

/** In plain JavaScript: about a millisecond for each record. */
export const pureArithmetic: AnswerArithmetic = {
  verifier: pureVerifier,
  records: pureVerifier,
  sha256: nobleSha256,
}

/** What an answer must be, where the caller knows. */
export interface AnswerExpectation {
  /** Network whose signatures count. */
  readonly network: string
  /** The node that must have answered; any unless given. Without it and without keys, the proof is by *somebody*. */
  readonly providerId?: string | undefined
  /** The keys of the node (`/.well-known/public-keys.json`), one of which must have signed. */
  readonly publicKeys?: PublicKeys | undefined
  /** The signed request that must have been answered, whole. */
  readonly request?: unknown
  /** Documents that are at hand: what is cited of them must stand there. */
  readonly sources?: readonly Uint8Array[] | undefined
  /** Unix milliseconds, after which nothing can have been proven yet. */
  readonly now?: number | undefined
}

/** What was verified of an answer. */
export interface VerifiedAnswer {
  readonly providerId: string
  readonly kid: string
  /** Whether the key is one of those that the caller gave. */
  readonly keyListed: boolean
  readonly requestId: string
  readonly responseId: string
  readonly operatorId: string
  readonly timestamp: string
  /** Whether the request is the one that the caller gave. */
  readonly requestMatches: boolean
  readonly status: QueryResponse['status']
  /** What the node says of its answer; null where it gave none. */
  readonly verificationStatus: AnswerPayload['verification_status'] | null
  /** Names of the steps, in order. */
  readonly steps: readonly string[]
  readonly citations: number
  /** Digests of documents that are cited and were compared. */
  readonly compared: readonly string[]
  /** What the node's log proves; undefined where the answer has none. */
  readonly log:
    | {
        readonly size: number
        readonly root: string
        /** Ids of cited cells that are in it, and of those that are in no log. */
        readonly registered: readonly string[]
        readonly missing: readonly string[]
        /** Cited cells that are in the logs of others. */
        readonly elsewhere: readonly { readonly cell: string; readonly providerId: string }[]
        /** Provider ids of those who cosigned it. */
        readonly witnesses: readonly string[]
        /** Names of anchors, and how many leaves of this very log they keep. */
        readonly anchors: readonly { readonly anchor: string; readonly size: number }[]
      }
    | undefined
}

const responseSchema = checkerOf(QueryResponse)
const keysSchema = checkerOf(PublicKeys)
const actSchema = checkerOf(LoggedAct)

/** Members of a response. Any other would stand in it without being signed. */
const MEMBERS = new Set(['request_id', 'response_id', 'timestamp', 'status', 'payload', 'proof', 'errors'])
/** What may stand between sentences. */
const BLANK = /^[ \t\r\n]*$/
/** Space inside sentences, of which quotations keep one U+0020. */
const SPACES = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+/g
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** An answer of which nothing is verified yet but size, form and spelling of JSON. Throws `Error` with the reason. */
export function parseAnswer(text: Uint8Array | string): QueryResponse {
  const bytes = typeof text === 'string' ? utf8(text) : text
  if (bytes.length > ASSURANCE_LIMITS.fileBytes) {
    throw new Error(`an answer has at most ${ASSURANCE_LIMITS.fileBytes} bytes, this one ${bytes.length}`)
  }
  return checkedAnswer(parseStrictJson(bytes))
}

/** The same of what was parsed already. */
export function checkedAnswer(value: unknown): QueryResponse {
  if (!responseSchema.Check(value)) {
    throw new Error(`not an answer: ${schemaRule('it', [...responseSchema.Errors(value)])}`)
  }
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name))
  if (unknown !== undefined) throw new Error(`not an answer: ${JSON.stringify(unknown)} is no member of one`)
  return value
}

/** A JWK set of proof keys. Throws `Error` for what is none. */
export function checkedKeys(value: unknown): PublicKeys {
  if (keysSchema.Check(value)) return value
  throw new Error(`not a set of proof keys: ${schemaRule('it', [...keysSchema.Errors(value)])}`)
}

/**
 * Verifies everything that an answer carries: the key's certificate, each record and its signature, their order and their root, that all of this
 * belongs to this response and its request, that what is cited covers the result, and what the log proves. A part that does not hold makes the whole
 * answer refused. Throws `Error` with the reason.
 */
export async function verifyProvenAnswer(
  arithmetic: AnswerArithmetic,
  response: QueryResponse,
  expected: AnswerExpectation,
): Promise<VerifiedAnswer> {
  const { proof, payload } = response
  const { network } = expected
  const { sha256, verifier, records } = arithmetic
  if (proof === undefined) throw new Error('the answer carries no proof')
  const { audit_chain: chain, provider_id: providerId, kid } = proof
  if (expected.providerId !== undefined && providerId !== expected.providerId) {
    throw new Error(`the answer is by ${providerId}, expected ${expected.providerId}`)
  }

  const times = chain.map(({ timestamp }) => timeOf(timestamp))
  const at = timeOf(response.timestamp)
  if (times.some((time, i) => i > 0 && time <= times[i - 1]!))
    throw new Error('the times of the records do not increase')
  if (at < times.at(-1)!) throw new Error('the answer is older than its records')
  if (expected.now !== undefined && at > expected.now + LIMITS.clockSkewMs) {
    throw new Error(`the answer is of ${response.timestamp}, which is not yet`)
  }
  const publicKey = proofKey(verifier, network, proof, expected.publicKeys, times[0]!, at)

  const bodies = checkedRecords(sha256, response, proof)
  checkRequest(sha256, proof, expected.request)
  checkCitations(payload)
  const compared = compareSources(sha256, payload, expected.sources ?? [])
  const log = proof.log === undefined ? undefined : verifyLog(verifier, network, providerId, proof.log, payload)
  checkMode(response, expected.request, log)

  const binding = utf8(canonicalJson(bindingOf(sha256, response, proof)))
  const signed = [
    ...bodies.map((bytes, i) => ({
      what: `the record ${i}`,
      message: signedText(network, CONTEXTS.auditRecord, bytes),
      signature: proof.signatures[i]!,
    })),
    { what: 'the answer', message: signedText(network, CONTEXTS.answer, binding), signature: proof.signature },
  ]
  const verdicts = await Promise.all(
    signed.map(({ message, signature }) => {
      const bytes = decoded(signature)
      return bytes !== undefined && records.ed25519(publicKey, message, bytes)
    }),
  )
  const wrong = verdicts.indexOf(false)
  if (wrong !== -1) throw new Error(`${signed[wrong]!.what} is not signed by the key ${kid}`)

  return {
    providerId,
    kid,
    keyListed: expected.publicKeys !== undefined,
    requestId: response.request_id,
    responseId: response.response_id,
    operatorId: chain[0]!.operator_id,
    timestamp: response.timestamp,
    requestMatches: expected.request !== undefined,
    status: response.status,
    verificationStatus: payload?.verification_status ?? null,
    steps: chain.map(({ step }) => step),
    citations: payload?.citations.length ?? 0,
    compared,
    log,
  }
}

/** The key of a proof, which was in force from its first record to its end. */
function proofKey(
  verifier: SignatureVerifier,
  network: string,
  { certificate, kid, provider_id: providerId }: AnswerProof,
  keys: PublicKeys | undefined,
  from: number,
  to: number,
): Uint8Array {
  const { not_before: notBefore, not_after: notAfter, public_key: publicKey } = certificate
  const name = keyThumbprint(publicKey)
  if (kid !== name) throw new Error(`the proof names the key ${kid}, its certificate is of ${name}`)
  const expected = { providerId, role: 'proof', now: notBefore } as const
  const key = verifyRoleCertificate(verifier, network, certificate, expected)
  within(kid, from, to, notBefore, notAfter)
  if (keys === undefined) return key
  const listed = keys.keys.find((one) => one.kid === kid)
  if (listed === undefined) throw new Error(`the key ${kid} is not among those of the node`)
  if (listed.x !== publicKey) throw new Error(`the key ${kid} is another one in the list of keys`)
  within(kid, from, to, listed.nbf * 1000, listed.exp * 1000)
  return key
}

function within(kid: string, from: number, to: number, notBefore: number, notAfter: number): void {
  const iso = (time: number): string => (Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : String(time))
  if (from < notBefore) throw new Error(`the key ${kid} was not in force before ${iso(notBefore)}`)
  if (to > notAfter) throw new Error(`the key ${kid} was in force until ${iso(notAfter)}`)
}

/** The records as they are hashed and signed, which are a chain, are about one request, and end with this response. */
function checkedRecords(sha256: Sha256, response: QueryResponse, proof: AnswerProof): Uint8Array[] {
  const { audit_chain: chain, signatures } = proof
  const first = chain[0]!
  const last = chain.at(-1)!
  if (signatures.length !== chain.length) {
    throw new Error(`the chain has ${chain.length} records and ${signatures.length} signatures`)
  }
  if (chain.length < 2 || first.step !== FIRST_STEP || last.step !== LAST_STEP) {
    throw new Error(`the chain does not go from ${FIRST_STEP} to ${LAST_STEP}`)
  }
  let prev = NO_RECORD
  const bodies: Uint8Array[] = []
  for (const [i, record] of chain.entries()) {
    if (record.seq !== i || record.prev_hash !== prev) throw new Error(`the record ${i} does not follow the one before`)
    if (record.request_id !== response.request_id || record.operator_id !== first.operator_id) {
      throw new Error(`the record ${i} is about another request`)
    }
    const bytes = recordBytes(record)
    bodies.push(bytes)
    prev = toHex(sha256(bytes))
  }
  if (chainRoot(sha256, bodies) !== proof.hash_chain) throw new Error('hash_chain is not the root of the records')
  if (last.input_hash !== chain.at(-2)!.output_hash) {
    throw new Error('the last record does not begin with what the one before ended with')
  }
  if (last.output_hash !== resultHash(sha256, response)) throw new Error('the proof is of another result')
  return bodies
}

function checkRequest(sha256: Sha256, { audit_chain: chain }: AnswerProof, request: unknown): void {
  if (request === undefined) return
  const { payload, operator_id: operator } = Object(request) as Record<string, unknown>
  const [first] = chain
  if (jsonHash(sha256, request) !== first!.input_hash) throw new Error('the proof is of another request')
  if (first!.operator_id !== operator) throw new Error('the records name another operator than the request')
  if (payload === undefined || jsonHash(sha256, payload) !== first!.output_hash) {
    throw new Error('the first record does not put out what was asked')
  }
}

/** All of the result is cited, sentence by sentence, and each sentence is a quotation that can be of so many bytes. */
function checkCitations(payload: AnswerPayload | null): void {
  if (payload === null) return
  const { result, citations } = payload
  let end = 0
  for (const [i, citation] of citations.entries()) {
    const { result_start: start } = citation
    const sentence = cited(result, citation)
    if (start < end || !BLANK.test(result.slice(end, start)) || sentence === '' || !sentence.isWellFormed()) {
      throw new Error(`the citation ${i} does not fit the result`)
    }
    if (sentence !== quoted(sentence) || utf8(sentence).length > citation.end - citation.start) {
      throw new Error(`the citation ${i} is of fewer bytes than the sentence in the result, or not a quotation`)
    }
    end = citation.result_end
  }
  if (end > result.length || !BLANK.test(result.slice(end))) throw new Error('the result has text that is not cited')
}

/** How a text is quoted: each run of space is one, and there is none at the ends. So it never gets longer. */
const quoted = (text: string): string => text.replace(SPACES, ' ').replace(/^ | $/g, '')

const cited = (result: string, { result_start: start, result_end: end }: Citation): string => result.slice(start, end)

/** Compares what is cited with the documents at hand. */
function compareSources(sha256: Sha256, payload: AnswerPayload | null, sources: readonly Uint8Array[]): string[] {
  return sources.map((source) => {
    const digest = `sha256:${toHex(sha256(source))}`
    const citations = payload?.citations.filter((one) => one.digest === digest) ?? []
    if (citations.length === 0) throw new Error(`the answer cites nothing of the document ${digest}`)
    for (const citation of citations) {
      if (textAt(source, citation) !== cited(payload!.result, citation)) {
        throw new Error(`the bytes ${citation.start} to ${citation.end} of ${digest} are not what the answer cites`)
      }
    }
    return digest
  })
}

/** What stands in a document, as it is quoted; undefined for bytes that are no text. */
function textAt(source: Uint8Array, { start, end }: Citation): string | undefined {
  try {
    return quoted(decoder.decode(source.subarray(start, end)))
  } catch {
    return undefined
  }
}

/** Verifies what the node's log proves of the cited cells. */
function verifyLog(
  verifier: SignatureVerifier,
  network: string,
  providerId: string,
  log: AnswerLog,
  payload: AnswerPayload | null,
): NonNullable<VerifiedAnswer['log']> {
  // When certificates end does not matter: what a key has signed stays signed.
  const { certificate } = log
  const expected = { providerId, role: 'log', now: certificate.not_before } as const
  const key = verifyRoleCertificate(verifier, network, certificate, expected)
  const witnesses = log.witnesses.map((certificate) => {
    const { provider_id: witness } = certificate
    const expected = { providerId: witness, role: 'witness', now: certificate.not_before } as const
    return { witness, key: witnessKey(witness, verifyRoleCertificate(verifier, network, certificate, expected)) }
  })
  const checkpoint = openLogNote(
    verifier,
    providerId,
    key,
    log.checkpoint,
    witnesses.map((one) => one.key),
  )
  if (checkpoint.goalId !== undefined) throw new Error(`the checkpoint is of the goal ${checkpoint.goalId}`)
  if (checkpoint.size !== log.tree_size) {
    throw new Error(`the checkpoint is of ${checkpoint.size} leaves, the proof of ${log.tree_size}`)
  }
  const silent = witnesses.find((one) => !checkpoint.witnesses.includes(one.key))
  if (silent !== undefined) throw new Error(`the checkpoint is not cosigned by ${silent.witness}`)
  if (new Set(witnesses.map(({ witness }) => witness)).size < witnesses.length) {
    throw new Error('the proof names a witness twice')
  }

  const cells = new Map(payload?.citations.map((citation) => [citation.cell_id, citation]) ?? [])
  const proven = new Set<string>()
  const prove = (source: SourceProof, signed: SignedTree): void => {
    const { cell_id: id } = source
    const citation = cells.get(id)
    if (citation === undefined || proven.has(id)) throw new Error(`the log proves the cell ${id} without need`)
    verifySource(source, signed, citation)
    proven.add(id)
  }
  for (const source of log.sources) prove(source, checkpoint)
  const registered = [...proven]
  for (const source of log.elsewhere ?? []) prove(source, remoteTree(verifier, network, providerId, source))

  const anchors = (log.anchors ?? []).map(({ anchor, size, root, consistency }) => {
    const committed = { size, root: fromHex(root) }
    const [from, to] = size <= checkpoint.size ? [committed, checkpoint] : [checkpoint, committed]
    const claim = { from: from.size, fromRoot: from.root, to: to.size, toRoot: to.root }
    if (!verifyConsistency(claim, consistency.map(fromHex))) {
      throw new Error(`what the anchor ${anchor} keeps is not this log`)
    }
    return { anchor, size }
  })
  return {
    size: checkpoint.size,
    root: toHex(checkpoint.root),
    registered,
    missing: [...cells.keys()].filter((id) => !proven.has(id)),
    elsewhere: (log.elsewhere ?? []).map(({ cell_id: cell, provider_id }) => ({ cell, providerId: provider_id })),
    witnesses: witnesses.map(({ witness }) => witness),
    anchors,
  }
}

/** A log as its key signed it. */
interface SignedTree {
  readonly size: number
  readonly root: Uint8Array
}

/** The log of another node, as a proof has it. */
function remoteTree(
  verifier: SignatureVerifier,
  network: string,
  own: string,
  { provider_id: providerId, certificate, checkpoint: note, tree_size: size }: RemoteSourceProof,
): SignedTree {
  if (providerId === own) throw new Error('the log of the node itself is not elsewhere')
  const expected = { providerId, role: 'log', now: certificate.not_before } as const
  const key = verifyRoleCertificate(verifier, network, certificate, expected)
  const checkpoint = openLogNote(verifier, providerId, key, note)
  if (checkpoint.goalId !== undefined) throw new Error(`the checkpoint is of the goal ${checkpoint.goalId}`)
  if (checkpoint.size !== size) throw new Error(`the checkpoint is of ${checkpoint.size} leaves, the proof of ${size}`)
  return checkpoint
}

/** That a cited cell is registered in a log, as it is cited. */
function verifySource(
  { cell_id: id, leaf: encoded, log_index: index, inclusion }: SourceProof,
  { size, root }: SignedTree,
  citation: Citation,
): void {
  const leaf = fromBase64Url(encoded)
  if (!verifyInclusion({ leafHash: leafHash(leaf), index, size, root }, inclusion.map(fromHex))) {
    throw new Error(`the leaf ${index} is not in the log of ${size} leaves that was signed`)
  }
  const act = parseStrictJson(leaf)
  if (!actSchema.Check(act) || act.act !== 'register' || act.cell_id !== id) {
    throw new Error(`the leaf ${index} does not say that the cell ${id} was registered`)
  }
  if (
    act.cell_type !== citation.cell_type ||
    act.version !== citation.version ||
    act.publisher !== citation.publisher ||
    act.digest !== citation.digest
  ) {
    throw new Error(`the cell ${id} was registered as another one than is cited`)
  }
}

/** Where a request asked for the log's word, the answer has it or says that it has not. */
function checkMode({ errors, payload }: QueryResponse, request: unknown, log: VerifiedAnswer['log']): void {
  if (errors.some(({ code }) => code === '602') || payload === null || payload.citations.length === 0) return
  if (log !== undefined && log.missing.length > 0) {
    throw new Error(`the log does not prove the cell ${log.missing[0]}, and the answer does not say so (602)`)
  }
  const mode = (request as { payload?: { verification_mode?: unknown } } | undefined)?.payload?.verification_mode
  if (log === undefined && (mode === 'strict' || mode === 'audit')) {
    throw new Error(`the mode ${mode} was asked for, and the answer proves nothing of its sources`)
  }
}

function timeOf(text: string): number {
  const time = TIME.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time) || new Date(time).toISOString() !== text) {
    throw new Error(`${JSON.stringify(text.slice(0, 64))} is no time such as 2026-01-31T12:00:00.000Z`)
  }
  return time
}
