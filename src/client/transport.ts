import { type Static, Type } from 'typebox'
import { ValidationResults } from '../../protocol/annotations.ts'
import { Alternative, Considered, Coverage, LockConflict } from '../../protocol/cells.ts'
import { ERRORS, type ErrorCode } from '../../protocol/errors.ts'
import { concatBytes } from '../kernel/base/bytes.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import {
  ClientError,
  InconsistentLogError,
  mostTelling,
  NotFoundError,
  UnauthorizedError,
  UnreachableError,
  ValidationError,
} from './errors.ts'
import { pause } from './pause.ts'

/** Bytes of a JSON answer at most: a page of 500 cells stays far below. */
const MAX_JSON_BYTES = 8 * 1024 * 1024
/** Characters of a node's own words in an error. */
const MAX_MESSAGE = 500

/** How to reach nodes. */
export interface Transport {
  /** Base URLs without a slash at the end, in order of preference. */
  readonly nodes: readonly string[]
  readonly fetch: typeof fetch
  readonly apiKey: string | undefined
  /** Milliseconds without a sign of life after which a node counts as unreachable. */
  readonly timeoutMs: number
  /** How often all nodes are asked again when none answered, or all were overloaded. */
  readonly retries: number
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call, which then rejects with the reason. */
  readonly signal?: AbortSignal | undefined
}

/** One call to one node. */
export interface Call {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: BodyInit
  /** Milliseconds to wait for the whole answer; the transport's own unless given. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

/** What a node answered. */
export interface Answer {
  readonly node: string
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON; text when the node sent something else. */
  readonly body: unknown
}

/**
 * Base URLs from what a caller gave. Throws `ClientError` `INVALID_ARGUMENT` for anything but http and https URLs without credentials,
 * query and fragment.
 */
export function nodeUrls(nodes: string | readonly string[]): string[] {
  const list = typeof nodes === 'string' ? [nodes] : nodes
  const urls = new Set(list.map(nodeUrl))
  if (urls.size === 0) throw new ClientError('INVALID_ARGUMENT', 'at least one node URL is needed')
  return [...urls]
}

function nodeUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new ClientError('INVALID_ARGUMENT', `a node is an http or https URL, found ${JSON.stringify(text)}`)
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new ClientError('INVALID_ARGUMENT', `a node URL has no credentials, query or fragment: ${url.origin}`)
  }
  return url.origin + url.pathname.replace(/\/+$/, '')
}

/**
 * Sends a request. Redirects are refused, so that neither the key nor the question reaches a host that the caller did not name.
 * Throws `UnreachableError`, or the reason of `signal` when that one aborted.
 */
export async function send(transport: Transport, node: string, call: Call, signal: AbortSignal): Promise<Response> {
  try {
    return await transport.fetch(node + call.path, {
      method: call.method ?? 'GET',
      headers: {
        ...(transport.apiKey === undefined ? {} : { 'X-API-Key': transport.apiKey }),
        ...call.headers,
      },
      ...(call.body === undefined ? {} : { body: call.body }),
      ...(call.body instanceof ReadableStream ? { duplex: 'half' } : {}),
      redirect: 'error',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      signal,
    })
  } catch (error) {
    call.signal?.throwIfAborted()
    throw new UnreachableError([{ node, reason: failureReason(error) }], error)
  }
}

/** Calls one node and reads its answer whole, whatever the status. Throws as {@link send}, and `ClientError` `BAD_ANSWER`. */
export async function exchange(transport: Transport, node: string, call: Call): Promise<Answer> {
  const deadline = AbortSignal.timeout(Math.ceil(call.timeoutMs ?? transport.timeoutMs))
  const signal = call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline])
  const response = await send(transport, node, call, signal)
  return answerOf(response, node, call.signal)
}

