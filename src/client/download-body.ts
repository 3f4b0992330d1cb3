import { LIMITS } from '../../protocol/limits.ts'
import { IntegrityError, UnreachableError } from './errors.ts'
import { answerOf, badAnswer, errorOf, failureReason, send, type Transport } from './transport.ts'

/** Bytes of a package, in order. */
export interface BodyPart {
  readonly bytes: Uint8Array
  /** Bytes of the whole package. */
  readonly total: number
}

/** What of a package is wanted. */
export interface Wanted {
  /** `sha256:<hex>` */
  readonly digest: string
  /** First byte. */
  readonly from: number
  /** Bytes of the whole package; undefined when nobody has said so yet. */
  readonly total: number | undefined
}

const CONTENT_RANGE = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+)$/

/**
 * The bytes of a package from one node, from `wanted.from` to the end (RFC 9110 §14). A node that ignores the range sends everything,
 * of which the beginning is left out. Throws `IntegrityError` when the package has another size than it should, the typed error of a
 * refusal, and `UnreachableError` when the node is silent for the transport's timeout or stops before the end.
 */
export async function* openBody(
  transport: Transport,
  node: string,
  { digest, from, total: known }: Wanted,
  signal: AbortSignal | undefined,
): AsyncGenerator<BodyPart, void, undefined> {
  const silence = new Silence(transport.timeoutMs)
  const either = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal])
  try {
    const call = {
      path: `/api/v1/cells/packages/${digest}`,
      headers: from === 0 ? {} : { Range: `bytes=${from}-`, 'If-Range': `"${digest}"` },
      signal,
    }
    const response = await send(transport, node, call, either)
    if (!response.ok) throw errorOf(await answerOf(response, node, signal))
    const { start, total } = extent(response, node, from)
    if ((known !== undefined && total !== known) || total > LIMITS.packageBytes || start > from) {
      await response.body?.cancel()
      throw new IntegrityError(
        `${node} sends ${total} bytes as ${digest}, it should be ${known ?? LIMITS.packageBytes}`,
        {
          node,
        },
      )
    }
    let position = start
    for await (const bytes of read(response, node, signal, silence)) {
      position += bytes.length
      if (position > total)
        throw new IntegrityError(`${node} sends more than the ${total} bytes of ${digest}`, { node })
      const fresh = position - from
      if (fresh > 0) yield { bytes: fresh < bytes.length ? bytes.subarray(bytes.length - fresh) : bytes, total }
    }
    if (position < total) throw stopped(node, `it stopped after ${position} of ${total} bytes`)
  } finally {
    silence.end()
  }
}

/** Where the answer begins, and how long the package is. */
function extent(response: Response, node: string, from: number): { start: number; total: number } {
  if (response.status === 206) {
    const [, first, last, size] = CONTENT_RANGE.exec(response.headers.get('content-range') ?? '') ?? []
    if (Number(first) !== from || Number(last) !== Number(size) - 1) {
      throw badAnswer(node, 206, `the range from byte ${from} on was asked for, Content-Range does not say so`)
    }
    return { start: from, total: Number(size) }
  }
  const length = response.headers.get('content-length')
  if (response.status !== 200 || length === null || !/^[0-9]+$/.test(length)) {
    throw badAnswer(node, response.status, 'it is no package of known length')
  }
  return { start: 0, total: Number(length) }
}

async function* read(
  response: Response,
  node: string,
  signal: AbortSignal | undefined,
  silence: Silence,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (response.body === null) return
  const reader = response.body.getReader()
  let whole = false
  try {
    while (true) {
      silence.begin()
      const { done, value } = await reader.read()
      silence.pause()
      if (done) {
        whole = true
        return
      }
      yield value
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw stopped(node, failureReason(error), error)
  } finally {
    // An unread body would keep its connection; that the cancelled one fails is expected.
    if (!whole) await reader.cancel().catch(() => undefined)
  }
}

const stopped = (node: string, reason: string, cause?: unknown): UnreachableError =>
  new UnreachableError([{ node, reason }], cause)

/** Aborts when a node was silent for too long. Time that the reader of the bytes takes does not count. */
class Silence {
  readonly #controller = new AbortController()
  readonly #ms: number
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(ms: number) {
    this.#ms = ms
    this.begin()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  begin(): void {
    this.pause()
    this.#timer = setTimeout(() => {
      this.#controller.abort(new DOMException(`silent for ${this.#ms} ms`, 'TimeoutError'))
    }, this.#ms)
  }

  pause(): void {
    clearTimeout(this.#timer)
  }

  /** Stops waiting, and whatever is still under way. */
  end(): void {
    this.pause()
    this.#controller.abort()
  }
}
