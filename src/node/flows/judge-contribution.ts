import type { Contribution, ContributionPack } from '../../../protocol/contribution.ts'
import type { Goal, GoalMetrics, RejectionType } from '../../../protocol/goal.ts'
import type { ContributionRecord } from '../../domain/goals/contribution-record.ts'
import type { GoalEntry } from '../../domain/goals/goal-book.ts'
import { brokenBound, fulfilsSchema } from '../../domain/goals/invariants.ts'
import { meanMetrics, scoreOf } from '../../domain/goals/score.ts'
import { concatBytes, fromBase64Url, utf8 } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { decoded } from '../../kernel/identity/signed.ts'
import type { Evaluator } from '../../kernel/plugins/packages/evaluators.ts'
import type { EvaluatorPackages } from './prepare-evaluators.ts'

/** Whether a contribution is good, and why not. A pure function of the goal's and the contribution's bytes, but for `undetermined`. */
export type Judgement =
  | { readonly kind: 'accepted'; readonly metrics: GoalMetrics; readonly score: number }
  | {
      readonly kind: 'rejected'
      readonly type: RejectionType
      readonly reason: string
      readonly metrics?: GoalMetrics
      readonly score?: number
    }
  /** This node could not tell; it may be able to later. */
  | { readonly kind: 'undetermined'; readonly reason: string }

/** What a proof is about. */
export interface ProofClaim {
  /** The proof's name, as the goal asks for it: the kind, or that, a point, and what the goal wants to have proven. */
  readonly proof: string
  readonly goalDigest: string
  readonly goal: Goal
  readonly contribution: Contribution
  readonly pack: ContributionPack
}

/** Checks proofs of one kind. Rejects only where this node cannot tell. */
export type VerifyProof = (proof: Uint8Array, about: ProofClaim) => Promise<boolean>

/** What judging is done with. */
export interface JudgeInit {
  readonly evaluator: Pick<Evaluator, 'evaluate'>
  readonly packages: Pick<EvaluatorPackages, 'ready' | 'forget'>
  /** By kind: what stands before the first point of a proof's name. */
  readonly proofs: ReadonlyMap<string, VerifyProof>
}

/** From the goal's invariants to its threshold: what follows once a contribution is known to be one, signed and new. */
export class ContributionJudge {
  readonly #init: JudgeInit

  constructor(init: JudgeInit) {
    this.#init = init
  }

  /** Throws the reason of `signal`. */
  async judge(entry: GoalEntry, record: ContributionRecord, signal: AbortSignal): Promise<Judgement> {
    const { goal } = entry
    if (!fulfilsSchema(goal, record.pack)) {
      return rejected('INVARIANT_VIOLATION', "the pack does not fulfil the schema of the goal's invariants")
    }
    const proven = await this.#proofs(entry, record)
    if (proven !== undefined) return proven
    const evaluated = await this.#evaluate(entry, record.pack, signal)
    if (evaluated.kind !== 'accepted') return evaluated
    const { metrics, score } = evaluated
    const broken = brokenBound(goal, { ...metrics, score })
    if (broken !== undefined) return { ...rejected('INVARIANT_VIOLATION', broken), metrics, score }
    if (goal.min_score === null || score >= goal.min_score) return evaluated
    const reason = `the score is ${score}; the goal asks for at least ${goal.min_score}`
    return { ...rejected('SCORE_TOO_LOW', reason), metrics, score }
  }

  async #proofs({ goal, digest }: GoalEntry, record: ContributionRecord): Promise<Judgement | undefined> {
    for (const name of goal.proofs) {
      const text = record.pack.proofs?.[name]
      const proof = text === undefined ? undefined : decoded(text)
      if (proof === undefined) return rejected('PROOF_INVALID', `the goal asks for a proof ${name}, in base64url`)
      const verify = this.#init.proofs.get(name.split('.', 1)[0]!)
      if (verify === undefined) return undetermined(`this node has no verifier of proofs ${name}`)
      try {
        if (!(await verify(proof, { proof: name, goalDigest: digest, goal, ...record }))) {
          return rejected('PROOF_INVALID', `the proof ${name} does not hold`)
        }
      } catch (error) {
        return undetermined(`the proof ${name} could not be checked: ${errorMessage(error)}`)
      }
    }
    return undefined
  }

  async #evaluate({ goal }: GoalEntry, pack: ContributionPack, signal: AbortSignal): Promise<Judgement> {
    const { digest, fuel, memory_pages: memoryPages } = goal.evaluator
    const { evaluator, packages } = this.#init
    const prepared = await packages.ready(digest)
    signal.throwIfAborted()
    if (prepared.kind === 'refused') return rejected('EVALUATION_ERROR', prepared.reason)
    if (prepared.kind === 'undetermined') return undetermined(prepared.reason)
    const input = evaluationInput(pack)
    const results: GoalMetrics[] = []
    for (const seed of goal.seeds) {
      const result = await evaluator.evaluate({ digest, fuel, memoryPages, seed, input }, signal)
      if (result.kind === 'undetermined') {
        packages.forget(digest)
        return undetermined(result.reason)
      }
      if (result.kind === 'timeout') {
        return rejected(
          'EVALUATION_TIMEOUT',
          `the evaluation with the seed ${seed} takes more than ${fuel} units of fuel`,
        )
      }
      if (result.kind === 'error') {
        return rejected('EVALUATION_ERROR', `the evaluation with the seed ${seed} failed: ${result.reason}`)
      }
      results.push(result)
    }
    const metrics = meanMetrics(results)
    const score = metrics && scoreOf(goal, metrics)
    if (metrics === undefined || score === undefined) {
      return rejected('EVALUATION_ERROR', 'metrics or score are not finite')
    }
    return { kind: 'accepted', metrics, score }
  }
}

/** What an evaluator is given of a pack: u32be(length of version) ‖ version ‖ parameters. */
export function evaluationInput({ version, parameters }: ContributionPack): Uint8Array {
  const text = utf8(version)
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, text.length)
  return concatBytes([length, text, fromBase64Url(parameters)])
}

const rejected = (type: RejectionType, reason: string) => ({ kind: 'rejected', type, reason }) as const

const undetermined = (reason: string) => ({ kind: 'undetermined', reason }) as const
