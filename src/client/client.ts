import type { ProviderInfo } from '../../protocol/discovery.ts'
import type {
  CellChange,
  CellDetails,
  CellListQuery,
  CellListResponse,
  DeleteResponse,
  RegisterResponse,
  ValidateResponse,
  YankAnswer,
  YankOrder,
} from '../../protocol/repository.ts'
import type { OperatorKey } from '../kernel/identity/operator-request.ts'
import type { RequestKeys } from '../kernel/identity/quantum-signature.ts'
import { type Administration, administration } from './administration.ts'
import { askForCapability, askForCellType, type CapabilityAsk, type SpecificAsk } from './ask.ts'
import {
  type AssembleOptions,
  type Assembler,
  type Assembly,
  assembleStreamed,
  assembleWhole,
  onlyForward,
  type StreamedCell,
} from './assemble.ts'
import { type AssuranceClient, assuranceClient } from './assurance.ts'
import { type ConstraintsClient, constraintsClient } from './constraints.ts'
import type { Downloadable, DownloadOptions, DownloadPart, IncrementalHash } from './download.ts'
import { ClientError } from './errors.ts'
import { type EventAsk, type EventItem, subscribe } from './events.ts'
import { type GoalsClient, goalsClient } from './goals.ts'
import { operatorCalls } from './operator-calls.ts'
import type { PackageCache } from './package-cache.ts'
import { packagesOf } from './packages.ts'
import { registrationsOf } from './registrations.ts'
import { type CheckpointStore, RememberedLogs, type WitnessPolicy } from './remembered-logs.ts'
import {
  annotate,
  details,
  info,
  list,
  register,
  remove,
  type Update,
  type Upload,
  update,
  validate,
  yank,
} from './repository.ts'
import { providerLookup, requestSigner } from './signing.ts'
import { type CallOptions, call, firstAnswer, home, jsonBody, nodeUrls, type Transport } from './transport.ts'
import type { Cell } from './verify.ts'
import { type WebhooksClient, webhooksClient } from './webhooks.ts'

/** Milliseconds of silence after which a node counts as unreachable. */
const DEFAULT_TIMEOUT_MS = 15_000
/** Rounds over all nodes after the first one. */
const DEFAULT_RETRIES = 2

/** Which nodes to ask, and whom to believe. */
export interface ClientOptions {
  /** Base URLs of nodes, preferred first. When one fails, the next is asked; nothing is ever fetched from anywhere else. */
  readonly nodes: string | readonly string[]
  /** Sent to these nodes as `X-API-Key`. Only changes and administration need one. */
  readonly apiKey?: string | undefined
  /** Network whose signatures are accepted; `main` unless given. */
  readonly network?: string | undefined
  /** The only publishers whose cells are accepted (64 hex digits each). Any unless given. */
  readonly publishers?: readonly string[] | undefined
  /**
   * Sign requests by capability and cell type, each for the node that it goes to, under the path of its URL. The requests then belong to
   * these keys. None are signed unless given, here or with the request.
   */
  readonly requestKeys?: RequestKeys | undefined
  /** The operator who asks questions, unless a question names another: `operatorKey(…)`. */
  readonly operator?: OperatorKey | undefined
  /**
   * Whose cosignatures the log of a provider needs before its proof counts, in `assemble` and at security level `maximum`: any unless given. Find witnesses' keys at
   * `GET /api/v1/log/witnesses` of the nodes that you trust.
   */
  readonly witnesses?: WitnessPolicy | undefined
  /** Where the newest checkpoint of each provider's log is remembered; in memory unless given. */
  readonly checkpoints?: CheckpointStore | undefined
  /** Milliseconds of silence after which a node counts as unreachable; 15,000 unless given. */
  readonly timeoutMs?: number | undefined
  /**
   * How often all nodes are asked again when what went wrong may pass: none answered, or all were overloaded; 2 unless given. Between the rounds are
   * pauses of random length, and what a node asks for. Changes are never sent twice.
   */
  readonly retries?: number | undefined
  /** Where packages that were downloaded whole are kept, and looked for first; nowhere unless given. */
  readonly cache?: PackageCache | undefined
  /** Instead of the platform's. */
  readonly fetch?: typeof fetch | undefined
  /** A faster incremental SHA-256, where the platform has one: in Node `() => createHash('sha256')`. */
  readonly sha256?: (() => IncrementalHash) | undefined
}

