import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { GOAL_DEFAULTS, GoalCreation } from '../../protocol/goal-api.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { schemaFinding } from '../kernel/base/schema-findings.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { repeated } from './cell-options.ts'
import { clientFor } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { type GoalFlags, withExample } from './goal-options.ts'
import { anyNumber, wholeNumber } from './number-flags.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetFlags } from './target.ts'

interface CreateFlags extends GoalFlags {
  readonly evaluator: string
  readonly name?: string
  readonly description?: string
  readonly fuel?: number
  readonly memoryPages?: number
  readonly seed?: readonly string[]
  readonly difficulty?: number
  readonly contributor?: readonly string[]
  readonly perContributor?: number
  readonly weights?: string
  readonly minScore?: number
  readonly pareto?: true
  readonly capacity?: number
  readonly bound?: readonly string[]
  readonly schema?: string
  readonly proof?: readonly string[]
}

const creationSchema = checkerOf(GoalCreation)

/** `goal create`: a goal, signed by the node. */
export function registerGoalCreate(goal: Command): void {
  const { weights, ...usual } = GOAL_DEFAULTS
  const usually = (value: number): string => `(default: ${value})`
  const verb = goal
    .command('create')
    .description('create a goal, which the node signs, joins, and tells its federation')
    .argument('<goal>', 'id of the goal: letters, digits, _ and -')
    .requiredOption('--evaluator <digest>', 'WebAssembly cell that evaluates: the digest of its package, sha256:…')
    .option('--name <text>', 'what people call it (default: the id)')
    .option('--description <text>', 'what is to be optimised')
    .option('--fuel <n>', `instructions of one evaluation ${usually(usual.fuel)}`, wholeNumber('--fuel', 1))
    .option(
      '--memory-pages <n>',
      `its memory, in pages of 64 KiB ${usually(usual.memory_pages)}`,
      wholeNumber('--memory-pages', 1),
    )
    .option('--seed <n>', 'evaluate with this seed; repeat for the mean of several (default: 0)', repeated)
    .option(
      '--difficulty <bits>',
      `proof of work of each contribution ${usually(usual.difficulty)}`,
      wholeNumber('--difficulty'),
    )
    .option('--contributor <id>', 'who alone may contribute, without work; repeat for more', repeated)
    .option(
      '--per-contributor <n>',
      `contributions of one contributor that are kept ${usually(usual.per_contributor)}`,
      wholeNumber('--per-contributor', 1),
    )
    .option('--weights <reward,risk,complexity>', `of the score (default: ${Object.values(weights).join()})`)
    .option('--min-score <n>', 'refuse what scores less', anyNumber('--min-score'))
    .option('--pareto', 'rank by what nothing else beats in everything, instead of by score')
    .option('--capacity <n>', `entries of the leaderboard ${usually(usual.capacity)}`, wholeNumber('--capacity', 1))
    .option('--bound <rule>', 'such as "risk<=0.5", of reward, risk, complexity or score; repeat for more', repeated)
    .option('--schema <file>', 'JSON Schema that each pack must fit')
    .option('--proof <name>', 'proof that each pack must bring; repeat for more', repeated)
  withExample(verb, `$ cytoplex goal create my-goal --evaluator sha256:${'0a'.repeat(32)} --bound "risk<=0.5"`).action(
    create,
  )
}

async function create(id: string, flags: CreateFlags): Promise<void> {
  const creation: unknown = JSON.parse(JSON.stringify(await creationOf(id, flags)))
  if (!creationSchema.Check(creation)) {
    throw new CliError(schemaFinding('the goal', creation, creationSchema.Errors(creation)), EXIT.usage)
  }
  const known = await clientFor(flags).goals.create(creation)
  if (flags.json) return printJson(known)
  printLine(`${safe(id)} is created, and joined.`)
  printLine(`  digest     ${known.digest}`)
  printLine(`  evaluator  ${known.goal.evaluator.digest}`)
  printLine(`next: cytoplex goal contribute ${safe(id)} <file> --version 1.0${targetFlags(flags)}`)
}

async function creationOf(goal_id: string, flags: CreateFlags): Promise<Readonly<Record<string, unknown>>> {
  const { evaluator, fuel, memoryPages, seed, weights, minScore, capacity, proof, bound } = flags
  return {
    goal_id,
    name: flags.name,
    description: flags.description,
    evaluator: { digest: evaluator, fuel, memory_pages: memoryPages },
    seeds: seed?.map(wholeNumber('--seed')),
    admission: admissionOf(flags),
    per_contributor: flags.perContributor,
    weights: weights === undefined ? undefined : weightsOf(weights),
    min_score: minScore,
    mode: flags.pareto ? 'pareto' : undefined,
    capacity,
    invariants: {
      schema: flags.schema === undefined ? undefined : await schemaIn(flags.schema),
      bounds: bound?.map(boundOf),
    },
    proofs: proof,
  }
}

function admissionOf({ difficulty, contributor }: CreateFlags): object | undefined {
  if (contributor === undefined) return difficulty === undefined ? undefined : { kind: 'open', difficulty }
  if (difficulty === undefined) return { kind: 'closed', contributors: contributor }
  throw new CliError('say either --difficulty, for everybody, or --contributor', EXIT.usage)
}

function weightsOf(text: string): object {
  const [reward, risk, complexity, ...more] = text.split(',').map(anyNumber('--weights'))
  if (complexity !== undefined && more.length === 0) return { reward, risk, complexity }
  throw new CliError(
    `--weights: found ${JSON.stringify(text)}, allowed are three numbers such as 1,-0.5,-0.01`,
    EXIT.usage,
  )
}

function boundOf(text: string): object {
  const [, of, sign, value] = /^\s*(\w+)\s*(<=|>=)\s*(\S+)\s*$/.exec(text) ?? []
  if (value === undefined) {
    throw new CliError(`--bound: found ${JSON.stringify(text)}, allowed is a rule such as risk<=0.5`, EXIT.usage)
  }
  return { of, [sign === '<=' ? 'max' : 'min']: anyNumber('--bound')(value) }
}

async function schemaIn(path: string): Promise<unknown> {
  try {
    return parseStrictJson(await readFile(path))
  } catch (error) {
    throw new CliError(`--schema: ${path} cannot be read: ${errorMessage(error)}`, EXIT.usage)
  }
}