/** Reads an answer whole, at most 8 MiB. Throws `UnreachableError` when it breaks off, and `ClientError` `BAD_ANSWER`. */
export async function answerOf(response: Response, node: string, signal: AbortSignal | undefined): Promise<Answer> {
  const bytes = await readBody(response, node, signal)
  const isJson = /^application\/(?:[a-z.+-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')
  try {
    const body = isJson ? parseStrictJson(bytes) : new TextDecoder().decode(bytes)
    return { node, status: response.status, headers: response.headers, body }
  } catch (error) {
    throw badAnswer(node, response.status, errorMessage(error))
  }
}

/** Calls one node. Throws the typed error of any status but 2xx. */
export async function call(transport: Transport, node: string, request: Call): Promise<Answer> {
  const answer = await exchange(transport, node, request)
  if (answer.status < 200 || answer.status > 299) throw errorOf(answer)
  return answer
}

/** The node that what is changed belongs to. Changes do not fail over: elsewhere they would be another node's. */
export const home = (transport: Transport): string => transport.nodes[0]!

/** A JSON body, with its header. */
export const jsonBody = (body: object) => ({
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
})

/** A path with a query of everything that is defined. */
export function withQuery(path: string, query: object): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value))
  return parameters.size === 0 ? path : `${path}?${parameters}`
}

/** The body of an answer that has the documented form. Throws `ClientError` `BAD_ANSWER` for any other. */
export function checked<T>(schema: { Check(value: unknown): value is T }, answer: Answer): T {
  if (schema.Check(answer.body)) return answer.body
  throw badAnswer(answer.node, answer.status, 'it has not the documented form')
}

/** A node's answer that cannot be used. */
export const badAnswer = (node: string, status: number | undefined, found: string): ClientError =>
  new ClientError('BAD_ANSWER', `${node} sent an answer that cannot be read: ${clip(found)}`, { status, node })

async function readBody(response: Response, node: string, callers: AbortSignal | undefined): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array()
  const reader = response.body.getReader()
  const parts: Uint8Array[] = []
  let total = 0
  try {
    while (true) {
      const { done, value } = await reader.read()
      if (done) return concatBytes(parts)
      total += value.length
      if (total > MAX_JSON_BYTES) {
        await reader.cancel()
        throw badAnswer(node, response.status, `it is longer than ${MAX_JSON_BYTES} bytes`)
      }
      parts.push(value)
    }
  } catch (error) {
    if (error instanceof ClientError) throw error
    callers?.throwIfAborted()
    throw new UnreachableError([{ node, reason: failureReason(error) }], error)
  }
}

/** What error answers of every route family have in common. Everything is optional: a proxy may have answered. */
const Failure = Type.Object({
  code: Type.Optional(Type.String({ maxLength: 64 })),
  message: Type.Optional(Type.String()),
  error: Type.Optional(
    Type.Union([
      Type.Object({
        // OpenAI's shape has null where there is none.
        code: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Null()])),
        message: Type.Optional(Type.String()),
        retry_after: Type.Optional(Type.Integer({ minimum: 0 })),
      }),
      // The agent network's.
      Type.String(),
    ]),
  ),
  /** Of the family assurance, whose codes are numbers. */
  errors: Type.Optional(
    Type.Array(Type.Object({ code: Type.String({ pattern: '^[0-9]{3}$' }), message: Type.String() }), { minItems: 1 }),
  ),
})
const failureSchema = checkerOf(Failure)
const alternativesSchema = checkerOf(Type.Object({ alternatives: Type.Array(Alternative) }))
const coverageSchema = checkerOf(Type.Object({ coverage: Coverage }))
const explanationSchema = checkerOf(Type.Object({ explanation: Type.Array(Considered) }))
const conflictsSchema = checkerOf(Type.Object({ conflicts: Type.Array(LockConflict) }))
const validationSchema = checkerOf(Type.Object({ validation_results: ValidationResults }))

