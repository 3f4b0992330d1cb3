import { failureText } from './failure-text.ts'
import { sessionKey } from './session-key.ts'

/** The one door to the node's API: the origin that served this page, and no other. */

/** Milliseconds for an answer: a node takes 30 s at most. */
const DEADLINE_MS = 45_000

export class ApiError extends Error {
  /** HTTP status; 0 where nothing answered. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }

  get needsKey(): boolean {
    return this.status === 401 || this.status === 403
  }
}

export interface Asking {
  readonly method?: string
  /** Sent as JSON. */
  readonly body?: unknown
  /** Instead of the session's key. */
  readonly bearer?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Statuses beside 2xx whose body is an answer. */
  readonly alsoAnswers?: readonly number[]
}

/** Asks the node. Throws `ApiError`, or the reason of the signal. */
export async function ask(path: string, asking: Asking = {}): Promise<Response> {
  const { method = 'GET', body, bearer, headers = {}, signal, alsoAnswers = [] } = asking
  const key = sessionKey()
  const deadline = AbortSignal.timeout(DEADLINE_MS)
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...(bearer !== undefined
          ? { Authorization: `Bearer ${bearer}` }
          : key === undefined
            ? {}
            : { 'X-API-Key': key }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'error',
      credentials: 'omit',
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    })
  } catch {
    signal?.throwIfAborted()
    throw new ApiError(0, deadline.aborted ? 'the node did not answer in time' : 'the node does not answer')
  }
  if (response.ok || alsoAnswers.includes(response.status)) return response
  throw new ApiError(response.status, failureText(response.status, await response.text()))
}

/** The JSON that the node answers. */
export async function askJson<T>(path: string, asking?: Asking): Promise<T> {
  return (await (await ask(path, asking)).json()) as T
}

/** The same of the agent network's routes, which put what they answer into an envelope. */
export async function askData<T>(path: string, asking?: Asking): Promise<T> {
  return (await askJson<{ readonly data: T }>(path, asking)).data
}

/** Sends a form; `onProgress` hears which part of it, from 0 to 1, has left. */
export function sendForm<T>(
  path: string,
  form: FormData,
  {
    onProgress,
    signal,
    alsoAnswers = [],
  }: { onProgress?: (part: number) => void; signal?: AbortSignal; alsoAnswers?: readonly number[] },
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  // `fetch` does not tell how much of a body has left.
  const request = new XMLHttpRequest()
  request.open('POST', path)
  const key = sessionKey()
  if (key !== undefined) request.setRequestHeader('X-API-Key', key)
  request.upload.addEventListener('progress', ({ loaded, total }) => onProgress?.(total === 0 ? 0 : loaded / total))
  request.addEventListener('load', () => {
    const { status, responseText } = request
    try {
      if ((status >= 200 && status < 300) || alsoAnswers.includes(status)) resolve(JSON.parse(responseText) as T)
      else reject(new ApiError(status, failureText(status, responseText)))
    } catch {
      reject(new ApiError(status, 'the node answered something else than JSON'))
    }
  })
  request.addEventListener('error', () => reject(new ApiError(0, 'the connection broke off')))
  request.addEventListener('abort', () => reject(signal?.reason))
  signal?.addEventListener('abort', () => request.abort(), { once: true })
  request.send(form)
  return promise
}
