import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Constraint, RegisteredConstraint } from '../../protocol/constraints.ts'
import { CONTEXTS } from '../../protocol/contexts.ts'
import type { ConstraintsClient } from '../client/index.ts'
import { toBase64Url } from '../kernel/base/bytes.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { ed25519FromSeed, signObject } from '../kernel/identity/keys.ts'
import { keyFileNamed, networkFlag } from './cell-keys.ts'
import { clientFor, type NodeFlags } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { openOperatorKey, operatorKeyFile } from './operator-key.ts'
import { printJson, printLine, printTable, safe } from './output.ts'
import { openSeed } from './seed-file.ts'
import { targetOptions } from './target.ts'

interface ConstraintOptions extends NodeFlags {
  operator?: string
  as?: string
  operatorKey?: string
}

interface AddOptions extends ConstraintOptions {
  key?: string
  network: string
}

const EXAMPLE = '\nExample:\n  $ cytoplex constraint add no-advice.json'

/** `cytoplex constraint …`: what questions and answers have to fulfil. */
export function registerConstraintCommands(program: Command): void {
  const constraint = program
    .command('constraint')
    .description('register constraints that questions may name, list and remove them')
    .addHelpText('after', EXAMPLE)
  withOwner(
    constraint
      .command('add')
      .description('register a constraint or a newer version of one; it is signed here unless it is signed already')
      .argument('<file>', 'JSON: constraint_id, version, kind, parameters')
      .option(
        '--key <file>',
        'key that signs, created when there is none (default: ~/.config/cytoplex/constraints.json)',
      ),
  )
    .addHelpText('after', `${EXAMPLE}\n  $ cytoplex constraint add no-advice.json --as team@example.org`)
    .action(add)
  withOwner(constraint.command('list').description('list the constraints'))
    .addHelpText('after', '\nExample:\n  $ cytoplex constraint list')
    .action(list)
  withOwner(constraint.command('rm').description('remove a constraint').argument('<id>', 'its constraint_id'))
    .addHelpText('after', '\nExample:\n  $ cytoplex constraint rm no-advice')
    .action(remove)
}

/** Adds the flags that say whose constraints are meant, and those of every verb. */
const withOwner = (command: Command): Command =>
  targetOptions(
    networkFlag(
      command
        .option('--operator <id>', 'only for this operator; everybody unless given (administrator)')
        .option('--as <id>', "as this operator, for its own questions, instead of with the administrator's key")
        .option('--operator-key <file>', 'key of the operator of --as (default: ~/.config/cytoplex/operator.json)'),
    ),
  )

function constraintsOf({ as, operatorKey, ...flags }: ConstraintOptions): ConstraintsClient {
  return clientFor(flags, as === undefined ? {} : { operator: openOperatorKey(operatorKeyFile(operatorKey), as) })
    .constraints
}

async function add(path: string, options: AddOptions): Promise<void> {
  const said = await readConstraint(path)
  // The node says what is wrong with it.
  const constraint = ('signature' in said ? said : signed(said, options)) as Constraint
  const answer = await constraintsOf(options).add({ constraint, ...whose(options) })
  if (options.json) return printJson(answer)
  const { constraint_id: id, version } = answer.constraint
  printLine(`${safe(id)} has version ${version}, ${whoseOf(answer)}.`)
}

async function list(options: ConstraintOptions): Promise<void> {
  const constraints = await constraintsOf(options).list(whose(options))
  if (options.json) return printJson({ constraints })
  if (constraints.length === 0) return printLine('There is no constraint.')
  printTable(
    ['CONSTRAINT', 'VERSION', 'KIND', 'OPERATOR', 'REGISTERED', 'BY'],
    constraints.map(({ constraint, operator_id, registered_at, registered_by }) => [
      constraint.constraint_id,
      constraint.version,
      constraint.kind,
      operator_id ?? 'everybody',
      registered_at,
      registered_by,
    ]),
  )
}

async function remove(id: string, options: ConstraintOptions): Promise<void> {
  const answer = await constraintsOf(options).remove(id, whose(options))
  if (options.json) return printJson(answer)
  printLine(`${safe(answer.constraint.constraint_id)} is gone, ${whoseOf(answer)}.`)
}

const whose = ({ operator }: ConstraintOptions): { operator_id?: string } =>
  operator === undefined ? {} : { operator_id: operator }

const whoseOf = ({ operator_id: operatorId }: RegisteredConstraint): string =>
  operatorId === null ? 'for everybody' : `for ${safe(operatorId)}`

async function readConstraint(path: string): Promise<object> {
  let json: unknown
  try {
    json = parseStrictJson(await readFile(path))
  } catch (error) {
    throw new CliError(`${path}: ${errorMessage(error)}`, EXIT.failure)
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json
  throw new CliError(`${path}: a constraint is a JSON object`, EXIT.failure)
}

function signed(said: object, { key: path = keyFileNamed('constraints.json'), network }: AddOptions): object {
  const key = ed25519FromSeed(openSeed(path, 'constraint'))
  const unsigned = { format: 1, ...said, public_key: toBase64Url(key.publicKey) }
  return { ...unsigned, signature: signObject(key, network, CONTEXTS.constraint, unsigned) }
}
