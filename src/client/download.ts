import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../kernel/base/bytes.ts'
import { type BodyPart, openBody } from './download-body.ts'
import { ClientError, IntegrityError, mostTelling, NotFoundError } from './errors.ts'
import { pause } from './pause.ts'
import type { Transport } from './transport.ts'

/** SHA-256 that takes its input in parts: `sha256.create()` of noble, or `createHash('sha256')` of Node. */
export interface IncrementalHash {
  /** Adds bytes. */
  update(bytes: Uint8Array): unknown
  /** The 32 bytes of the digest. Called once, at the end. */
  digest(): Uint8Array
}

/** What to download: a `Cell`, or a digest alone. */
export interface Downloadable {
  /** `sha256:<hex>` */
  readonly digest: string
  /** Bytes, where known from a signed manifest. */
  readonly size_bytes?: number
  /** The node to try first, when it is one of the client's. */
  readonly node?: string
}

/** How far a transfer is. */
export interface Progress {
  /** Bytes. */
  readonly transferred: number
  /** Bytes. */
  readonly total: number
}

/** What a download takes. */
export interface DownloadOptions {
  /** Called as bytes arrive; what was transferred becomes less where a download begins anew. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Bytes in order; or the news that everything before was wrong (`restart`), and that the package begins anew. */
export type DownloadPart =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'restart'; readonly because: ClientError }

/** Failures of one node in a row, without progress between them, after which it is given up. */
const MAX_FAILURES = 3
/** Bytes that count as progress, so that a node cannot keep a download alive by single bytes. */
const PROGRESS_BYTES = 64 * 1024
/** Milliseconds before a node is tried again; doubles with each failure. */
const FIRST_PAUSE_MS = 200
const SHA256_DIGEST = /^sha256:[0-9a-f]{64}$/

/**
 * Downloads a package from the transport's nodes, and from no other address. An interruption goes on at the last byte that arrived, on
 * the next node. The digest is checked before the last bytes are handed on; when it is wrong, the download starts again, and then
 * takes each node by itself, so that one wrong node cannot spoil what the others send.
 *
 * Throws `NotFoundError` when no node has the package, `IntegrityError` when what they sent is not it, `UnreachableError` and others.
 */
export async function* downloadParts(
  transport: Transport,
  cell: Downloadable,
  newHash: () => IncrementalHash = () => sha256.create(),
  { onProgress, signal }: DownloadOptions = {},
): AsyncGenerator<DownloadPart, void, undefined> {
  if (!SHA256_DIGEST.test(cell.digest)) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `a digest is sha256:<64 hex digits>, found ${JSON.stringify(cell.digest)}`,
    )
  }
  const sources = sourcesOf(transport, cell.node)
  const failures: ClientError[] = []
  let solo = false
  let state = begin(newHash, cell.size_bytes)

  while (sources.length > 0) {
    const source = sources[0]!
    const before = state.received
    let failure: ClientError
    try {
      const wanted = { digest: cell.digest, from: state.received, total: state.total }
      if (state.received !== state.total) {
        for await (const part of openBody(transport, source.node, wanted, signal)) {
          const bytes = take(state, source.node, part)
          onProgress?.({ transferred: state.received, total: part.total })
          if (bytes === undefined) continue
          state.handedOn = true
          yield { kind: 'bytes', bytes }
        }
      }
      if (toHex(state.hash.digest()) !== cell.digest.slice('sha256:'.length)) {
        throw new IntegrityError(`the bytes that ${[...state.from].join(' and ')} sent are not ${cell.digest}`, {
          node: source.node,
        })
      }
      if (state.held !== undefined) yield { kind: 'bytes', bytes: state.held }
      return
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      failure = error
    }

    signal?.throwIfAborted()
    if (state.received - before >= PROGRESS_BYTES) source.failures = 0
    source.failures++
    const wrong = failure instanceof IntegrityError
    const mixed = state.from.size > (state.from.has(source.node) ? 1 : 0)
    const giveUp = isFinal(failure) || (wrong ? !mixed : source.failures >= MAX_FAILURES)
    if (giveUp) {
      sources.shift()
      failures.push(failure)
    } else if (!solo) {
      sources.push(sources.shift()!)
    }
    if (wrong && mixed) solo = true
    if (wrong || (solo && giveUp)) {
      if (state.handedOn && sources.length > 0) yield { kind: 'restart', because: failure }
      state = begin(newHash, cell.size_bytes)
    }
    const next = sources[0]
    if (next !== undefined && next.failures > 0) await pause(FIRST_PAUSE_MS * 2 ** (next.failures - 1), signal)
  }
  throw mostTelling(failures)
}

interface Source {
  readonly node: string
  /** In a row. */
  failures: number
}

interface State {
  readonly hash: IncrementalHash
  /** Bytes that arrived and were hashed. */
  received: number
  /** Bytes of the package; undefined until a node or a manifest says so. */
  total: number | undefined
  /** The last part, kept back until the digest is known to be right. */
  held: Uint8Array | undefined
  /** Whether the reader has got bytes that it would have to forget. */
  handedOn: boolean
  /** Nodes that contributed. */
  readonly from: Set<string>
}

const begin = (newHash: () => IncrementalHash, total: number | undefined): State => ({
  hash: newHash(),
  received: 0,
  total,
  held: undefined,
  handedOn: false,
  from: new Set(),
})

function sourcesOf(transport: Transport, preferred: string | undefined): Source[] {
  const nodes = transport.nodes.filter((node) => node !== preferred)
  if (nodes.length < transport.nodes.length) nodes.unshift(preferred!)
  return nodes.map((node) => ({ node, failures: 0 }))
}

/** Adds a part, and returns the one before it, which may now be handed on. */
function take(state: State, node: string, { bytes, total }: BodyPart): Uint8Array | undefined {
  state.hash.update(bytes)
  state.received += bytes.length
  state.total = total
  state.from.add(node)
  const previous = state.held
  state.held = bytes
  return previous
}

/** True when the same node will say the same again. */
const isFinal = (error: ClientError): boolean =>
  error instanceof NotFoundError ||
  (error.status !== undefined && error.status >= 400 && error.status < 500 && error.status !== 429)
