import type { Command } from 'commander'
import { FederationStatus } from '../../protocol/federation.ts'
import { askNode } from './ask-node.ts'
import { FEDERATION_PATH } from './federation-terms.ts'
import { printJson, printLine, safe } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface StatusOptions extends TargetOptions {
  json?: boolean
}

/** `cytoplex federation status`: whether there is a federation, and how its partners are doing. */
export function registerFederationStatus(federation: Command): void {
  targetOptions(federation.command('status').description('show how the federation is doing'))
    .addHelpText('after', '\nExample:\n  $ cytoplex federation status')
    .action(run)
}

async function run(options: StatusOptions): Promise<void> {
  const { answer } = await askNode(options, `${FEDERATION_PATH}/status`, FederationStatus)
  if (options.json) {
    printJson(answer)
    return
  }
  if (!answer.federation_enabled) {
    printLine('Federation is off on this node (federation.enabled).')
    return
  }
  const counts = new Map<string, number>()
  for (const { status } of answer.federation_partners) counts.set(status, (counts.get(status) ?? 0) + 1)
  const states = Array.from(counts, ([status, count]) => `${count} ${status}`).join(', ')
  printLine(`Federation: ${safe(answer.federation_name)} (${safe(answer.federation_id)})`)
  printLine(`Partners:   ${answer.federation_partners.length}${states === '' ? '' : ` (${states})`}`)
  const policies = Object.entries(answer.federation_policies).map(([name, isOn]) => `${name} ${isOn ? 'on' : 'off'}`)
  printLine(`Policies:   ${policies.join(', ')}, unless a partner's say otherwise`)
}