/**
 * An assembler's view of the federation. Every method rejects with a {@link ClientError}, or with the reason of its signal when that
 * aborts. `UnreachableError`: no node answered. `UnauthorizedError`: the key is missing, wrong or not enough.
 */
export interface Client extends Administration, AssuranceClient {
  /**
   * From a capability to verified bytes: {@link Client.request}, and {@link Client.download}, for the cell and, with `dependencies`, for everything that it
   * depends on, each with the proof that its provider registered it. Rejects as these two do, with `IntegrityError` for a proof that does not hold, and
   * with `TOO_LARGE` before anything is downloaded.
   */
  assemble(capability: string, options?: AssembleOptions): Promise<Assembly>
  /** Like {@link Client.assemble}, for a package that is not to be in memory at once. */
  assembleStream(
    capability: string,
    options?: Omit<AssembleOptions, 'dependencies' | 'maxBytes'>,
  ): Promise<StreamedCell>
  /**
   * Finds the best cell for a capability, anywhere in the federation, and verifies it offline: the manifest is signed by its publisher,
   * the answer repeats it truly and is what was asked for. Rejects with `NotFoundError`, `PendingError` when the time to wait is
   * over before the search, `IntegrityError` when no node gave an answer that holds, and at security level `maximum` with `InconsistentLogError`
   * when the log of the provider does not extend what this client has seen of it.
   */
  request(ask: CapabilityAsk): Promise<Cell>
  /** Finds a cell by its type. Otherwise like {@link Client.request}. */
  requestSpecific(ask: SpecificAsk): Promise<Cell>
  /**
   * Downloads a package into memory. Interruptions resume where they happened, on the next node when there is one. Rejects with
   * `NotFoundError`, and with `IntegrityError` when every node sent something else than the package.
   */
  download(cell: Downloadable, options?: DownloadOptions): Promise<Uint8Array>
  /**
   * Downloads a package without keeping it. The bytes are right only once the iteration has ended without an error: the last ones are
   * handed on after the digest was verified.
   */
  downloadStream(cell: Downloadable, options?: DownloadOptions): AsyncIterable<Uint8Array>
  /** Like {@link Client.downloadStream}, for readers that can begin anew: a `restart` says to forget what came before. */
  downloadParts(cell: Downloadable, options?: DownloadOptions): AsyncIterable<DownloadPart>
  /** The answer to `GET path`: JSON, or text when the node sends no JSON. It is not checked. */
  get(path: string, options?: CallOptions): Promise<unknown>
  /** The first node's answer to `method path` with a JSON body: JSON, or text when the node sends no JSON. It is not checked. */
  send(method: string, path: string, body?: object, options?: CallOptions): Promise<unknown>
  /** Registers a cell at the first node. Rejects with `ValidationError` when the package is refused. Durable when it resolves. */
  registerCell(upload: Upload): Promise<RegisterResponse>
  /** What registering at the first node would find wrong. Nothing is stored. */
  validateCell(upload: Upload): Promise<ValidateResponse>
  /** Registers a new version of a cell that the first node holds. Like {@link Client.registerCell}; `NotFoundError` when it holds none. */
  updateCell(update: Update): Promise<RegisterResponse>
  /** Lists what a node holds as its own. */
  listCells(query?: CellListQuery, options?: CallOptions): Promise<CellListResponse>
  /** Details of a cell that a node holds: the version asked for, else the highest. Manifest and signature are verified. */
  cellDetails(cellType: string, version?: string, options?: CallOptions): Promise<CellDetails>
  /** Changes status, description or tags of a version at the first node. The manifest in the answer is verified. */
  annotateCell(cellType: string, version: string, change: CellChange, options?: CallOptions): Promise<CellDetails>
  /** Deletes a version at the first node. */
  deleteCell(cellType: string, version: string, options?: CallOptions): Promise<DeleteResponse>
  /**
   * Yanks a version at the first node, or undoes that: with the publisher's own word (`yank`), else as the node's owner of the cell or as
   * its operator.
   */
  yankCell(cellType: string, version: string, order: YankOrder, options?: CallOptions): Promise<YankAnswer>
  /**
   * Tells what happens at a node, as it happens, until the iteration or the signal ends. Connections that break are opened again, and what
   * happened meanwhile comes first; an item of type `gap` says that some of it may be lost, so that whoever keeps a state reads it anew.
   */
  subscribe(ask: EventAsk): AsyncIterable<EventItem>
  /** Provider API, "Get Provider Information". */
  info(options?: CallOptions): Promise<ProviderInfo>
  /** Goals of the agent network: contributing, leaderboards, logs. */
  readonly goals: GoalsClient
  /** Events that are sent to URLs. */
  readonly webhooks: WebhooksClient
  /** Conditions that questions may name. */
  readonly constraints: ConstraintsClient
}

