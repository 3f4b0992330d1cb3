import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { Domain, Jurisdiction } from '../../protocol/assurance.ts'
import {
  Operator,
  OperatorCreated,
  type OperatorCreation,
  OperatorList,
  type Permission,
  Tier,
} from '../../protocol/operators.ts'
import { askNode } from './ask-node.ts'
import { repeated } from './cell-options.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { publicKeyInFile, saveSecret } from './operator-key.ts'
import { printJson, printLine, printTable, safe } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface OperatorOptions extends TargetOptions {
  json?: boolean
}

interface KeyOptions extends OperatorOptions {
  hmac?: true
  key?: string
  publicKey?: string
}

interface AddOptions extends KeyOptions {
  domain: readonly string[]
  tier?: string
}

const PATH = '/api/v1/operators'
const EXAMPLE =
  '\nExample:\n  $ cytoplex operator add team@example.org --key team.json --domain legal=EU,US --tier standard'

/** `cytoplex operator …`: those who ask signed questions. */
export function registerOperatorCommands(program: Command): void {
  const operator = program
    .command('operator')
    .description('register who may ask signed questions; list, rotate and suspend them')
    .addHelpText('after', EXAMPLE)
  const keyed = (command: Command): Command =>
    targetOptions(
      command
        .option(
          '--key <file>',
          'Ed25519 key to register, created when there is none; with --hmac: where the secret goes',
        )
        .option('--public-key <key>', 'Ed25519 key to register, 32 bytes in base64url'),
    )
  keyed(
    operator
      .command('add')
      .description('register an operator')
      .argument('<id>', 'a UUID or an email address')
      .requiredOption('--domain <domain[=jurisdictions]>', 'what it may ask about; repeat for more', repeated)
      .option('--tier <tier>', 'free, standard or enterprise')
      .option('--hmac', 'the node makes a secret, which is shown once'),
  )
    .addHelpText('after', EXAMPLE)
    .action(add)
  targetOptions(operator.command('list').description('list the operators, without their secrets'))
    .addHelpText('after', '\nExample:\n  $ cytoplex operator list')
    .action(list)
  keyed(
    operator
      .command('rotate')
      .description('give an operator a new key or secret; the old one ends at once, and so does a suspension')
      .argument('<id>', 'its id')
      .option('--hmac', 'it has a secret: the node makes another'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex operator rotate team@example.org --key new.json')
    .action(rotate)
  targetOptions(
    operator
      .command('suspend')
      .description('refuse an operator, at once and until its key is rotated')
      .argument('<id>', 'its id'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex operator suspend team@example.org')
    .action(suspend)
}

async function add(id: string, options: AddOptions): Promise<void> {
  const { tier } = options
  if (tier !== undefined && !Check(Tier, tier)) {
    throw new CliError(`--tier: found ${JSON.stringify(tier)}, allowed are free, standard, enterprise`, EXIT.usage)
  }
  const permissions = options.domain.map(permissionOf)
  const publicKey = publicKeyOf(options)
  const body: OperatorCreation = {
    operator_id: id,
    algorithm: publicKey === undefined ? 'hmac-sha256' : 'ed25519',
    permissions,
    ...(publicKey === undefined ? {} : { public_key: publicKey }),
    ...(tier === undefined ? {} : { tier }),
  }
  const { answer } = await askNode(options, PATH, OperatorCreated, { method: 'POST', body })
  show(answer, options, `${safe(answer.operator_id)} is registered, tier ${answer.tier}.`)
}

async function list(options: OperatorOptions): Promise<void> {
  const { answer } = await askNode(options, `${PATH}?limit=500`, OperatorList)
  if (options.json) return printJson(answer)
  if (answer.total === 0) return printLine('No operator is registered.')
  printTable(
    ['OPERATOR', 'TIER', 'STATUS', 'ALGORITHM', 'MAY ASK ABOUT', 'CREATED', 'ROTATED'],
    answer.operators.map((one) => [
      one.operator_id,
      one.tier,
      one.status,
      one.algorithm,
      one.permissions.map(permissionText).join(' '),
      one.created_at,
      one.rotated_at ?? 'never',
    ]),
  )
  if (answer.total > answer.operators.length) printLine(`\n${answer.operators.length} of ${answer.total}.`)
}

async function rotate(id: string, options: KeyOptions): Promise<void> {
  const publicKey = publicKeyOf(options)
  const body = publicKey === undefined ? {} : { public_key: publicKey }
  const path = `${PATH}/${encodeURIComponent(id)}/rotate`
  const { answer } = await askNode(options, path, OperatorCreated, { method: 'POST', body })
  show(answer, options, `${safe(answer.operator_id)} has a new key; the old one is refused.`)
}

async function suspend(id: string, options: OperatorOptions): Promise<void> {
  const { answer } = await askNode(options, `${PATH}/${encodeURIComponent(id)}`, Operator, { method: 'DELETE' })
  if (options.json) printJson(answer)
  else printLine(`${safe(answer.operator_id)} is suspended.`)
}

/** The key to register; undefined for a secret. */
function publicKeyOf({ hmac, key, publicKey }: KeyOptions): string | undefined {
  if (hmac) {
    if (publicKey !== undefined) throw new CliError('--hmac and --public-key exclude each other', EXIT.usage)
    if (key !== undefined && existsSync(key)) {
      throw new CliError(`${key} exists already, and is not overwritten: --key names another file`, EXIT.failure)
    }
    return undefined
  }
  if ((key === undefined) === (publicKey === undefined)) {
    throw new CliError('exactly one of --key, --public-key and --hmac is needed', EXIT.usage)
  }
  if (publicKey !== undefined) return publicKey
  const own = publicKeyInFile(key!)
  if (own !== undefined) return own
  throw new CliError(`${key} holds a secret, and no Ed25519 key: use --hmac, or another file`, EXIT.usage)
}

function show(answer: OperatorCreated, { json, key }: KeyOptions, line: string): void {
  const { secret, ...operator } = answer
  // What a file keeps need not be on a screen.
  const kept = secret !== undefined && key !== undefined
  if (kept) saveSecret(key, secret)
  if (json) {
    printJson(kept ? operator : answer)
    return
  }
  printLine(line)
  if (secret === undefined) return
  if (kept) printLine(`Its secret is in ${safe(key)}; the node does not show it again.`)
  else printLine(`\n${secret}\n\nThis is the only time that its secret is shown.`)
}

/** `legal` or `legal=EU,US-CA`. */
function permissionOf(text: string): Permission {
  const [domain = '', list] = text.split('=', 2)
  if (!Check(Domain, domain)) {
    const allowed = 'legal, finance, compliance, medical, general'
    throw new CliError(`--domain: found ${JSON.stringify(domain)}, allowed are ${allowed}`, EXIT.usage)
  }
  if (list === undefined) return { domain, jurisdictions: null }
  const jurisdictions = list.split(',')
  for (const jurisdiction of jurisdictions) {
    if (Check(Jurisdiction, jurisdiction)) continue
    throw new CliError(
      `--domain: found the jurisdiction ${JSON.stringify(jurisdiction)}, allowed is US-CA or EU`,
      EXIT.usage,
    )
  }
  return { domain, jurisdictions }
}

const permissionText = ({ domain, jurisdictions }: Permission): string =>
  jurisdictions === null ? domain : `${domain}=${jurisdictions.join(',')}`
