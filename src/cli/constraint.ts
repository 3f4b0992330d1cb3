import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { ConstraintList, RegisteredConstraint } from '../../protocol/constraints.ts'
import { CONTEXTS } from '../../protocol/contexts.ts'
import { toBase64Url } from '../kernel/base/bytes.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { ed25519FromSeed, signObject } from '../kernel/identity/keys.ts'
import { askNode } from './ask-node.ts'
import { keyFileNamed, networkFlag } from './cell-keys.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, printTable, safe } from './output.ts'
import { openSeed } from './seed-file.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface ConstraintOptions extends TargetOptions {
  json?: boolean
  operator?: string
}

interface AddOptions extends ConstraintOptions {
  key?: string
  network: string
}

const PATH = '/api/v1/constraints'
const EXAMPLE = '\nExample:\n  $ cytoplex constraint add no-advice.json'

/** `cytoplex constraint …`: what questions and answers have to fulfil. */
export function registerConstraintCommands(program: Command): void {
  const constraint = program
    .command('constraint')
    .description('register constraints that questions may name, list and remove them')
    .addHelpText('after', EXAMPLE)
  targetOptions(
    networkFlag(
      forOperator(
        constraint
          .command('add')
          .description('register a constraint or a newer version of one; it is signed here unless it is signed already')
          .argument('<file>', 'JSON: constraint_id, version, kind, parameters')
          .option(
            '--key <file>',
            'key that signs, created when there is none (default: ~/.config/cytoplex/constraints.json)',
          ),
      ),
    ),
  )
    .addHelpText('after', EXAMPLE)
    .action(add)
  targetOptions(forOperator(constraint.command('list').description('list the constraints')))
    .addHelpText('after', '\nExample:\n  $ cytoplex constraint list')
    .action(list)
  targetOptions(
    forOperator(constraint.command('rm').description('remove a constraint').argument('<id>', 'its constraint_id')),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex constraint rm no-advice')
    .action(remove)
}

const forOperator = (command: Command): Command =>
  command.option('--operator <id>', 'only for this operator; everybody unless given')

async function add(path: string, options: AddOptions): Promise<void> {
  const said = await readConstraint(path)
  const constraint = 'signature' in said ? said : signed(said, options)
  const body = { constraint, ...(options.operator === undefined ? {} : { operator_id: options.operator }) }
  const { answer } = await askNode(options, PATH, RegisteredConstraint, { method: 'POST', body })
  if (options.json) return printJson(answer)
  const { constraint_id: id, version } = answer.constraint
  printLine(`${safe(id)} has version ${version}, ${whoseOf(answer)}.`)
}

async function list(options: ConstraintOptions): Promise<void> {
  const { answer } = await askNode(options, PATH + queryOf(options), ConstraintList)
  if (options.json) return printJson(answer)
  if (answer.constraints.length === 0) return printLine('There is no constraint.')
  printTable(
    ['CONSTRAINT', 'VERSION', 'KIND', 'OPERATOR', 'REGISTERED', 'BY'],
    answer.constraints.map(({ constraint, operator_id, registered_at, registered_by }) => [
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
  const path = `${PATH}/${encodeURIComponent(id)}${queryOf(options)}`
  const { answer } = await askNode(options, path, RegisteredConstraint, { method: 'DELETE' })
  if (options.json) return printJson(answer)
  printLine(`${safe(answer.constraint.constraint_id)} is gone, ${whoseOf(answer)}.`)
}

const queryOf = ({ operator }: ConstraintOptions): string =>
  operator === undefined ? '' : `?operator_id=${encodeURIComponent(operator)}`

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