/** The typed error of an answer that is no success. */
export function errorOf({ node, status, headers, body }: Answer): ClientError {
  const failure: Static<typeof Failure> = failureSchema.Check(body) ? body : {}
  const error: { readonly code?: string | null; readonly message?: string; readonly retry_after?: number } | undefined =
    typeof failure.error === 'string' ? { message: failure.error } : (failure.error ?? failure.errors?.[0])
  const given = error?.code ?? failure.code
  const code =
    typeof given === 'string' && /^(?:[A-Za-z][A-Za-z0-9_]*|[0-9]{3})$/.test(given) ? given : `HTTP_${status}`
  const said = error?.message ?? failure.message ?? (typeof body === 'string' ? body.trim() : '')
  const message =
    clip(said) || (isErrorCode(code) ? ERRORS[code].message : `${node} answered with HTTP status ${status}`)
  const retryable = isErrorCode(code) ? ERRORS[code].retryable : status >= 500 || status === 429
  const options = { status, retryable, node, retryAfter: error?.retry_after ?? secondsOf(headers.get('retry-after')) }
  if (status === 401 || status === 403) return new UnauthorizedError(code, message, options)
  if (status === 404) {
    return new NotFoundError(code, message, {
      node,
      alternatives: alternativesSchema.Check(body) ? body.alternatives : [],
      coverage: coverageSchema.Check(body) ? body.coverage : undefined,
      explanation: explanationSchema.Check(body) ? body.explanation : undefined,
      conflicts: conflictsSchema.Check(body) ? body.conflicts : undefined,
    })
  }
  if (validationSchema.Check(body)) return new ValidationError(code, message, body.validation_results, options)
  return new ClientError(code, message, options)
}

/** `Retry-After` in seconds; nodes send no dates. */
const secondsOf = (header: string | null): number | undefined =>
  header !== null && /^[0-9]{1,9}$/.test(header) ? Number(header) : undefined

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code)
const clip = (text: string): string => (text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text)

/** Why a fetch failed: the deepest cause says more than "fetch failed". */
export function failureReason(error: unknown): string {
  let deepest = error
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause
  if (deepest instanceof Error && deepest.name === 'TimeoutError') return 'no answer in time'
  if (deepest instanceof Error && 'code' in deepest && typeof deepest.code === 'string') {
    if (deepest.code === 'ERR_SSL_WRONG_VERSION_NUMBER')
      return 'it does not speak TLS there: http:// instead of https://'
    return deepest.message.includes(deepest.code) ? deepest.message : `${deepest.code} ${deepest.message}`.trim()
  }
  return errorMessage(deepest)
}

/** True when another node may do better: it is silent, overloaded, broken or sends what does not hold. */
function worthAnotherNode(error: ClientError): boolean {
  if (error instanceof UnauthorizedError || error instanceof InconsistentLogError) return false
  return (
    error.status === undefined ||
    error.status === 404 ||
    error.status === 429 ||
    error.status >= 500 ||
    error.status < 400
  )
}

/** Milliseconds before all nodes are asked again; doubles each time. */
const FIRST_PAUSE_MS = 200
/** Seconds that a node may want to be left alone for: who says more is not waited for. */
const LONGEST_WAIT_SECONDS = 5

/** True when all that it takes may be time. What a node says of itself as a whole, such as that it does not know a cell, stays. */
const isPassing = (error: unknown): error is ClientError =>
  error instanceof UnreachableError ||
  (error instanceof ClientError && error.retryable && (error.status === 429 || (error.status ?? 0) >= 500))

/**
 * Asks node after node until one gives an answer that `attempt` accepts. Throws at once what no other node would answer better, and
 * otherwise the most telling failure: after `retries` further rounds where it may pass, unless the first ones took longer than a timeout.
 */
export async function firstAnswer<T>(
  transport: Transport,
  attempt: (node: string) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const begun = Date.now()
  for (let round = 0; ; round++) {
    try {
      return await oneRound(transport, attempt)
    } catch (error) {
      const isLast = round >= transport.retries || Date.now() - begun >= transport.timeoutMs
      if (isLast || !isPassing(error) || (error.retryAfter ?? 0) > LONGEST_WAIT_SECONDS) throw error
      await pause(FIRST_PAUSE_MS * 2 ** round, signal, (error.retryAfter ?? 0) * 1000)
    }
  }
}

async function oneRound<T>(transport: Transport, attempt: (node: string) => Promise<T>): Promise<T> {
  const failures: ClientError[] = []
  for (const node of transport.nodes) {
    try {
      return await attempt(node)
    } catch (error) {
      if (!(error instanceof ClientError) || !worthAnotherNode(error)) throw error
      failures.push(error)
    }
  }
  throw mostTelling(failures)
}
