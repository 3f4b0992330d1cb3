import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { CellAnswer, RegistrationProof } from '../../protocol/cells.ts'
import { LIMITS } from '../../protocol/limits.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import { toHex } from '../../src/kernel/base/bytes.ts'
import { leafHash, merkleRoot } from '../../src/kernel/base/merkle.ts'
import { manifestDigest } from '../../src/kernel/identity/manifest-signature.ts'
import { createPublisherKeys, type PublisherKeys, publisherKeys } from '../../src/kernel/identity/manifest-signer.ts'

/** A request as the fake node got it. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export type Handler = (request: Seen, response: ServerResponse) => void | Promise<void>

export interface FakeNode {
  readonly url: string
  /** Every request so far. */
  readonly seen: Seen[]
  close(): Promise<void>
}

/**
 * An HTTP server on a free port that answers as `handler` says, and closes with the test. Nobody proves that a cell was registered, unless `proof`
 * is given; who asks for that is not among those that were `seen`.
 */
export async function fakeNode(t: TestContext, handler: Handler, proof?: RegistrationProof): Promise<FakeNode> {
  const seen: Seen[] = []
  const server = createServer(async (message, response) => {
    const parts: Buffer[] = []
    try {
      for await (const part of message) parts.push(part as Buffer)
    } catch {
      response.destroy()
      return
    }
    const request = {
      method: message.method ?? '',
      path: message.url ?? '',
      headers: message.headers,
      body: Buffer.concat(parts),
    }
    if (request.path.startsWith('/api/v1/log/registration?')) {
      if (proof === undefined) sendJson(response, 404, { code: 'PROV_001', message: 'it is in no log' })
      else sendJson(response, 200, proof)
      return
    }
    seen.push(request)
    await handler(request, response)
  })
  const { promise: listening, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await listening
  const close = async () => {
    const { promise: closed, resolve: done } = Promise.withResolvers<void>()
    server.close(() => done())
    server.closeAllConnections()
    await closed
  }
  t.after(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, close }
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify(body))
}

/** Serves `bytes` as a node serves a package: whole, or from a range on; `stopAfter` breaks the connection after so many bytes. */
export function sendPackage(
  request: Seen,
  response: ServerResponse,
  bytes: Uint8Array,
  options: { stopAfter?: number; ignoreRange?: boolean } = {},
): void {
  const etag = `"${digestOf(bytes)}"`
  const range = /^bytes=([0-9]+)-$/.exec(request.headers.range ?? '')
  const ranged = range !== null && options.ignoreRange !== true && request.headers['if-range'] === etag
  const start = ranged ? Number(range[1]) : 0
  response.writeHead(ranged ? 206 : 200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': bytes.length - start,
    ETag: etag,
    ...(ranged ? { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
  })
  if (options.stopAfter === undefined) response.end(bytes.subarray(start))
  else response.write(bytes.subarray(start, start + options.stopAfter), () => response.destroy())
}

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A signed cell, as a node describes it. */
export interface SignedCell {
  readonly bytes: Uint8Array
  readonly manifest: Manifest
  readonly token: string
  readonly answer: CellAnswer
}

export interface SignedCellOptions {
  readonly keys?: PublisherKeys
  readonly network?: string
  /** Changes to the manifest before it is signed. */
  readonly manifest?: Partial<Manifest>
}

export const newPublisher = (hybrid = false): PublisherKeys =>
  publisherKeys(createPublisherKeys({ kind: 'publisher', hybrid }))

/** Signs `bytes` as the cell `parser` 1.2.0 with the capability `parse` 2.1.0, unless told otherwise. */
export function signCell(bytes: Uint8Array, options: SignedCellOptions = {}): SignedCell {
  const keys = options.keys ?? newPublisher()
  const leaves: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += LIMITS.chunkBytes) {
    leaves.push(leafHash(bytes.subarray(at, at + LIMITS.chunkBytes)))
  }
  const manifest: Manifest = {
    format: 1,
    publisher: keys.publisher,
    cell_type: 'parser',
    version: '1.2.0',
    capabilities: [{ name: 'parse', version: '2.1.0' }],
    dependencies: [],
    requirements: {},
    packaging_format: 'wasm',
    media_type: 'application/wasm',
    labels: {},
    package: {
      digest: digestOf(bytes),
      size: bytes.length,
      chunk_size: LIMITS.chunkBytes,
      chunks_root: toHex(merkleRoot(leaves)),
    },
    ...options.manifest,
  }
  const token = keys.signManifest(options.network ?? 'main', manifest)
  const [capability] = manifest.capabilities
  const answer: CellAnswer = {
    cell_id: manifestDigest(manifest),
    cell_type: manifest.cell_type,
    capability: capability?.name ?? '',
    version: manifest.version,
    signature: token,
    packaging_format: manifest.packaging_format,
    size_bytes: manifest.package.size,
    download_url: `http://elsewhere.example/api/v1/cells/packages/${manifest.package.digest}`,
    digest: manifest.package.digest,
    publisher: manifest.publisher,
    publisher_trust: 'unknown',
    metadata: {
      provider: '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN',
      created_at: '2026-01-31T12:00:00.000Z',
      description: 'Parses.',
      security_rating: null,
      performance_characteristics: {},
      capabilities: manifest.capabilities.map(({ name, version }) => ({ name, version })),
      dependencies: manifest.dependencies,
    },
    manifest,
  }
  return { bytes, manifest, token, answer }
}

/** The successful answer to a request for a cell. */
export function sendCell(request: Seen, response: ServerResponse, cell: CellAnswer): void {
  const { request_id } = JSON.parse(request.body.toString()) as { request_id: string }
  sendJson(response, 200, { request_id, status: 'success', cell })
}
