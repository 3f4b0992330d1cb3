import type { Command } from 'commander'
import { PartnerAdded } from '../../protocol/federation.ts'
import { askNode } from './ask-node.ts'
import { FEDERATION_PATH, type TermsOptions, termsOf, termsOptions } from './federation-terms.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetFlags, targetOptions } from './target.ts'

interface AddOptions extends TermsOptions {
  secret: string
  providerId?: string
  name?: string
  partnerToken?: string
  ownUrl?: string
}

/** `cytoplex federation add`: the other half of `federation invite`, or a provider that only knows the document. */
export function registerFederationAdd(federation: Command): void {
  const add = federation
    .command('add')
    .description('make the node at a URL a partner')
    .argument('<url>', 'where it is, such as https://a.example')
    .requiredOption('--secret <secret>', 'its invitation (ci1.…), or what the two operators agreed')
    .option('--own-url <url>', 'where it reaches this node (default: http.public_url)')
    .option('--provider-id <id>', 'its provider id; an invitation says it')
    .option('--name <name>', 'what to call it')
    .option('--partner-token <token>', 'the token that it gave for this node, where there is no invitation')
  targetOptions(termsOptions(add))
    .addHelpText('after', '\nExample:\n  $ cytoplex federation add https://a.example --secret ci1.…')
    .action(run)
}

async function run(url: string, options: AddOptions): Promise<void> {
  const { secret, providerId, name, partnerToken, ownUrl } = options
  const body = {
    url,
    shared_secret: secret,
    ...(providerId === undefined ? {} : { provider_id: providerId }),
    ...(name === undefined ? {} : { name }),
    ...(partnerToken === undefined ? {} : { partner_token: partnerToken }),
    ...(ownUrl === undefined ? {} : { own_url: ownUrl }),
    ...termsOf(options),
  }
  const { answer } = await askNode(options, `${FEDERATION_PATH}/partners`, PartnerAdded, { method: 'POST', body })
  if (options.json) printJson(answer)
  else if (answer.status === 'pending') printLine(`${safe(answer.partner_id)} is pending: ${safe(answer.message)}.`)
  else {
    printLine(`${safe(answer.partner_id)} is a partner: ${safe(answer.message)}.`)
    printLine(
      `next: cytoplex federation set ${safe(answer.partner_id)} --auto-forward${targetFlags(options)} asks it for cells that nobody announces`,
    )
    // Between nodes with an invitation the tokens went over by themselves.
    if (!secret.startsWith('ci1.')) printLine(`\nfederation_token: ${safe(answer.federation_token ?? '')}`)
  }
}
