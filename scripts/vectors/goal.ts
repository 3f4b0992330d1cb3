import type { Contribution } from '../../protocol/contribution.ts'
import type { Goal, GoalMetrics } from '../../protocol/goal.ts'
import { workOf } from '../../src/domain/goals/contribution-record.ts'
import { signGoal } from '../../src/domain/goals/goal-record.ts'
import { Leaderboard } from '../../src/domain/goals/leaderboard.ts'
import { scoreOf } from '../../src/domain/goals/score.ts'
import { toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import { leafHash } from '../../src/kernel/log/tree.ts'
import { contributionVectors } from './contribution.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** An entry of a leaderboard, as far as the root depends on it. */
export interface BoardEntry {
  readonly pack_hash: string
  readonly contributor_id: string
  readonly contribution_id: string
  readonly metrics: GoalMetrics
  readonly score: number
}

/** A goal, and what follows from contributions to it. */
export interface GoalVector {
  readonly about: string
  readonly network: string
  readonly identity_seed: string
  readonly goal: Goal
  readonly digest: string
  /** Leading zero bits of proofs of work. */
  readonly work: readonly { readonly contribution: Omit<Contribution, 'signature'>; readonly bits: number }[]
  /** Of the goal's log: text, and RFC 9162 leaf hash. */
  readonly leaf: string
  readonly leaf_hash: string
  readonly board: {
    readonly entries: readonly BoardEntry[]
    /** Pack hashes, best first. */
    readonly ranking: readonly string[]
    readonly root: string
  }
}

/** One goal with a fixed key. */
export function goalVectors(): GoalVector {
  const seed = namedSeed('identity')
  const terms = {
    goal_id: 'my-goal-123',
    name: 'My goal',
    description: 'As much reward as there is.',
    evaluator: { digest: `sha256:${sha256Hex('cytoplex vectors: evaluator')}`, fuel: 1_000_000, memory_pages: 16 },
    seeds: [1, 2, 3],
    admission: { kind: 'open' as const, difficulty: 8 },
    per_contributor: 10,
    weights: { reward: 1, risk: -0.5, complexity: -0.01 },
    min_score: null,
    mode: 'scalar' as const,
    capacity: 100,
    invariants: {
      schema: { properties: { parameters_bytes: { maximum: 1024 } } },
      bounds: [{ of: 'risk' as const, max: 1 }],
    },
    proofs: [],
  }
  const goal = signGoal(ed25519FromSeed(seed), NETWORK, terms, Date.UTC(2026, 0, 31, 12))
  const digest = sha256Hex(canonicalJson(goal))
  const { signature: _, ...contribution } = { ...contributionVectors().contribution, goal: digest }
  const worked = Array.from({ length: 600 }, (_, i) => ({ ...contribution, work: i.toString(16) })).find(
    (one) => workOf(NETWORK, one) >= 8,
  )!
  const entries = ['a', 'b', 'c'].map((name, i): BoardEntry => {
    const metrics = { reward: 1.2 + (i % 2), risk: 0.1, complexity: 0.4 }
    return {
      pack_hash: sha256Hex(`pack ${name}`),
      contributor_id: contribution.contributor_id,
      contribution_id: sha256Hex(`contribution ${name}`),
      metrics,
      score: scoreOf(goal, metrics)!,
    }
  })
  const board = new Leaderboard(goal)
  for (const { pack_hash: pack, contributor_id: contributor, contribution_id: id, metrics, score } of entries) {
    board.add({ pack, contributor, id, metrics, score, logIndex: 0, at: 0 })
  }
  const { contributor_id, pack_hash, metrics, score } = entries[0]!
  const leaf = canonicalJson({ goal: digest, contributor_id, pack_hash, score, metrics })
  return {
    about:
      "A goal is signed by its creator's identity (context goal); its digest is the SHA-256 of its RFC 8785 bytes. Work counts the leading " +
      'zero bits of SHA-256("cytoplex/<network>/contribution-work/v1\\n" || RFC 8785 bytes of the contribution without signature). The leaf is ' +
      "the text in the goal's log. The leaderboard's root is the RFC 9162 root over its entries, best first, each pack_hash || contributor_id " +
      '|| contribution_id || f64be score, reward, risk, complexity. Seeds are hexadecimal.',
    network: NETWORK,
    identity_seed: toHex(seed),
    goal,
    digest,
    work: [contribution, worked].map((one) => ({ contribution: one, bits: workOf(NETWORK, one) })),
    leaf,
    leaf_hash: toHex(leafHash(utf8(leaf))),
    board: { entries, ranking: board.entries().map(({ pack }) => pack), root: toHex(board.root()) },
  }
}
