import { utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'

/** Leaves of a goal's log, as contributions make them: some 330 bytes each. */
export const contributionLeaves = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, n) => {
    const hash = sha256Hex(`contribution ${n}`)
    const metrics = { reward: n / 7, risk: n / 11, complexity: n % 100 }
    const score = metrics.reward - 0.5 * metrics.risk - 0.01 * metrics.complexity
    return utf8(
      canonicalJson({ goal: 'ab'.repeat(32), contributor_id: hash.slice(0, 40), pack_hash: hash, score, metrics }),
    )
  })
