import { lacking, type PackageDefinition } from '../package.ts'

/** One evaluation. Everything in it is part of the verdict. */
export interface EvaluationRequest {
  /** Digest of the evaluator's package, which was prepared. */
  readonly digest: string
  /** Units of fuel. */
  readonly fuel: number
  /** Pages of 64 KiB that its memory has. */
  readonly memoryPages: number
  /** An unsigned 32-bit integer. */
  readonly seed: number
  readonly input: Uint8Array
}

/**
 * What an evaluation came to. `metrics` (finite, never −0), `timeout` (the fuel is exhausted) and `error` (it failed, or answered with what is no result)
 * are verdicts: the same on every node. `undetermined` is none: this node could not tell, and may be able to later.
 */
export type Evaluation =
  | { readonly kind: 'metrics'; readonly reward: number; readonly risk: number; readonly complexity: number }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'error'; readonly reason: string }
  | { readonly kind: 'undetermined'; readonly reason: string }

/** Runs the evaluators of goals. Everything in a package and in an input is hostile. */
export interface Evaluator {
  /**
   * Makes a package ready whose digest the caller has checked; again for the same digest does nothing. The bytes stay the caller's. Throws
   * `ProviderError` for a package that is refused, with what was found and what is allowed; any other error is a failure of this node.
   */
  prepare(digest: string, bytes: Uint8Array): Promise<void>
  /**
   * Evaluates. Of a package that was not prepared, or not used for so long that it was forgotten, the answer is `undetermined`. Rejects when the
   * signal aborts, and when it is closed.
   */
  evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Evaluation>
  /** Lets go of what it holds. Evaluations under way are rejected. */
  close(): Promise<void>
}

/** The package `evaluators`: what the contributions to goals are evaluated with. */
export const evaluators: PackageDefinition<Evaluator> = {
  name: 'evaluators',
  documentation: 'Run the evaluators of goals on contributions, with the same verdict on every machine.',
  misshapen: (evaluator) => lacking(evaluator, ['prepare', 'evaluate', 'close']),
}
