import type { Ranked } from '../../domain/cells/resolver.ts'
import type { Elsewhere } from './field.ts'

/** What is known of providers, beside what they announce. */
interface Experience {
  /** Whether it failed to answer a moment ago. */
  isFailing(provider: string): boolean
  /** Lower for one that was reached lately, higher for one that was not. */
  place(provider: string): number
}

/**
 * Whom to ask, given what they announce, best first. Who failed a moment ago comes last among those of its tier; of those who announce the same
 * version of capability and cell with the same status, who was reached lately comes first. Nothing crosses a tier, so that nobody gains by making better ones unreachable.
 */
export function inAskingOrder(announced: readonly Ranked<Elsewhere>[], { isFailing, place }: Experience): string[] {
  const known = new Map<string, { tier: number; failing: number; class: number; place: number }>()
  let equals = -1
  let before: Ranked<Elsewhere> | undefined
  for (const ranked of announced) {
    if (before === undefined || !isEqual(before, ranked)) equals++
    before = ranked
    const { provider } = ranked.candidate
    if (known.has(provider)) continue
    known.set(provider, {
      tier: ranked.tier,
      failing: Number(isFailing(provider)),
      class: equals,
      place: place(provider),
    })
  }
  return Array.from(known)
    .sort(([, a], [, b]) => a.tier - b.tier || a.failing - b.failing || a.class - b.class || a.place - b.place)
    .map(([provider]) => provider)
}

const isEqual = (
  { tier, candidate: a }: Ranked<Elsewhere>,
  { tier: other, candidate: b }: Ranked<Elsewhere>,
): boolean => tier === other && a.status === b.status && a.offered === b.offered && a.version === b.version
