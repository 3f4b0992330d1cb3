import { Compile } from 'typebox/compile'
import { ProviderInfo } from '../../protocol/discovery.ts'
import {
  CellDetails,
  type CellListQuery,
  CellListResponse,
  type CellMetadata,
  DeleteResponse,
  RegisterResponse,
} from '../../protocol/repository.ts'
import { manifestDigest, parseManifest } from '../kernel/identity/manifest-signature.ts'
import type { Progress } from './download.ts'
import { IntegrityError } from './errors.ts'
import { type Answer, badAnswer, call, firstAnswer, type Transport } from './transport.ts'
import { verifySigned } from './verify.ts'

/** A cell to register (Provider API, "Register New Cell"). */
export interface Upload {
  readonly metadata: CellMetadata
  /** The bytes. A `Blob` may be a file; it is not read into memory. */
  readonly package: Blob | Uint8Array<ArrayBuffer>
  /** The publisher's manifest and its signature (`cs1.…`). Without them the provider signs, when it is willing to. */
  readonly manifest?: unknown
  readonly manifestSignature?: string | undefined
  /** Called while the body is sent; web pages cannot watch that, there it is called once at the end. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Milliseconds that a node may take to open a package once it has it. */
const VALIDATION_MS = 60_000
/** Bytes per millisecond of the slowest link that an upload is waited for. */
const SLOWEST_LINK = 16

const schemas = {
  details: Compile(CellDetails),
  list: Compile(CellListResponse),
  registered: Compile(RegisterResponse),
  deleted: Compile(DeleteResponse),
  info: Compile(ProviderInfo),
}

const REPOSITORY = '/api/v1/repository/cells'

/** Registers at the first node. Errors as `Client.registerCell` says. */
export async function register(transport: Transport, upload: Upload): Promise<RegisterResponse> {
  const blob = upload.package instanceof Blob ? upload.package : new Blob([upload.package])
  const form = new FormData()
  form.append('metadata', JSON.stringify(upload.metadata))
  if (upload.manifest !== undefined) form.append('manifest', JSON.stringify(upload.manifest))
  if (upload.manifestSignature !== undefined) form.append('manifest_signature', upload.manifestSignature)
  form.append('cell_package', blob, 'package')
  const { onProgress } = upload
  const watched = onProgress !== undefined && !isWebPage()
  const answer = await call(transport, home(transport), {
    method: 'POST',
    path: REPOSITORY,
    ...(watched ? watchedBody(form, blob.size, onProgress) : { body: form }),
    timeoutMs: transport.timeoutMs + VALIDATION_MS + blob.size / SLOWEST_LINK,
    signal: upload.signal,
  })
  const registered = checked(schemas.registered, answer)
  if (upload.manifest !== undefined) {
    const wanted = manifestDigest(parseManifest(upload.manifest))
    if (registered.cell_id !== wanted) {
      throw new IntegrityError(`${answer.node} registered the cell ${registered.cell_id}, it should be ${wanted}`, {
        node: answer.node,
      })
    }
  }
  onProgress?.({ transferred: blob.size, total: blob.size })
  return registered
}

/** Lists cells of the first node that answers. */
export async function list(
  transport: Transport,
  query: CellListQuery,
  signal?: AbortSignal,
): Promise<CellListResponse> {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value))
  const path = parameters.size === 0 ? REPOSITORY : `${REPOSITORY}?${parameters}`
  return firstAnswer(transport, async (node) => checked(schemas.list, await call(transport, node, { path, signal })))
}

/** Details of a cell that a node holds, their manifest and signature verified here. */
export async function details(
  transport: Transport,
  network: string,
  cellType: string,
  version?: string,
  signal?: AbortSignal,
): Promise<CellDetails> {
  const query = version === undefined ? '' : `?version=${encodeURIComponent(version)}`
  const path = `${REPOSITORY}/${encodeURIComponent(cellType)}${query}`
  return firstAnswer(transport, async (node) => {
    const found = checked(schemas.details, await call(transport, node, { path, signal }))
    verifySigned(network, node, found, found.manifest, found.security.signature)
    if (found.cell_type === cellType && (version === undefined || found.version === version)) return found
    throw new IntegrityError(`${node} answers with ${found.cell_type} ${found.version}`, { node })
  })
}

/** Deletes at the first node. */
export async function remove(
  transport: Transport,
  cellType: string,
  version: string,
  signal?: AbortSignal,
): Promise<DeleteResponse> {
  const path = `${REPOSITORY}/${encodeURIComponent(cellType)}/${encodeURIComponent(version)}`
  return checked(schemas.deleted, await call(transport, home(transport), { method: 'DELETE', path, signal }))
}

/** What the first node that answers says about itself. */
export async function info(transport: Transport, signal?: AbortSignal): Promise<ProviderInfo> {
  return firstAnswer(transport, async (node) =>
    checked(schemas.info, await call(transport, node, { path: '/api/v1/discovery/info', signal })),
  )
}

/** The node that what is changed belongs to. Changes do not fail over: elsewhere they would be another node's. */
const home = (transport: Transport): string => transport.nodes[0]!

function checked<T>(schema: { Check(value: unknown): value is T }, answer: Answer): T {
  if (schema.Check(answer.body)) return answer.body
  throw badAnswer(answer.node, answer.status, 'it has not the documented form')
}

/** Browsers send a stream as a body over HTTP/2 only, so that watching would break plain connections there. */
const isWebPage = (): boolean => 'document' in globalThis || 'WorkerGlobalScope' in globalThis

/** The form as a stream that tells how much of it was taken. */
function watchedBody(form: FormData, size: number, onProgress: (progress: Progress) => void) {
  const encoded = new Response(form)
  let sent = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      sent += bytes.length
      onProgress({ transferred: Math.min(sent, size), total: size })
      controller.enqueue(bytes)
    },
  })
  return {
    headers: { 'Content-Type': encoded.headers.get('content-type') ?? '' },
    body: encoded.body!.pipeThrough(counter),
  }
}
