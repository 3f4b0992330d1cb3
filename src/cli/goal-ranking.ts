import type { Command } from 'commander'
import type { LeaderboardEntry } from '../../protocol/goal.ts'
import { clientFor } from './cell-transfer.ts'
import { type GoalFlags, goalVerb } from './goal-options.ts'
import { wholeNumber } from './number-flags.ts'
import { printJson, printLine, printTable, safe } from './output.ts'

interface LeaderboardFlags extends GoalFlags {
  readonly limit?: number
}

/** `goal leaderboard`: the best contributions. */
export function registerGoalLeaderboard(goal: Command): void {
  const example = '$ cytoplex goal leaderboard my-goal --limit 10'
  goalVerb(goal, 'leaderboard', 'list the best contributions to a goal', example)
    .option('--limit <n>', 'at most so many (default: 100)', wholeNumber('--limit', 1))
    .action(leaderboard)
}

/** `goal policy`: the best contribution. */
export function registerGoalPolicy(goal: Command): void {
  goalVerb(goal, 'policy', 'show the active policy: the best contribution', '$ cytoplex goal policy my-goal').action(
    policy,
  )
}

async function leaderboard(id: string, flags: LeaderboardFlags): Promise<void> {
  const { limit } = flags
  const answer = await clientFor(flags).goals.leaderboard(id, limit === undefined ? {} : { limit })
  if (flags.json) return printJson(answer)
  if (answer.entries.length === 0) return printLine(`nobody has contributed to ${safe(id)}`)
  printEntries(answer.entries)
  if (answer.entries.length < answer.total) printLine(`\n${answer.entries.length} of ${answer.total}`)
}

async function policy(id: string, flags: GoalFlags): Promise<void> {
  const active = await clientFor(flags).goals.policy(id)
  if (flags.json) return printJson({ goal_id: id, active_policy: active })
  if (active === null) return printLine(`${safe(id)} has no active policy: nobody has contributed`)
  printEntries([active])
}

function printEntries(entries: readonly LeaderboardEntry[]): void {
  printTable(
    ['RANK', 'SCORE', 'REWARD', 'RISK', 'COMPLEXITY', 'CONTRIBUTOR', 'LEAF', 'PACK'],
    entries.map(({ rank, score, metrics, contributor_id, log_index, pack_hash }) => [
      rank,
      score,
      metrics.reward,
      metrics.risk,
      metrics.complexity,
      contributor_id,
      log_index,
      pack_hash,
    ]),
  )
}
