import type { Command } from 'commander'
import { registerFederationAdd } from './federation-add.ts'
import { registerFederationInvite } from './federation-invite.ts'
import { registerFederationList } from './federation-list.ts'
import { registerFederationRemove } from './federation-remove.ts'
import { registerFederationSet } from './federation-set.ts'
import { registerFederationStatus } from './federation-status.ts'

/** `cytoplex federation …`: partners of a node. */
export function registerFederationCommands(program: Command): void {
  const federation = program
    .command('federation')
    .description('become partners with other nodes, and decide what they may do')
    .addHelpText(
      'after',
      '\nExamples:\n  $ cytoplex federation invite\n  $ cytoplex federation add https://a.example --secret ci1.…',
    )
  registerFederationInvite(federation)
  registerFederationAdd(federation)
  registerFederationSet(federation)
  registerFederationList(federation)
  registerFederationRemove(federation)
  registerFederationStatus(federation)
}
