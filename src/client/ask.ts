import { validRange } from 'semver'
import { type CapabilityRequest, CellResponse, type Preferences, type SpecificRequest } from '../../protocol/cells.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { toHex } from '../kernel/base/bytes.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import type { RequestKeys } from '../kernel/identity/quantum-signature.ts'
import { ClientError, IntegrityError, PendingError } from './errors.ts'
import { pause } from './pause.ts'
import type { RememberedLogs } from './remembered-logs.ts'
import type { Sign } from './signing.ts'
import { badAnswer, errorOf, exchange, firstAnswer, type Transport } from './transport.ts'
import { type Cell, type Expectation, verifyAnswer } from './verify.ts'

/** What both kinds of request have in common. */
export interface AskOptions {
  /** npm semver range: over the capability's version in `request`, over the cell's in `requestSpecific`. Any release unless given. */
  readonly version?: string | undefined
  /** The device and the environment that the cell is for. */
  readonly context?: CapabilityRequest['context']
  readonly preferences?: Omit<Preferences, 'version_constraints'>
  /** At most 128 characters; random unless given. The same id and body are the same request. */
  readonly requestId?: string | undefined
  /** Seconds to wait for an answer, all nodes together; 5 unless given, 0 takes what is there. */
  readonly waitSeconds?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Sign this request, instead of the client's. A key per request leaves nothing that links the requests. */
  readonly requestKeys?: RequestKeys | undefined
}

/** Provider API, "Request Cell by Capability". */
export interface CapabilityAsk extends AskOptions {
  readonly capability: string
}

/** Provider API, "Request Specific Cell Type". */
export interface SpecificAsk extends AskOptions {
  readonly cellType: string
}

/** Whom to believe. */
export interface Trust {
  readonly network: string
  readonly publishers: readonly string[] | undefined
  /** What providers' logs said before. */
  readonly logs: Pick<RememberedLogs, 'check'>
}

/** How requests are signed, and with which keys where the request brings none. */
export interface Signing {
  readonly sign: Sign
  readonly keys: RequestKeys | undefined
}

/** Milliseconds between two polls of a node that answers `pending` sooner than it was asked to: at least, and at most. */
const POLL_MS = { least: 100, most: 2000 }

const responseSchema = checkerOf(CellResponse)

/** Asks for a capability. Errors as `Client.request` says. */
export function askForCapability(
  transport: Transport,
  trust: Trust,
  signing: Signing,
  ask: CapabilityAsk,
): Promise<Cell> {
  const common = commonFields(trust, ask)
  const preferences = {
    ...common.preferences,
    ...(ask.version === undefined ? {} : { version_constraints: ask.version }),
  }
  const body: CapabilityRequest = { ...common, capability: ask.capability, ...unlessEmpty({ preferences }) }
  const expected = expectation(trust, 'capability', ask.capability, ask)
  return askEach(transport, trust.logs, signing, '/api/v1/cells/request', body, expected, ask)
}

/** Asks for a cell type. Errors as `Client.requestSpecific` says. */
export function askForCellType(transport: Transport, trust: Trust, signing: Signing, ask: SpecificAsk): Promise<Cell> {
  const body: SpecificRequest = {
    ...commonFields(trust, ask),
    cell_type: ask.cellType,
    ...(ask.version === undefined ? {} : { version: ask.version }),
  }
  const expected = expectation(trust, 'cell_type', ask.cellType, ask)
  return askEach(transport, trust.logs, signing, '/api/v1/cells/request/specific', body, expected, ask)
}

function commonFields(trust: Trust, ask: AskOptions) {
  if (ask.version !== undefined && validRange(ask.version) === null) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `version must be an npm semver range such as "^1.2.0", found ${JSON.stringify(ask.version)}`,
    )
  }
  const preferences: Preferences = {
    ...(trust.publishers === undefined ? {} : { publishers: [...trust.publishers] }),
    ...ask.preferences,
  }
  return {
    request_id: ask.requestId ?? toHex(crypto.getRandomValues(new Uint8Array(16))),
    ...(ask.context === undefined ? {} : { context: ask.context }),
    ...unlessEmpty({ preferences }),
  }
}

const unlessEmpty = ({ preferences }: { preferences: Preferences }): { preferences?: Preferences } =>
  Object.keys(preferences).length === 0 ? {} : { preferences }

const expectation = (trust: Trust, by: Expectation['by'], name: string, ask: AskOptions): Expectation => ({
  network: trust.network,
  by,
  name,
  range: ask.version,
  publishers: trust.publishers,
  maximum: ask.preferences?.security_level === 'maximum',
})

function askEach(
  transport: Transport,
  logs: Trust['logs'],
  signing: Signing,
  path: string,
  body: CapabilityRequest | SpecificRequest,
  expected: Expectation,
  ask: AskOptions,
): Promise<Cell> {
  const waitMs = (ask.waitSeconds ?? LIMITS.defaultWaitSeconds) * 1000
  const deadline = Date.now() + waitMs
  const keys = ask.requestKeys ?? signing.keys
  return firstAnswer(
    transport,
    async (node) => {
      // Of who asks without key and signature: with it the repeated request is the same one, and not searched for again.
      let token: string | null = null
      while (true) {
        const left = Math.max(0, deadline - Date.now())
        const wait = Math.min(LIMITS.maxWaitSeconds, Math.ceil(left / 1000))
        const answer = await exchange(transport, node, {
          method: 'POST',
          path,
          headers: {
            'Content-Type': 'application/json',
            Prefer: `wait=${wait}`,
            ...(token === null ? {} : { 'Request-Token': token }),
          },
          // A signature counts once, so each attempt has its own.
          body: JSON.stringify(
            keys === undefined
              ? body
              : { ...body, quantum_signature: await signing.sign(keys, node, { method: 'POST', path, body }) },
          ),
          timeoutMs: wait * 1000 + transport.timeoutMs,
          signal: ask.signal,
        })
        if (answer.status !== 200 && answer.status !== 202) throw errorOf(answer)
        token = answer.headers.get('Request-Token') ?? token
        if (!responseSchema.Check(answer.body)) throw badAnswer(node, answer.status, 'it is no cell response')
        const {
          request_id: id,
          status,
          cell,
          estimated_wait_time_ms: estimate,
          coverage,
          explanation,
          lock,
        } = answer.body
        if (id !== body.request_id) {
          throw new IntegrityError(`${node} answers the request ${JSON.stringify(id.slice(0, 128))}`, { node })
        }
        if (status === 'success' && cell !== undefined) {
          const beside = { ...(coverage && { coverage }), ...(explanation && { explanation }), ...(lock && { lock }) }
          const verified = verifyAnswer(cell, node, expected)
          if (expected.maximum && verified.log !== undefined) await logs.check(node, verified.log)
          return { ...verified, ...beside }
        }
        if (status !== 'pending') throw errorOf({ ...answer, status: status === 'not_found' ? 404 : answer.status })
        const remaining = deadline - Date.now()
        if (remaining <= 0) {
          throw new PendingError(
            `${node} is still searching for ${expected.name}; ask again with request id ${id}`,
            id,
            estimate,
            node,
          )
        }
        const next = Math.min(estimate ?? 0, POLL_MS.most, remaining)
        await pause(Math.max(next, POLL_MS.least), ask.signal)
      }
    },
    ask.signal,
  )
}
