import type { Command } from 'commander'
import { Partner } from '../../protocol/federation.ts'
import { askNode } from './ask-node.ts'
import { FEDERATION_PATH, type TermsOptions, termsOf, termsOptions } from './federation-terms.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetOptions } from './target.ts'

/** `cytoplex federation set`: changes what a partner may do. */
export function registerFederationSet(federation: Command): void {
  const set = federation
    .command('set')
    .description('change how far a partner is trusted, and what it may do')
    .argument('<id>', 'its provider id, from `cytoplex federation list`')
  targetOptions(termsOptions(set))
    .addHelpText('after', '\nExample:\n  $ cytoplex federation set 12D3KooW… --trust trusted --auto-forward')
    .action(run)
}

async function run(id: string, options: TermsOptions): Promise<void> {
  const path = `${FEDERATION_PATH}/partners/${encodeURIComponent(id)}`
  const { answer } = await askNode(options, path, Partner, { method: 'PATCH', body: termsOf(options) })
  if (options.json) printJson(answer)
  else printLine(`${safe(answer.provider_id)} is changed.`)
}
