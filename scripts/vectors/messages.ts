import type { TSchema } from 'typebox'
import { ContributionAnnounce } from '../../protocol/contribution.ts'
import { LIMITS } from '../../protocol/limits.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import {
  BatchSignature,
  ErrorMessage,
  HandshakeChallenge,
  type HandshakeChallenge as HandshakeChallengeMessage,
  HandshakeResponse,
  PackageStreamRequest,
  RPC_REQUESTS,
  RPC_RESPONSES,
  type RpcMethods,
} from '../../protocol/rpc.ts'
import { toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { contributionVectors } from './contribution.ts'
import { handshakeVectors } from './handshake.ts'

/** Where a message stands: of an exchange, the two sides have schemas of their own. */
export type MessagePlace = 'handshake' | 'request' | 'answer' | 'batch' | 'package stream' | 'gossip'

/** A frame's payload, and whether it is taken for a message of that type in that place. */
export interface MessageCase {
  readonly about: string
  readonly place: MessagePlace
  readonly type: string
  /** The payload as text; absent where it is no UTF-8. */
  readonly text?: string
  /** The payload in hexadecimal, where it is no UTF-8. */
  readonly hex?: string
  readonly verdict: 'accepted' | 'not JSON' | 'not the schema'
}

interface Message {
  readonly place: MessagePlace
  readonly schema: TSchema
  readonly example: object & { readonly type: string }
}

const HEX = 'ab'.repeat(32)
const DIGEST = `sha256:${HEX}`

const manifest: Manifest = {
  format: 1,
  publisher: HEX,
  cell_type: 'json-parser',
  version: '1.0.0',
  capabilities: [{ name: 'json-parse', version: '1.0.0' }],
  dependencies: [],
  requirements: {},
  packaging_format: 'wasm',
  media_type: 'application/wasm',
  labels: {},
  package: { digest: DIGEST, size: 8, chunk_size: LIMITS.chunkBytes, chunks_root: HEX },
}
/** A cell as peers tell of it. */
export const exampleCell: NonNullable<RpcMethods['package_request']['response']['cell']> = {
  manifest,
  signature: 'cs1.AAAA',
  status: 'active',
  created_at: '2026-01-31T12:00:00.000Z',
  annotations: {},
}

const hop = (JSON.parse(handshakeVectors().challenge) as HandshakeChallengeMessage).certificate

const contributed = contributionVectors()

const CHECKPOINT = `${hop.provider_id}/log\n1\n${'A'.repeat(43)}=\n\n— ${hop.provider_id}/log AAAAAAAA\n`

/** An example of every request. */
export const exampleRequests: { readonly [M in keyof RpcMethods]: RpcMethods[M]['request'] } = {
  cell_request: {
    type: 'cell_request',
    id: 1,
    by: 'capability',
    name: 'json-parse',
    range: '^1.0.0',
    deadline_ms: 5000,
    budget: 0,
    limit: 8,
  },
  package_request: { type: 'package_request', id: 2, digest: DIGEST },
  announcements_request: { type: 'announcements_request', id: 3 },
  evidence_request: { type: 'evidence_request', id: 4, cell_id: HEX },
  yank_request: { type: 'yank_request', id: 5, cells: [{ manifest_digest: HEX, publisher: HEX }] },
  ping: { type: 'ping', id: 6 },
  state_request: { type: 'state_request', id: 7 },
  peer_exchange: { type: 'peer_exchange', id: 8 },
  forward_request: {
    type: 'forward_request',
    id: 9,
    question: {
      by: 'capability',
      name: 'json-parse',
      origin: hop.provider_id,
      nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
      at: 1000,
    },
    hops: [{ certificate: hop, next: hop.provider_id, signature: 'AAAA' }],
    deadline_ms: 5000,
    budget: 2,
  },
  add_checkpoint_request: {
    type: 'add_checkpoint_request',
    id: 10,
    old_size: 0,
    proof: [],
    checkpoint: CHECKPOINT,
    certificate: hop,
  },
  consistency_request: { type: 'consistency_request', id: 11, origin: `${hop.provider_id}/log`, from: 1, to: 2 },
  log_records_request: { type: 'log_records_request', id: 12 },
  sync_request: { type: 'sync_request', id: 13, set: 'yanks', nonce: 'A'.repeat(22) },
  records_request: { type: 'records_request', id: 14, set: 'yanks', ids: [HEX] },
  records_offer: { type: 'records_offer', id: 15, set: 'yanks', texts: ['ys1.AAAA'] },
  receipts_request: { type: 'receipts_request', id: 16, since: 1000 },
  dial_back_request: { type: 'dial_back_request', id: 17, port: 9000 },
  probe_request: {
    type: 'probe_request',
    id: 18,
    capability: 'json-parse',
    version: '1.0.0',
    cell_id: HEX,
    digest: DIGEST,
  },
  contribution_request: {
    type: 'contribution_request',
    id: 19,
    goal: contributed.contribution.goal,
    contributions: [contributed.contribution_id],
  },
}

/** The same of every answer. */
export const exampleAnswers: { readonly [M in keyof RpcMethods]: RpcMethods[M]['response'] } = {
  cell_request: { type: 'cell_response', id: 1, cells: [exampleCell] },
  package_request: { type: 'package_response', id: 2, cell: exampleCell, chunks: 'AAAA' },
  announcements_request: { type: 'announcements_response', id: 3, announcements: [] },
  evidence_request: { type: 'evidence_response', id: 4 },
  yank_request: { type: 'yank_response', id: 5, yanks: ['ys1.AAAA'] },
  ping: { type: 'pong', id: 6 },
  state_request: {
    type: 'state_response',
    id: 7,
    sets: [{ name: 'yanks', count: 2, root: HEX }],
    log: { size: 3, root: HEX },
  },
  peer_exchange: { type: 'peer_exchange', id: 8, records: ['AAAA'] },
  forward_request: { type: 'forward_response', id: 9, cells: [exampleCell], trust: 'limited' },
  add_checkpoint_request: { type: 'add_checkpoint_response', id: 10, conflict: { size: 3 } },
  consistency_request: { type: 'consistency_response', id: 11, from_root: HEX, hashes: [HEX] },
  log_records_request: { type: 'log_records_response', id: 12, records: ['{}'] },
  sync_request: { type: 'sync_response', id: 13, nonce: 'A'.repeat(22), ranges: '' },
  records_request: { type: 'records_response', id: 14, texts: ['ys1.AAAA'] },
  records_offer: { type: 'records_offer_response', id: 15, results: ['accepted'] },
  receipts_request: { type: 'receipts_response', id: 16, receipts: ['rc1.AAAA'] },
  dial_back_request: { type: 'dial_back_response', id: 17, ok: true, time: 1000 },
  probe_request: {
    type: 'probe_response',
    id: 18,
    tried: true,
    announced: true,
    resolved: true,
    fetched: true,
  },
  contribution_request: {
    type: 'contribution_response',
    id: 19,
    contributions: [{ contribution: contributed.contribution, pack: contributed.pack, result: contributed.result }],
  },
}

function messages(): Message[] {
  const { challenge, response } = handshakeVectors()
  const methods = Object.keys(RPC_REQUESTS) as (keyof RpcMethods)[]
  return [
    { place: 'handshake', schema: HandshakeChallenge, example: JSON.parse(challenge) },
    { place: 'handshake', schema: HandshakeResponse, example: JSON.parse(response) },
    ...methods.flatMap((method): Message[] => [
      { place: 'request', schema: RPC_REQUESTS[method], example: exampleRequests[method] },
      { place: 'answer', schema: RPC_RESPONSES[method], example: exampleAnswers[method] },
    ]),
    {
      place: 'answer',
      schema: ErrorMessage,
      example: { type: 'error', id: 1, code: 'busy', message: 'later' } as object & { type: string },
    },
    { place: 'gossip', schema: ContributionAnnounce, example: contributed.announce },
    {
      place: 'batch',
      schema: BatchSignature,
      example: { type: 'batch', sequence: 0, count: 1, signature: 'AAAA' } as object & { type: string },
    },
    {
      place: 'package stream',
      schema: PackageStreamRequest,
      example: { type: 'package_stream', digest: DIGEST, from_chunk: 0 } as object & { type: string },
    },
  ]
}

/** The schema of a type in a place. */
export const messageSchemas = (): Map<string, TSchema> =>
  new Map(messages().map(({ place, schema, example }) => [`${place} ${example.type}`, schema]))

/** Texts that no parser of this protocol takes, made of one that it takes. */
function unreadable(text: string, type: string): Record<string, string | Uint8Array> {
  const deep = LIMITS.jsonDepth
  const inside = text.slice(0, -1)
  return {
    'the same key twice': `${inside},"type":"${type}"}`,
    'the key __proto__': `${inside},"__proto__":1}`,
    'a lone surrogate': `${inside},"x":"\\ud800"}`,
    'a number outside IEEE 754': `${inside},"x":1e400}`,
    'nesting over the limit': `${inside},"x":${'['.repeat(deep)}${']'.repeat(deep)}}`,
    'a byte order mark': `\ufeff${text}`,
    'something after the end': `${text}{}`,
    'the end missing': inside,
    'invalid UTF-8': Buffer.concat([utf8(`${inside},"x":"`), Uint8Array.of(0xc3, 0x28), utf8('"}')]),
  }
}

/** Messages of the right form with one thing changed that the schema does not allow. */
function malformed(
  example: object,
  { required = [] }: { readonly required?: readonly string[] },
): Record<string, object> {
  const cases: Record<string, object> = { 'an unknown member': { ...example, unknown: 1 } }
  for (const [member, value] of Object.entries(example)) {
    const { [member as keyof object]: _, ...rest } = example
    if (required.includes(member)) cases[`without ${member}`] = rest
    cases[`${member} of another kind`] = { ...example, [member]: typeof value === 'number' ? '1' : 1.5 }
  }
  if ('id' in example) cases['id over 32 bits'] = { ...example, id: 2 ** 32 }
  return cases
}

/** Over a limit of the table. */
const overLimits: readonly (readonly [MessagePlace, string, object])[] = [
  [
    'request',
    'too many cells',
    {
      ...exampleRequests.yank_request,
      cells: repeated(exampleRequests.yank_request.cells, LIMITS.yanksPerRequest + 1),
    },
  ],
  ['request', 'no cells', { ...exampleRequests.yank_request, cells: [] }],
  ['request', 'a budget over the limit', { ...exampleRequests.cell_request, budget: LIMITS.askBudget + 1 }],
  [
    'answer',
    'too many peer records',
    { ...exampleAnswers.peer_exchange, records: repeated(['AAAA'], LIMITS.peersPerExchange + 1) },
  ],
  ['answer', 'a negative count', { ...exampleAnswers.state_request, log: { size: -1, root: HEX } }],
  ['answer', 'a root that is none', { ...exampleAnswers.state_request, log: { size: 1, root: HEX.toUpperCase() } }],
  [
    'request',
    'too many contributions',
    {
      type: 'contribution_request',
      id: 1,
      goal: HEX,
      contributions: repeated([HEX], LIMITS.contributionsPerRequest + 1),
    },
  ],
]

function repeated<T>(items: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => items[i % items.length]!)
}

