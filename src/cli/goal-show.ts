import type { Command } from 'commander'
import type { Goal } from '../../protocol/goal.ts'
import { clientFor } from './cell-transfer.ts'
import { type GoalFlags, goalVerb, withExample } from './goal-options.ts'
import { wholeNumber } from './number-flags.ts'
import { printJson, printLine, printTable, safe } from './output.ts'

interface ListFlags extends GoalFlags {
  readonly limit?: number
  readonly offset?: number
}

/** `goal list`: the goals that a node knows. */
export function registerGoalList(goal: Command): void {
  withExample(
    goal
      .command('list')
      .description('list the goals that a node knows, joined or not')
      .option('--limit <n>', 'at most so many (default: 50)', wholeNumber('--limit', 1))
      .option('--offset <n>', 'leave out the first ones', wholeNumber('--offset')),
    '$ cytoplex goal list',
  ).action(list)
}

/** `goal show`: one goal, and how it is doing at a node. */
export function registerGoalShow(goal: Command): void {
  goalVerb(goal, 'show', 'describe a goal, and how it is doing', '$ cytoplex goal show my-goal').action(show)
}

async function list(flags: ListFlags): Promise<void> {
  const { limit, offset } = flags
  const answer = await clientFor(flags).goals.list({
    ...(limit === undefined ? {} : { limit }),
    ...(offset === undefined ? {} : { offset }),
  })
  if (flags.json) return printJson(answer)
  if (answer.goals.length === 0)
    return printLine(answer.total === 0 ? 'no goals' : `no more than ${answer.total} goals`)
  printTable(
    ['GOAL', 'JOINED', 'WHO', 'MODE', 'DIGEST', 'NAME'],
    answer.goals.map(({ goal, joined, digest }) => [
      goal.goal_id,
      joined ? 'yes' : 'no',
      admission(goal),
      goal.mode,
      digest,
      goal.name,
    ]),
  )
  const shown = answer.offset + answer.goals.length
  if (shown < answer.total) printLine(`\n${shown} of ${answer.total}; next: --offset ${shown}`)
}

async function show(id: string, flags: GoalFlags): Promise<void> {
  const { goals } = clientFor(flags)
  const known = await goals.get(id)
  const status = known.joined ? await goals.status(id) : null
  if (flags.json) return printJson({ ...known, status })
  const { goal, digest, joined } = known
  const { reward, risk, complexity } = goal.weights
  const lines: [string, unknown][] = [
    ['goal', goal.goal_id],
    ['name', goal.name],
    ['description', goal.description],
    ['digest', digest],
    ['creator', goal.creator],
    ['joined', joined ? 'yes' : 'no'],
    ['evaluator', goal.evaluator.digest],
    ['fuel', goal.evaluator.fuel],
    ['memory', `${goal.evaluator.memory_pages} pages`],
    ['seeds', goal.seeds.join(', ')],
    ['who', admission(goal)],
    ['kept', `${goal.per_contributor} of each contributor`],
    ['score', `${reward} x reward, ${risk} x risk, ${complexity} x complexity`],
    ['least score', goal.min_score ?? 'none'],
    ['mode', goal.mode],
    ['capacity', goal.capacity],
    ['bounds', bounds(goal)],
    ['schema', goal.invariants.schema === undefined ? 'none' : JSON.stringify(goal.invariants.schema)],
    ['proofs', goal.proofs.length === 0 ? 'none' : goal.proofs.join(', ')],
  ]
  if (status !== null) {
    lines.push(
      ['taken', `${status.accepted_contributions} of ${status.total_contributions} contributions`],
      ['leaderboard', `${status.leaderboard_size} entries, root ${status.leaderboard_root}`],
      ['log', `${status.log_size} leaves, root ${status.log_root}`],
      ['set', `root ${status.set_root}`],
    )
  }
  const width = Math.max(...lines.map(([name]) => name.length))
  for (const [name, value] of lines) printLine(`${name.padEnd(width)}  ${value === '' ? '-' : safe(String(value))}`)
}

function admission({ admission: who }: Goal): string {
  return who.kind === 'open' ? `everybody, work ${who.difficulty} bits` : `${who.contributors.length} contributors`
}

function bounds({ invariants }: Goal): string {
  const rules = (invariants.bounds ?? []).map(({ of, min, max }) =>
    [...(min === undefined ? [] : [`${min} <=`]), of, ...(max === undefined ? [] : [`<= ${max}`])].join(' '),
  )
  return rules.length === 0 ? 'none' : rules.join(', ')
}
