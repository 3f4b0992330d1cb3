import { CONTEXTS } from '../../protocol/contexts.ts'
import type { Contribution, ContributionPack } from '../../protocol/contribution.ts'
import type { Goal, GoalTerms } from '../../protocol/goal.ts'
import {
  type ContributionRecord,
  contributionId,
  extrasOf,
  packHash,
  recordText,
  workOf,
} from '../../src/domain/goals/contribution-record.ts'
import { signGoal } from '../../src/domain/goals/goal-record.ts'
import { toBase64Url, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { nodeIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed, type SigningKey, signObject } from '../../src/kernel/identity/keys.ts'
import type { Evaluation, Evaluator } from '../../src/kernel/plugins/packages/evaluators.ts'
import type { Submission } from '../../src/node/goals-api.ts'
import { NETWORK } from './cells.ts'

export const newContributor = (): SigningKey => ed25519FromSeed(newSeed())

/** Terms of an open goal without proof of work. */
export const termsOf = (change: Partial<GoalTerms> = {}): GoalTerms => ({
  goal_id: 'my-goal',
  name: 'My goal',
  description: 'As much reward as there is.',
  evaluator: { digest: `sha256:${'ab'.repeat(32)}`, fuel: 1000, memory_pages: 1 },
  seeds: [1],
  admission: { kind: 'open', difficulty: 0 },
  per_contributor: 100,
  weights: { reward: 1, risk: -0.5, complexity: -0.01 },
  min_score: null,
  mode: 'scalar',
  capacity: 100,
  invariants: {},
  proofs: [],
  ...change,
})

/** A signed goal and its digest. */
export function goalOf(change: Partial<GoalTerms> = {}): { readonly goal: Goal; readonly digest: string } {
  const goal = signGoal(newContributor(), NETWORK, termsOf(change), Date.UTC(2026, 0, 1))
  return { goal, digest: sha256Hex(canonicalJson(goal)) }
}

/** What the fake evaluator makes of a pack: metrics, or how it fails. */
export type Outcome =
  | Evaluation['kind']
  | { readonly reward: number; readonly risk?: number; readonly complexity?: number }

/** A pack of which the fake evaluator says this. `name` makes packs with the same outcome differ. */
export const packOf = (outcome: Outcome, name = '', more: Partial<ContributionPack> = {}): ContributionPack => ({
  version: '1.0',
  parameters: toBase64Url(utf8(JSON.stringify({ outcome, name }))),
  ...more,
})

/** A contribution by `key`, signed, with the work that a difficulty asks for. */
export function contributionOf(
  goal: string,
  pack: ContributionPack,
  key: SigningKey = newContributor(),
  { difficulty = 0, network = NETWORK }: { readonly difficulty?: number; readonly network?: string } = {},
): ContributionRecord {
  const extras = extrasOf(pack)
  let unsigned: Omit<Contribution, 'signature'> = {
    type: 'contribution',
    goal,
    contributor_id: nodeIdOf(key.publicKey),
    pack_hash: packHash(pack),
    ...(extras === undefined ? {} : { extras }),
    public_key: toBase64Url(key.publicKey),
  }
  for (let work = 0; workOf(network, unsigned) < difficulty; work++) unsigned = { ...unsigned, work: work.toString(16) }
  return { contribution: { ...unsigned, signature: signObject(key, network, CONTEXTS.contribution, unsigned) }, pack }
}

/** The record as it is admitted. */
export function admittedOf(record: ContributionRecord) {
  const text = recordText(record)
  return { id: contributionId(record.contribution), record: sha256Hex(text), contribution: record.contribution, text }
}

/** The same as a client submits it. */
export function submissionOf(goalId: string, { contribution, pack }: ContributionRecord): Submission {
  const { proofs, ...agent_pack } = pack
  const { contributor_id, public_key, signature, work } = contribution
  return {
    goal_id: goalId,
    agent_pack,
    ...(proofs === undefined ? {} : { proofs }),
    contributor_id,
    public_key,
    signature,
    ...(work === undefined ? {} : { work }),
  }
}

/** An evaluator that does what packs say. */
export class FakeEvaluator implements Evaluator {
  /** Digests that were prepared. */
  readonly prepared: string[] = []
  /** Packs by hash of their input → how often they were evaluated. */
  evaluations = 0
  /** While it is set, nothing can be told. */
  isBroken = false

  async prepare(digest: string): Promise<void> {
    this.prepared.push(digest)
  }

  async evaluate({ input, seed }: { readonly input: Uint8Array; readonly seed: number }): Promise<Evaluation> {
    this.evaluations++
    if (this.isBroken) return { kind: 'undetermined', reason: 'the test says so' }
    const length = new DataView(input.buffer, input.byteOffset).getUint32(0)
    const { outcome } = JSON.parse(Buffer.from(input.subarray(4 + length)).toString()) as { outcome: Outcome }
    if (typeof outcome === 'object') {
      return {
        kind: 'metrics',
        reward: outcome.reward * seed,
        risk: outcome.risk ?? 0,
        complexity: outcome.complexity ?? 0,
      }
    }
    if (outcome === 'metrics') return { kind: 'metrics', reward: 1, risk: 0, complexity: 0 }
    return outcome === 'timeout' ? { kind: 'timeout' } : { kind: outcome, reason: 'the pack says so' }
  }

  async close(): Promise<void> {}
}
