import { setTimeout as pause } from 'node:timers/promises'
import { loadConfig } from '../../../src/kernel/config/load.ts'
import type { GoalStatus, Submission } from '../../../src/node/goals-api.ts'
import { submissionOf } from '../../../test/support/goals.ts'
import { contributor, TERMS } from '../signed-contributions.ts'
import { node, commands as nodeCommands, registerBytes } from './node.ts'

/** Milliseconds after which waiting is given up, and between two looks. */
const PATIENCE_MS = 120_000
const LOOK_MS = 250

const goalOf = (number: number): string => `bench-${number}`

let submissions: readonly Submission[] = []

/** Creates a goal with this module as its evaluator. */
async function createGoal({ number, module }: { number: number; module: Uint8Array }): Promise<void> {
  const digest = await registerBytes(module, number)
  const evaluator = { digest, fuel: 10_000, memory_pages: 1 }
  await node.goals.create({ ...TERMS, goal_id: goalOf(number), evaluator }, 'admin')
}

/** Works for a goal as soon as it heard of it. */
async function joinGoal({ number }: { number: number }): Promise<void> {
  const until = performance.now() + PATIENCE_MS
  while (!node.goals.list().some(({ goal }) => goal.goal_id === goalOf(number))) {
    if (performance.now() > until) throw new Error(`the goal ${goalOf(number)} did not come`)
    await pause(LOOK_MS)
  }
  await node.goals.join(goalOf(number), 'admin')
}

/** Signs contributions, for `contribute`. */
function sign({ number, first, count }: { number: number; first: number; count: number }): void {
  const make = contributor(loadConfig({ env: {} }).config.network.name)
  const { digest } = node.goals.get(goalOf(number))
  submissions = Array.from({ length: count }, (_, i) => submissionOf(goalOf(number), make(digest, first + i)))
}

/** Submits them, `concurrency` at a time. */
async function contribute({ concurrency }: { concurrency: number }): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < submissions.length) {
        const verdict = await node.goals.contribute(submissions[next++]!)
        if (!verdict.accepted) throw new Error(verdict.reason)
      }
    }),
  )
}

/** Resolves when this node has judged so many contributions to a goal. */
async function judged({ number, count }: { number: number; count: number }): Promise<GoalStatus> {
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    const status = node.goals.status(goalOf(number))
    // The log's size is read from the disk, where it may be ahead of the roots for a moment.
    if (status.accepted_contributions === count) return status
    if (performance.now() > until)
      throw new Error(`${status.accepted_contributions} of ${count} contributions after two minutes`)
    await pause(LOOK_MS)
  }
}

export const commands = { ...nodeCommands, createGoal, joinGoal, sign, contribute, judged }
