import type { Command } from 'commander'
import { Partner } from '../../protocol/federation.ts'
import { askNode } from './ask-node.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { FEDERATION_PATH, type TermsOptions, termsOf, termsOptions } from './federation-terms.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetOptions } from './target.ts'

interface SetOptions extends TermsOptions {
  url?: string
  name?: string
  partnerToken?: string
}

/** `cytoplex federation set`: changes what a partner may do. */
export function registerFederationSet(federation: Command): void {
  const set = federation
    .command('set')
    .description('change how far a partner is trusted, what it may do, and where it is')
    .argument('<id>', 'its provider id, from `cytoplex federation list`')
    .option('--url <url>', 'where it is')
    .option('--name <name>', 'what to call it')
    .option('--partner-token <token>', 'the token that it gave for this node, where there was no invitation')
  targetOptions(termsOptions(set))
    .addHelpText('after', '\nExample:\n  $ cytoplex federation set 12D3KooW… --trust trusted --auto-forward')
    .action(run)
}

async function run(id: string, options: SetOptions): Promise<void> {
  const { url, name, partnerToken } = options
  const body = {
    ...(url === undefined ? {} : { url }),
    ...(name === undefined ? {} : { name }),
    ...(partnerToken === undefined ? {} : { partner_token: partnerToken }),
    ...termsOf(options),
  }
  if (Object.keys(body).length === 0) throw new CliError('say what is to change, such as --trust trusted', EXIT.usage)
  const path = `${FEDERATION_PATH}/partners/${encodeURIComponent(id)}`
  const { answer } = await askNode(options, path, Partner, { method: 'PATCH', body })
  if (options.json) printJson(answer)
  else printLine(`${safe(answer.provider_id)} is changed.`)
}
