import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { Approval, ApprovalList } from '../../protocol/approvals.ts'
import { Domain, Jurisdiction } from '../../protocol/assurance.ts'
import { askNode } from './ask-node.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, printTable } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface ApprovalOptions extends TargetOptions {
  json?: boolean
}

const PATH = '/api/v1/assurance/approvals'
const DOMAINS = Domain.anyOf.map((one) => one.const).join(', ')
const PUBLISHER = /^[0-9a-f]{64}$/
const EXAMPLE = '\nExample:\n  $ cytoplex approval add legal 4b1f…e0 --jurisdiction EU'

/** `cytoplex approval …`: whose documents questions are answered from. */
export function registerApprovalCommands(program: Command): void {
  const approval = program
    .command('approval')
    .description('say whose documents questions are answered from')
    .addHelpText('after', EXAMPLE)
  targetOptions(
    approval
      .command('add')
      .description("approve a publisher's documents for a domain, in place of what was approved of it before")
      .argument('<domain>', DOMAINS)
      .argument('<publisher>', 'its id: 64 hexadecimal digits')
      .option('--jurisdiction <list>', 'only documents that are labelled with one of these, such as EU,US-CA'),
  )
    .addHelpText('after', EXAMPLE)
    .action(add)
  targetOptions(approval.command('list').description('list the approvals'))
    .addHelpText('after', '\nExample:\n  $ cytoplex approval list')
    .action(list)
  targetOptions(
    approval
      .command('rm')
      .description('take an approval back: the documents are not quoted any more, at once')
      .argument('<domain>', DOMAINS)
      .argument('<publisher>', 'its id'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex approval rm legal 4b1f…e0')
    .action(remove)
}

async function add(
  domain: string,
  publisher: string,
  options: ApprovalOptions & { jurisdiction?: string },
): Promise<void> {
  checkName(domain, publisher)
  const jurisdictions = options.jurisdiction?.split(',').map((one) => one.trim()) ?? null
  for (const one of jurisdictions ?? []) {
    if (!Check(Jurisdiction, one))
      throw new CliError(
        `--jurisdiction: found ${JSON.stringify(one)}, allowed are codes such as EU and US-CA`,
        EXIT.usage,
      )
  }
  const body = { domain, publisher, jurisdictions }
  const { answer } = await askNode(options, PATH, Approval, { method: 'PUT', body })
  if (options.json) return printJson(answer)
  printLine(`Questions about ${answer.domain} are answered from documents of ${answer.publisher}${whereOf(answer)}.`)
}

async function list(options: ApprovalOptions): Promise<void> {
  const { answer } = await askNode(options, PATH, ApprovalList)
  if (options.json) return printJson(answer)
  if (answer.approvals.length === 0) return printLine('Nobody is approved: no question is answered.')
  printTable(
    ['DOMAIN', 'PUBLISHER', 'JURISDICTIONS', 'APPROVED', 'BY'],
    answer.approvals.map((one) => [
      one.domain,
      one.publisher,
      one.jurisdictions?.join(', ') ?? 'all',
      one.approved_at,
      one.approved_by,
    ]),
  )
}

async function remove(domain: string, publisher: string, options: ApprovalOptions): Promise<void> {
  checkName(domain, publisher)
  const { answer } = await askNode(options, `${PATH}/${domain}/${publisher}`, Approval, { method: 'DELETE' })
  if (options.json) return printJson(answer)
  printLine(`Documents of ${answer.publisher} are not quoted any more about ${answer.domain}.`)
}

function checkName(domain: string, publisher: string): void {
  if (!Check(Domain, domain)) throw new CliError(`found ${JSON.stringify(domain)}, allowed are ${DOMAINS}`, EXIT.usage)
  if (!PUBLISHER.test(publisher))
    throw new CliError(`found ${JSON.stringify(publisher)}, allowed is an id of 64 hexadecimal digits`, EXIT.usage)
}

const whereOf = ({ jurisdictions }: Approval): string =>
  jurisdictions === null ? '' : `, where they are labelled ${jurisdictions.join(' or ')}`
