import { type Command, InvalidArgumentError } from 'commander'
import { Check } from 'typebox/value'
import { GoalId } from '../../protocol/goal.ts'
import { ProofFile } from '../../protocol/proof-file.ts'
import type { ProvenLeaf } from '../client/index.ts'
import { askNode } from './ask-node.ts'
import { networkFlag } from './cell-keys.ts'
import { clientFor } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { wholeNumber } from './number-flags.ts'
import { printJson, printLine, safe } from './output.ts'
import { outputFlag, writeWhole } from './output-file.ts'
import { type TargetOptions, targetOptions } from './target.ts'
import { printProven, provenJson } from './verify-proof.ts'

interface ProofFlags extends TargetOptions {
  readonly network: string
  readonly out?: string
  readonly since?: number
  readonly force?: true
  readonly json?: true
}

/** `goal proof`: fetches a proof file, verified, which `cytoplex verify proof` verifies again anywhere. */
export function registerGoalProof(goal: Command): void {
  targetOptions(
    networkFlag(
      goal
        .command('proof')
        .description("fetch the proof that a contribution is in the goal's log, and verify it")
        .argument('<goal>', 'id of the goal', goalId)
        .argument('<index>', 'place in the log, from 0 on', wholeNumber('<index>'))
        .option('-o, --out <file>', 'file to write (default: <goal>-<index>.proof.json)', outputFlag)
        .option(
          '--since <size>',
          'prove as well that the log only grew since it had so many leaves',
          wholeNumber('--since'),
        )
        .option('--force', 'replace an existing file'),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex goal proof my-goal 17 --out proof.json')
    .action(goalProof)
}

async function goalProof(goal: string, index: number, flags: ProofFlags): Promise<void> {
  const file = flags.out ?? `${goal}-${index}.proof.json`
  const query = new URLSearchParams({ log_index: String(index) })
  if (flags.since !== undefined) query.set('since', String(flags.since))
  const { answer: proof } = await askNode(flags, `/api/v1/log/${goal}/proof?${query}`, ProofFile)
  const { verifyProof } = await import('../client/index.ts')
  const proven = verifyProof(proof, { network: flags.network })
  // Logs are named after the digest of the goal: what an id means is the node's word.
  const { digest } = await clientFor(flags).goals.get(goal)
  asked(digest, index, flags.since, proven)
  await writeWhole(file, `${JSON.stringify(proof, null, 1)}\n`, flags.force === true)
  if (flags.json) return printJson({ file, ...provenJson(proven) })
  printProven(proven)
  printLine(`wrote ${safe(file)}`)
  printLine(`next: cytoplex verify proof ${safe(file)} --provider ${safe(proven.providerId)}`)
}

/** Throws when what the node proved is something else. */
function asked(digest: string, index: number, since: number | undefined, proven: ProvenLeaf): void {
  if (proven.goalId === digest && proven.index === index && proven.older?.size === since) return
  throw new CliError(
    `the node sent a proof of leaf ${proven.index} of ${safe(proven.origin)}`,
    EXIT.failure,
    'BAD_ANSWER',
  )
}

function goalId(text: string): string {
  if (Check(GoalId, text)) return text
  throw new InvalidArgumentError('allowed are 1 to 64 letters, digits, - and _')
}
