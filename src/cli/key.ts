import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { AccessRole, ApiKeyCreated, ApiKeyId, ApiKeyInfo, ApiKeyList } from '../../protocol/access.ts'
import { askNode } from './ask-node.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, printTable } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface KeyOptions extends TargetOptions {
  json?: boolean
}

interface CreateOptions extends KeyOptions {
  role: string
  expires?: string
}

const PATH = '/api/v1/keys'
const ROLES = 'reader, publisher, admin'

/** `cytoplex key …`: keys that the administrator gives out. */
export function registerKeyCommands(program: Command): void {
  const key = program
    .command('key')
    .description('give out keys, list and revoke them')
    .addHelpText('after', '\nExample:\n  $ cytoplex key create build-server --role publisher')
  targetOptions(
    key
      .command('create')
      .description('create a key; it is shown once')
      .argument('<name>', 'what people call it')
      .requiredOption('--role <role>', `what it is for: ${ROLES}`)
      .option('--expires <time>', 'from when on it is refused, such as 2027-01-31T12:00:00Z'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex key create build-server --role publisher')
    .action(create)
  targetOptions(key.command('list').description('list the keys, without their secrets'))
    .addHelpText('after', '\nExample:\n  $ cytoplex key list')
    .action(list)
  targetOptions(
    key
      .command('revoke')
      .description('end a key, for good and at once')
      .argument('<id>', 'its id, from `cytoplex key list`'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex key revoke 00c1f2a9b37de845')
    .action(revoke)
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { role, expires } = options
  if (!Check(AccessRole, role)) {
    throw new CliError(`--role: found ${JSON.stringify(role)}, allowed are ${ROLES}`, EXIT.usage)
  }
  const body = { name, role, ...(expires === undefined ? {} : { expires_at: expires }) }
  const { answer } = await askNode(options, PATH, ApiKeyCreated, { method: 'POST', body })
  if (options.json) printJson(answer)
  else {
    printLine(answer.key)
    printLine(`\nThis is the only time that it is shown. It is the ${role} key ${answer.key_id}.`)
  }
}

async function list(options: KeyOptions): Promise<void> {
  const { answer } = await askNode(options, `${PATH}?limit=500`, ApiKeyList)
  if (options.json) {
    printJson(answer)
    return
  }
  if (answer.total === 0) printLine('No key was given out.')
  else {
    printTable(
      ['ID', 'NAME', 'ROLE', 'STATUS', 'CREATED', 'EXPIRES', 'LAST USED'],
      answer.keys.map((key) => [
        key.key_id,
        key.name,
        key.role,
        key.status,
        key.created_at,
        key.expires_at ?? 'never',
        key.last_used ?? 'never',
      ]),
    )
  }
  if (answer.total > answer.keys.length) printLine(`\n${answer.keys.length} of ${answer.total}.`)
}

async function revoke(id: string, options: KeyOptions): Promise<void> {
  if (!Check(ApiKeyId, id)) {
    throw new CliError(`found ${JSON.stringify(id)}, allowed is an id as cytoplex key list shows it`, EXIT.usage)
  }
  const { answer } = await askNode(options, `${PATH}/${encodeURIComponent(id)}`, ApiKeyInfo, { method: 'DELETE' })
  if (options.json) printJson(answer)
  else printLine(`The ${answer.role} key ${answer.key_id} (${answer.name}) is revoked.`)
}
