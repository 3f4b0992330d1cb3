import { type Command, InvalidArgumentError } from 'commander'
import { Type } from 'typebox'
import { GoalId } from '../../protocol/goal.ts'
import { ProofFile } from '../../protocol/proof-file.ts'
import { askNode } from './ask-node.ts'
import { networkFlag } from './cell-keys.ts'
import { printJson, printLine, safe } from './output.ts'
import { outputFlag, writeWhole } from './output-file.ts'
import { type TargetOptions, targetOptions } from './target.ts'
import { printProven, provenJson } from './verify-proof.ts'

interface ProofFlags extends TargetOptions {
  readonly network: string
  readonly out?: string
  readonly force?: true
  readonly json?: true
}

/** What of `GET /api/v1/proof/{goal_id}/{log_index}` is read here. */
const ProofAnswer = Type.Object({ data: Type.Object({ proof_file: ProofFile }) })

const GOAL_ID = new RegExp(GoalId.pattern)

/** `goal proof`: fetches a proof file, verified, which `cytoplex verify proof` verifies again anywhere. */
export function registerGoalProof(goal: Command): void {
  targetOptions(
    networkFlag(
      goal
        .command('proof')
        .description("fetch the proof that a contribution is in the goal's log, and verify it")
        .argument('<goal>', 'id of the goal', goalId)
        .argument('<index>', 'place in the log, from 0 on', leafIndex)
        .option('-o, --out <file>', 'file to write (default: <goal>-<index>.proof.json)', outputFlag)
        .option('--force', 'replace an existing file'),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex goal proof my-goal 17 --out proof.json')
    .action(goalProof)
}

async function goalProof(goal: string, index: number, flags: ProofFlags): Promise<void> {
  const file = flags.out ?? `${goal}-${index}.proof.json`
  const { answer } = await askNode(flags, `/api/v1/proof/${goal}/${index}`, ProofAnswer)
  const { verifyProof } = await import('../client/index.ts')
  const { proof_file: proof } = answer.data
  const proven = verifyProof(proof, { network: flags.network })
  await writeWhole(file, `${JSON.stringify(proof, null, 1)}\n`, flags.force === true)
  if (flags.json) return printJson({ file, ...provenJson(proven) })
  printProven(proven)
  printLine(`wrote ${safe(file)}`)
  printLine(`next: cytoplex verify proof ${safe(file)} --provider ${safe(proven.providerId)}`)
}

function goalId(text: string): string {
  if (GOAL_ID.test(text)) return text
  throw new InvalidArgumentError(`allowed is ${GoalId.pattern}`)
}

function leafIndex(text: string): number {
  if (/^(0|[1-9][0-9]{0,14})$/.test(text)) return Number(text)
  throw new InvalidArgumentError('allowed is a whole number from 0 on')
}
