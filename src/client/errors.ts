import type { ValidationResults } from '../../protocol/annotations.ts'
import type { Alternative, Considered, Coverage, LockConflict } from '../../protocol/cells.ts'
import type { SeenCheckpoint } from './remembered-logs.ts'

/** Options of a {@link ClientError}. */
export interface ClientErrorOptions {
  /** HTTP status, when a node answered. */
  readonly status?: number | undefined
  /** Whether the same call may succeed later. */
  readonly retryable?: boolean
  /** Base URL of the node that it is about. */
  readonly node?: string | undefined
  /** Seconds after which the node wants to be asked again, where it said so. */
  readonly retryAfter?: number | undefined
  readonly cause?: unknown
}

/** A call that failed. `code` is `PROV_…` of the Provider API where a node gave one, else a word of this client. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError'
  readonly code: string
  /** HTTP status; undefined when no node answered. */
  readonly status: number | undefined
  /** Whether the same call may succeed later. */
  readonly retryable: boolean
  /** Base URL of the node that it is about. */
  readonly node: string | undefined
  /** Seconds after which the node wants to be asked again, where it said so. */
  readonly retryAfter: number | undefined

  constructor(code: string, message: string, options: ClientErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status
    this.retryable = options.retryable ?? false
    this.node = options.node
    this.retryAfter = options.retryAfter
  }
}

/** No cell, version or package fits (404). */
export class NotFoundError extends ClientError {
  override readonly name = 'NotFoundError'
  /** Cells that were not chosen, and why. */
  readonly alternatives: readonly Alternative[]
  /** Where the node looked; undefined when it did not say. */
  readonly coverage: Coverage | undefined
  /** Every candidate and what became of it, where the request said `explain`. */
  readonly explanation: readonly Considered[]
  /** What the cell depends on and nobody offers, where the request said `resolve_dependencies`. */
  readonly conflicts: readonly LockConflict[]

  constructor(
    code: string,
    message: string,
    options: ClientErrorOptions & {
      alternatives?: readonly Alternative[] | undefined
      coverage?: Coverage | undefined
      explanation?: readonly Considered[] | undefined
      conflicts?: readonly LockConflict[] | undefined
    } = {},
  ) {
    super(code, message, { status: 404, retryable: true, ...options })
    this.alternatives = options.alternatives ?? []
    this.coverage = options.coverage
    this.explanation = options.explanation ?? []
    this.conflicts = options.conflicts ?? []
  }
}

/** The API key is missing, wrong (401) or not enough (403). */
export class UnauthorizedError extends ClientError {
  override readonly name = 'UnauthorizedError'
}

/** A node opened the package or read the metadata, and refuses it (`PROV_005`). */
export class ValidationError extends ClientError {
  override readonly name = 'ValidationError'
  readonly results: ValidationResults

  constructor(code: string, message: string, results: ValidationResults, options: ClientErrorOptions) {
    super(code, message, options)
    this.results = results
  }
}

/** The time to wait is over and the node is still searching. Ask again with the same `requestId`. */
export class PendingError extends ClientError {
  override readonly name = 'PendingError'
  readonly requestId: string
  /** Milliseconds that the node expects to need; undefined when it did not say. */
  readonly estimatedWaitMs: number | undefined

  constructor(message: string, requestId: string, estimatedWaitMs: number | undefined, node: string) {
    super('PENDING', message, { status: 202, retryable: true, node })
    this.requestId = requestId
    this.estimatedWaitMs = estimatedWaitMs
  }
}

/**
 * A node sent what does not hold: a signature, a digest, a size or an answer to something else (`INTEGRITY`), or a cell of a
 * publisher that is not among those accepted (`UNTRUSTED_PUBLISHER`), or a log that too few witnesses have cosigned (`NOT_WITNESSED`).
 */
export class IntegrityError extends ClientError {
  override readonly name: string = 'IntegrityError'

  constructor(
    message: string,
    options: ClientErrorOptions & {
      code?: 'INTEGRITY' | 'UNTRUSTED_PUBLISHER' | 'NOT_WITNESSED' | 'INCONSISTENT_LOG'
    } = {},
  ) {
    super(options.code ?? 'INTEGRITY', message, options)
  }
}

/** A provider's log is not the one that this client has seen before, or nobody proves that it is (`INCONSISTENT_LOG`). */
export class InconsistentLogError extends IntegrityError {
  override readonly name = 'InconsistentLogError'
  /** The checkpoint that was seen before. */
  readonly seen: SeenCheckpoint
  /** The one that does not fit it. */
  readonly found: SeenCheckpoint

  constructor(message: string, { seen, found }: { readonly seen: SeenCheckpoint; readonly found: SeenCheckpoint }) {
    super(message, { code: 'INCONSISTENT_LOG' })
    this.seen = seen
    this.found = found
  }
}

/** A node that could not be used, and why. */
export interface Attempt {
  /** Base URL. */
  readonly node: string
  readonly reason: string
}

/** No node answered. */
export class UnreachableError extends ClientError {
  override readonly name = 'UnreachableError'
  /** Each node that was tried. */
  readonly attempts: readonly Attempt[]

  constructor(attempts: readonly Attempt[], cause?: unknown) {
    const list = attempts.map(({ node, reason }) => `${node} (${reason})`).join(', ')
    super('UNREACHABLE', `no node answered: ${list}`, { retryable: true, node: attempts[0]?.node, cause })
    this.attempts = attempts
  }
}

/**
 * The one error to show for several nodes that failed: a broken promise before a search under way, that before any other answer,
 * and silence only when all were silent.
 */
export function mostTelling(failures: readonly ClientError[]): ClientError {
  const first =
    failures.find((failure) => failure instanceof IntegrityError) ??
    failures.find((failure) => failure instanceof PendingError) ??
    failures.find((failure) => !(failure instanceof UnreachableError))
  if (first !== undefined) return first
  const silent = failures.filter((failure) => failure instanceof UnreachableError)
  return new UnreachableError(
    silent.flatMap((failure) => failure.attempts),
    silent[0]?.cause,
  )
}