/** Every message of the protocol once as it should be, and in ways in which it is refused. */
export function messageVectors(): { about: string; cases: MessageCase[] } {
  const cases: MessageCase[] = []
  for (const { place, schema, example } of messages()) {
    const { type } = example
    const text = JSON.stringify(example)
    cases.push({ about: 'as it should be', place, type, text, verdict: 'accepted' })
    for (const [about, changed] of Object.entries(malformed(example, schema))) {
      cases.push({ about, place, type, text: JSON.stringify(changed), verdict: 'not the schema' })
    }
    if (text.length > 600) continue
    for (const [about, payload] of Object.entries(unreadable(text, type))) {
      const written = typeof payload === 'string' ? { text: payload } : { hex: toHex(payload) }
      cases.push({ about, place, type, ...written, verdict: 'not JSON' })
    }
  }
  for (const [place, about, changed] of overLimits) {
    const { type } = changed as { type: string }
    cases.push({ about, place, type, text: JSON.stringify(changed), verdict: 'not the schema' })
  }
  return {
    about:
      'Payloads of frames, as text or, where they are no UTF-8, in hexadecimal. "not JSON": no JSON with a single meaning, refused before it is ' +
      'looked at. Where a message stands decides which schema: peer_exchange is request and answer. Signatures are no matter here.',
    cases,
  }
}
