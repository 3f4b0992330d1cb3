import type { Command } from 'commander'
import { InvitationCreated } from '../../protocol/federation.ts'
import { askNode } from './ask-node.ts'
import { FEDERATION_PATH, type TermsOptions, termsOf, termsOptions } from './federation-terms.ts'
import { printJson, printLine, safe } from './output.ts'
import { targetOptions } from './target.ts'

interface InviteOptions extends TermsOptions {
  privateUrl?: boolean
  url?: string
}

const LOOPBACK = /^https?:\/\/(?:127\.|localhost\b|\[::1\])/i

/** `cytoplex federation invite`: what to run on the other node. */
export function registerFederationInvite(federation: Command): void {
  const invite = federation
    .command('invite')
    .description('print the command that makes another node a partner of this one; it holds ten minutes, for one node')
    .option('--url <url>', 'where the other node reaches this one (default: http.public_url, else the URL used here)')
    .option('--private-url', "allow that the partner's own URL is a private or loopback address")
  targetOptions(termsOptions(invite))
    .addHelpText('after', '\nExample:\n  $ cytoplex federation invite --trust trusted')
    .action(run)
}

async function run(options: InviteOptions): Promise<void> {
  const body = { ...termsOf(options), ...(options.privateUrl === true ? { private_url: true } : {}) }
  const { url, answer } = await askNode(options, `${FEDERATION_PATH}/invitations`, InvitationCreated, {
    method: 'POST',
    body,
  })
  const reached = options.url ?? answer.url ?? url
  if (options.json) {
    printJson({ ...answer, url: reached })
    return
  }
  printLine(`cytoplex federation add ${safe(reached)} --secret ${safe(answer.invitation)}`)
  if (LOOPBACK.test(reached)) printLine('\nThat URL is for this machine only: for another one, say --url.')
  printLine(`\nRun this on the other node before ${safe(answer.expires_at)}. It works once, and is shown only now.`)
}
