import { ProviderInfo } from '../../protocol/discovery.ts'
import {
  type CellChange,
  CellDetails,
  type CellListQuery,
  CellListResponse,
  type CellMetadata,
  type CellUpdateMetadata,
  DeleteResponse,
  RegisterResponse,
  ValidateResponse,
  YankAnswer,
  type YankOrder,
} from '../../protocol/repository.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { manifestDigest, parseManifest } from '../kernel/identity/manifest-signature.ts'
import type { Progress } from './download.ts'
import { IntegrityError } from './errors.ts'
import { multipart } from './multipart.ts'
import {
  type Answer,
  type CallOptions,
  call,
  checked,
  firstAnswer,
  home,
  jsonBody,
  type Transport,
  withQuery,
} from './transport.ts'
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

/** A new version of a cell (Provider API, "Update Cell"). */
export interface Update extends Omit<Upload, 'metadata' | 'package'> {
  readonly cellType: string
  readonly version: string
  /** What is left out is taken from the manifest, where one is sent, else from the highest version. */
  readonly metadata?: CellUpdateMetadata
  /** Without it the version has the package of the highest one. */
  readonly package?: Upload['package'] | undefined
}

/** Milliseconds that a node may take to open a package once it has it. */
const VALIDATION_MS = 60_000
/** Bytes per millisecond of the slowest link that an upload is waited for. */
const SLOWEST_LINK = 16

const schemas = {
  details: checkerOf(CellDetails),
  list: checkerOf(CellListResponse),
  registered: checkerOf(RegisterResponse),
  validated: checkerOf(ValidateResponse),
  deleted: checkerOf(DeleteResponse),
  yanked: checkerOf(YankAnswer),
  info: checkerOf(ProviderInfo),
}

const REPOSITORY = '/api/v1/repository/cells'
const VALIDATE = '/api/v1/repository/validate'

/** Registers at the first node. Errors as `Client.registerCell` says. */
export async function register(transport: Transport, upload: Upload): Promise<RegisterResponse> {
  return registered(await send(transport, 'POST', REPOSITORY, upload), upload)
}

/** Checks an upload at the first node as registering does. */
export async function validate(transport: Transport, upload: Upload): Promise<ValidateResponse> {
  return checked(schemas.validated, await send(transport, 'POST', VALIDATE, upload))
}

/** Registers a new version at the first node. Errors as `Client.updateCell` says. */
export async function update(transport: Transport, change: Update): Promise<RegisterResponse> {
  const path = `${REPOSITORY}/${encodeURIComponent(change.cellType)}`
  return registered(await send(transport, 'PUT', path, { metadata: {}, ...change }), change)
}

type Parts = Omit<Update, 'cellType' | 'version'> & { readonly version?: string }

/** Sends the parts of an upload as a multipart body. */
async function send(transport: Transport, method: 'POST' | 'PUT', path: string, parts: Parts): Promise<Answer> {
  const bytes = parts.package
  const content = bytes === undefined || bytes instanceof Blob ? bytes : new Blob([bytes])
  const form = multipart(
    {
      metadata: JSON.stringify(parts.metadata),
      ...(parts.version === undefined ? {} : { version: parts.version }),
      ...(parts.manifest === undefined ? {} : { manifest: JSON.stringify(parts.manifest) }),
      ...(parts.manifestSignature === undefined ? {} : { manifest_signature: parts.manifestSignature }),
    },
    content && { name: 'cell_package', content },
  )
  const { onProgress } = parts
  const size = content?.size ?? 0
  const watched = onProgress !== undefined && !isWebPage()
  const answer = await call(transport, home(transport), {
    method,
    path,
    headers: { 'Content-Type': form.type },
    body: watched ? watchedBody(form.body, size, onProgress) : form.body,
    timeoutMs: transport.timeoutMs + VALIDATION_MS + size / SLOWEST_LINK,
    signal: parts.signal,
  })
  onProgress?.({ transferred: size, total: size })
  return answer
}

