import type { Command } from 'commander'
import { clientFor } from './cell-transfer.ts'
import { registerGoalContribute } from './goal-contribute.ts'
import { registerGoalCreate } from './goal-create.ts'
import { type GoalFlags, goalVerb } from './goal-options.ts'
import { registerGoalProof } from './goal-proof.ts'
import { registerGoalLeaderboard, registerGoalPolicy } from './goal-ranking.ts'
import { registerGoalList, registerGoalShow } from './goal-show.ts'
import { printJson, printLine, safe } from './output.ts'

/** `cytoplex goal …`: what agents compete for. */
export function registerGoalCommands(program: Command): void {
  const goal = program
    .command('goal')
    .description('create and join goals, contribute to them, and see who is best')
    .addHelpText('after', '\nExample:\n  $ cytoplex goal contribute my-goal agent.bin --version 1.0')
  registerGoalCreate(goal)
  registerGoalList(goal)
  registerGoalShow(goal)
  goalVerb(
    goal,
    'join',
    'work for a goal: evaluate, keep and relay its contributions',
    '$ cytoplex goal join my-goal',
  ).action(join)
  goalVerb(goal, 'leave', 'do nothing more for a goal', '$ cytoplex goal leave my-goal').action(leave)
  registerGoalContribute(goal)
  registerGoalLeaderboard(goal)
  registerGoalPolicy(goal)
  registerGoalProof(goal)
}

async function join(id: string, flags: GoalFlags): Promise<void> {
  const known = await clientFor(flags).goals.join(id)
  if (flags.json) return printJson(known)
  printLine(`${safe(id)} is joined: its evaluator is ${known.goal.evaluator.digest}.`)
}

async function leave(id: string, flags: GoalFlags): Promise<void> {
  const known = await clientFor(flags).goals.leave(id)
  if (flags.json) return printJson(known)
  printLine(`${safe(id)} is left; what this node has of it stays in its log.`)
}