/** Makes a client. Opens no connection. Throws `ClientError` `INVALID_ARGUMENT` for options that cannot work. */
export function createClient(options: ClientOptions): Client {
  const { publishers, sha256, network = 'main' } = options
  for (const publisher of publishers ?? []) {
    if (/^[0-9a-f]{64}$/.test(publisher)) continue
    throw new ClientError('INVALID_ARGUMENT', `a publisher is 64 hex digits, found ${JSON.stringify(publisher)}`)
  }
  const transport: Transport = {
    nodes: nodeUrls(options.nodes),
    fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    apiKey: options.apiKey,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    retries: retriesOf(options),
  }
  const logs = new RememberedLogs({ transport, network, witnesses: options.witnesses, store: options.checkpoints })
  const trust = { network, publishers, logs }
  const providerOf = providerLookup(transport)
  const sign = requestSigner(network, providerOf)
  const node = home(transport)
  const signing = { sign, keys: options.requestKeys }
  const operator = options.operator && operatorCalls({ node, network, providerOf }, options.operator)
  const packages = packagesOf(transport, options.cache, sha256)
  const assembler: Assembler = {
    request: async (ask) => askForCapability(transport, trust, signing, ask),
    requestSpecific: async (ask) => askForCellType(transport, trust, signing, ask),
    packages,
    proofOf: registrationsOf(transport, trust),
  }
  return {
    assemble: (capability, how = {}) => assembleWhole(assembler, capability, how),
    assembleStream: (capability, how = {}) => assembleStreamed(assembler, capability, how),
    request: assembler.request,
    requestSpecific: assembler.requestSpecific,
    download: packages.read,
    downloadStream: (cell, how) => onlyForward(packages.parts(cell, how)),
    downloadParts: packages.parts,
    get: (path, { signal } = {}) =>
      firstAnswer(transport, async (node) => (await call(transport, node, { path, signal })).body, signal),
    send: async (method, path, body, { signal } = {}) => {
      const json = body === undefined ? {} : jsonBody(body)
      return (await call(transport, home(transport), { method, path, signal, ...json })).body
    },
    registerCell: (upload) => register(transport, upload),
    validateCell: (upload) => validate(transport, upload),
    updateCell: (change) => update(transport, change),
    listCells: (query = {}, how) => list(transport, query, how),
    cellDetails: (cellType, version, how) => details(transport, network, cellType, version, how),
    annotateCell: (cellType, version, change, how) => annotate(transport, network, cellType, version, change, how),
    deleteCell: (cellType, version, how) => remove(transport, cellType, version, how),
    yankCell: (cellType, version, order, how) => yank(transport, cellType, version, order, how),
    subscribe: (ask) => subscribe(transport, sign, ask),
    info: (how) => info(transport, how),
    goals: goalsClient(transport, network),
    webhooks: webhooksClient(transport, operator),
    constraints: constraintsClient(transport, operator),
    ...administration(transport),
    ...assuranceClient(transport, { network, providerOf, operator: options.operator }),
  }
}

function retriesOf({ retries = DEFAULT_RETRIES }: ClientOptions): number {
  if (Number.isSafeInteger(retries) && retries >= 0) return retries
  throw new ClientError('INVALID_ARGUMENT', `retries is a whole number from 0 on, found ${String(retries)}`)
}

/** {@link Client.assemble} with a client that is made for it. Whoever assembles more than once makes one: it remembers what logs said. */
export const assemble = (capability: string, options: ClientOptions & AssembleOptions): Promise<Assembly> =>
  alone(options, (client, how) => client.assemble(capability, how))

/** {@link Client.assembleStream} with a client that is made for it. */
export const assembleStream = (
  capability: string,
  options: ClientOptions & Omit<AssembleOptions, 'dependencies' | 'maxBytes'>,
): Promise<StreamedCell> => alone(options, (client, how) => client.assembleStream(capability, how))

/** Options that cannot work reject, as everything else does that goes wrong. */
async function alone<Options extends ClientOptions, T>(
  options: Options,
  work: (client: Client, options: Options) => Promise<T>,
): Promise<T> {
  return work(createClient(options), options)
}
