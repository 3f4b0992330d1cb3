import type { Command } from 'commander'
import { FederationStatus, type Partner } from '../../protocol/federation.ts'
import { askNode } from './ask-node.ts'
import { FEDERATION_PATH } from './federation-terms.ts'
import { printJson, printLine, printTable } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface ListOptions extends TargetOptions {
  json?: boolean
}

/** `cytoplex federation list`: the partners, and those who are about to be. */
export function registerFederationList(federation: Command): void {
  targetOptions(federation.command('list').description('list the partners'))
    .addHelpText('after', '\nExample:\n  $ cytoplex federation list')
    .action(run)
}

async function run(options: ListOptions): Promise<void> {
  const { answer } = await askNode(options, `${FEDERATION_PATH}/status`, FederationStatus)
  const { federation_partners: partners, pending_partners: pending = [] } = answer
  if (options.json) {
    printJson({ federation_partners: partners, pending_partners: pending })
    return
  }
  if (partners.length === 0) printLine('This node has no partner.')
  else {
    printTable(
      ['PROVIDER', 'NAME', 'STATUS', 'TRUST', 'POLICIES', 'CELLS', 'URL'],
      partners.map((partner) => [
        partner.provider_id,
        partner.name,
        partner.status,
        partner.trust_level,
        policiesOf(partner),
        partner.cell_count,
        partner.url,
      ]),
    )
  }
  if (pending.length === 0) return
  printLine('\nPending:')
  printTable(
    ['PROVIDER', 'URL', 'SINCE', 'ATTEMPTS', 'LAST ERROR'],
    pending.map((one) => [one.provider_id, one.url, one.since, one.attempts, one.last_error]),
  )
}

function policiesOf({ federation_policies: policies }: Partner): string {
  return Object.entries(policies ?? {})
    .filter(([, isOn]) => isOn)
    .map(([name]) => name)
    .join(' ')
}
