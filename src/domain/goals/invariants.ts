import { Check } from 'typebox/schema'
import type { ContributionPack } from '../../../protocol/contribution.ts'
import type { Goal, GoalMetrics } from '../../../protocol/goal.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { fromBase64Url } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { plainSchemaProblem } from '../../kernel/base/plain-schema.ts'

/** What is wrong with a goal's schema, in words; undefined when it can be used. */
export function schemaProblem(schema: Readonly<Record<string, unknown>>): string | undefined {
  const bytes = Buffer.byteLength(canonicalJson(schema))
  if (bytes > LIMITS.goalSchemaBytes)
    return `the schema has ${bytes} bytes; at most ${LIMITS.goalSchemaBytes} are allowed`
  return plainSchemaProblem(schema, { who: 'goals', arrays: false })
}

/** Whether a pack fulfils the goal's schema, which was found usable. */
export function fulfilsSchema({ invariants: { schema } }: Pick<Goal, 'invariants'>, pack: ContributionPack): boolean {
  if (schema === undefined) return true
  return Check(schema, {
    version: pack.version,
    parameters_bytes: fromBase64Url(pack.parameters).length,
    metadata: pack.metadata ?? {},
  })
}

type Bound = NonNullable<Goal['invariants']['bounds']>[number]

/** Which bound a result breaks, in words; undefined when none. */
export function brokenBound(
  { invariants: { bounds = [] } }: Pick<Goal, 'invariants'>,
  result: GoalMetrics & { readonly score: number },
): string | undefined {
  const broken = bounds.find(({ of, min, max }) => result[of] < (min ?? -Infinity) || result[of] > (max ?? Infinity))
  return broken && `${broken.of} is ${result[broken.of]}; the goal allows ${rangeText(broken)}`
}

const rangeText = ({ min, max }: Bound): string =>
  [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])].join(' and ')
