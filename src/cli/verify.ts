import type { Command } from 'commander'
import { registerVerifyAnswer } from './verify-answer.ts'
import { registerVerifyProof } from './verify-proof.ts'

/** Adds `cytoplex verify …`: what anybody can check without asking a node. */
export function registerVerifyCommands(program: Command): void {
  const verify = program
    .command('verify')
    .description('verify what nodes have signed, offline')
    .addHelpText('after', '\nExample:\n  $ cytoplex verify proof proof.json')
  registerVerifyProof(verify)
  registerVerifyAnswer(verify)
}
