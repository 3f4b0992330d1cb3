import { readFile, stat } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import type { Command } from 'commander'
import type { ContributionVerdict } from '../../protocol/goal.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { nodeIdOf } from '../kernel/identity/ids.ts'
import { repeated } from './cell-options.ts'
import { clientFor, interruptible } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { openContributorKey } from './goal-key.ts'
import { type GoalFlags, goalVerb, pairOf } from './goal-options.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetFlags } from './target.ts'

interface ContributeFlags extends GoalFlags {
  readonly version: string
  readonly metadata?: readonly string[]
  readonly proof?: readonly string[]
  readonly key?: string
  readonly goalDigest?: string
}

/** `goal contribute`: signs a contribution and submits it. */
export function registerGoalContribute(goal: Command): void {
  goalVerb(
    goal,
    'contribute',
    'sign an agent pack, do the work that the goal asks for, and submit it',
    '$ cytoplex goal contribute my-goal agent.bin --version 1.0 --metadata strategy=momentum',
  )
    .argument('<parameters>', "file with the agent's parameters; - reads stdin")
    .requiredOption('--version <text>', 'version of the pack')
    .option('--metadata <name=value>', 'for people; repeat for more', repeated)
    .option('--proof <name=file>', 'proof that the goal demands; repeat for more', repeated)
    .option(
      '--key <file>',
      'contributor key, created when there is none (default: ~/.config/cytoplex/contributor.json)',
    )
    .option('--goal-digest <hex>', 'only to the goal whose record has this digest')
    .action(contribute)
}

async function contribute(goalId: string, path: string, flags: ContributeFlags): Promise<void> {
  const { version, metadata = [], proof = [], goalDigest } = flags
  if (goalDigest !== undefined && !/^[0-9a-f]{64}$/.test(goalDigest)) {
    throw new CliError(`--goal-digest: found ${JSON.stringify(goalDigest)}, allowed are 64 hex digits`, EXIT.usage)
  }
  const proofs = await Promise.all(
    proof.map(async (text) => {
      const [name, file] = pairOf('--proof', text)
      return [name, await bytesOf(file, LIMITS.contributionProofBytes)] as const
    }),
  )
  const parameters = await bytesOf(path, LIMITS.contributionParameterBytes)
  const key = openContributorKey(flags.key)
  const verdict = await interruptible((signal) =>
    clientFor(flags).goals.contribute({
      goalId,
      version,
      parameters,
      key,
      goalDigest,
      signal,
      metadata:
        metadata.length === 0 ? undefined : Object.fromEntries(metadata.map((text) => pairOf('--metadata', text))),
      proofs: proofs.length === 0 ? undefined : Object.fromEntries(proofs),
    }),
  )
  if (flags.json) printJson(verdict)
  if (!verdict.accepted) throw new CliError(refusal(verdict), EXIT.failure, verdict.rejection_type ?? 'REFUSED')
  if (flags.json) return
  const { score, metrics, log_index, contribution_id } = verdict
  printLine(`accepted: score ${score} at log index ${log_index}`)
  if (metrics !== null) {
    printLine(`  metrics       reward ${metrics.reward}, risk ${metrics.risk}, complexity ${metrics.complexity}`)
  }
  printLine(`  contribution  ${contribution_id}`)
  printLine(`  contributor   ${nodeIdOf(key.publicKey)}`)
  printLine(`next: cytoplex goal leaderboard ${safe(goalId)}${targetFlags(flags)}`)
}

const refusal = ({ rejection_type, reason }: ContributionVerdict): string =>
  rejection_type === null || reason.startsWith(rejection_type) ? reason : `${rejection_type}: ${reason}`

/** What is in a file, at most so many bytes. Throws `CliError`. */
async function bytesOf(path: string, most: number): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    const { size } = path === '-' ? { size: 0 } : await stat(path)
    if (size > most) throw tooLarge(path, size, most)
    bytes = path === '-' ? await buffer(process.stdin) : await readFile(path)
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError(`${path} cannot be read: ${errorMessage(error)}`, EXIT.failure)
  }
  if (bytes.length > most) throw tooLarge(path, bytes.length, most)
  return bytes
}

const tooLarge = (path: string, found: number, most: number): CliError =>
  new CliError(`${path} has ${found} bytes, at most ${most} are allowed`, EXIT.failure)