/** The answer to a registration: of the cell that its publisher signed, where they did. */
function registered(answer: Answer, { manifest }: Pick<Upload, 'manifest'>): RegisterResponse {
  const registered = checked(schemas.registered, answer)
  if (manifest !== undefined) {
    const wanted = manifestDigest(parseManifest(manifest))
    if (registered.cell_id !== wanted) {
      throw new IntegrityError(`${answer.node} registered the cell ${registered.cell_id}, it should be ${wanted}`, {
        node: answer.node,
      })
    }
  }
  return registered
}

/** Lists cells of the first node that answers. */
export async function list(
  transport: Transport,
  query: CellListQuery,
  { signal }: CallOptions = {},
): Promise<CellListResponse> {
  const path = withQuery(REPOSITORY, query)
  return firstAnswer(
    transport,
    async (node) => checked(schemas.list, await call(transport, node, { path, signal })),
    signal,
  )
}

/** Details of a cell that a node holds, their manifest and signature verified here. */
export async function details(
  transport: Transport,
  network: string,
  cellType: string,
  version?: string,
  { signal }: CallOptions = {},
): Promise<CellDetails> {
  const query = version === undefined ? '' : `?version=${encodeURIComponent(version)}`
  const path = `${REPOSITORY}/${encodeURIComponent(cellType)}${query}`
  return firstAnswer(
    transport,
    async (node) => {
      const found = checked(schemas.details, await call(transport, node, { path, signal }))
      return verified(network, node, found, cellType, version)
    },
    signal,
  )
}

/** Details whose manifest and signature hold, of the version that was meant. */
function verified(network: string, node: string, found: CellDetails, cellType: string, version?: string): CellDetails {
  verifySigned(network, node, found, found.manifest, found.security.signature)
  if (found.cell_type === cellType && (version === undefined || found.version === version)) return found
  throw new IntegrityError(`${node} answers with ${found.cell_type} ${found.version}`, { node })
}

/** Changes what the first node says of a version. */
export async function annotate(
  transport: Transport,
  network: string,
  cellType: string,
  version: string,
  change: CellChange,
  { signal }: CallOptions = {},
): Promise<CellDetails> {
  const path = `${REPOSITORY}/${encodeURIComponent(cellType)}/${encodeURIComponent(version)}`
  const node = home(transport)
  const changed = checked(
    schemas.details,
    await call(transport, node, { method: 'PATCH', path, signal, ...jsonBody(change) }),
  )
  return verified(network, node, changed, cellType, version)
}

/** Deletes at the first node. */
export async function remove(
  transport: Transport,
  cellType: string,
  version: string,
  { signal }: CallOptions = {},
): Promise<DeleteResponse> {
  const path = `${REPOSITORY}/${encodeURIComponent(cellType)}/${encodeURIComponent(version)}`
  return checked(schemas.deleted, await call(transport, home(transport), { method: 'DELETE', path, signal }))
}

/** Yanks a version at the first node, or undoes that. */
export async function yank(
  transport: Transport,
  cellType: string,
  version: string,
  order: YankOrder,
  { signal }: CallOptions = {},
): Promise<YankAnswer> {
  const path = `${REPOSITORY}/${encodeURIComponent(cellType)}/${encodeURIComponent(version)}/yank`
  const headers = { 'Content-Type': 'application/json' }
  const body = JSON.stringify(order)
  return checked(
    schemas.yanked,
    await call(transport, home(transport), { method: 'POST', path, headers, body, signal }),
  )
}

/** What the first node that answers says about itself. */
export async function info(transport: Transport, { signal }: CallOptions = {}): Promise<ProviderInfo> {
  return firstAnswer(
    transport,
    async (node) => checked(schemas.info, await call(transport, node, { path: '/api/v1/discovery/info', signal })),
    signal,
  )
}

/** Browsers send a stream as a body over HTTP/2 only, so that watching would break plain connections there. */
const isWebPage = (): boolean => 'document' in globalThis || 'WorkerGlobalScope' in globalThis

/** The form as a stream that tells how much of it was taken. */
function watchedBody(form: Blob, size: number, onProgress: (progress: Progress) => void): ReadableStream<Uint8Array> {
  let sent = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      sent += bytes.length
      onProgress({ transferred: Math.min(sent, size), total: size })
      controller.enqueue(bytes)
    },
  })
  return form.stream().pipeThrough(counter)
}
