import type { Command } from 'commander'
import { type ProofJwk, ProofKeyRotated, PublicKeys } from '../../protocol/public-keys.ts'
import { askNode } from './ask-node.ts'
import { printJson, printLine, printTable } from './output.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface KeysOptions extends TargetOptions {
  json?: boolean
}

/** `cytoplex keys …`: the keys that the node itself signs with. */
export function registerKeysCommands(program: Command): void {
  const keys = program
    .command('keys')
    .description('list and replace the keys with which the node signs proofs of answers')
    .addHelpText('after', '\nExample:\n  $ cytoplex keys rotate')
  targetOptions(keys.command('list').description('list the keys, the one that signs now first'))
    .addHelpText('after', '\nExample:\n  $ cytoplex keys list')
    .action(list)
  targetOptions(
    keys
      .command('rotate')
      .description('replace the key that signs, at once; the old one stays listed, and what it has signed verifies'),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex keys rotate')
    .action(rotate)
}

async function list(options: KeysOptions): Promise<void> {
  const { answer } = await askNode(options, '/.well-known/public-keys.json', PublicKeys)
  if (options.json) printJson(answer)
  else {
    const rows = answer.keys.map((key, i) => [key.kid, i === 0 ? 'signs' : 'retired', dayOf(key.nbf), dayOf(key.exp)])
    printTable(['ID', 'STATUS', 'FROM', 'UNTIL'], rows)
  }
}

async function rotate(options: KeysOptions): Promise<void> {
  const { answer } = await askNode(options, '/api/v1/proof-keys/rotate', ProofKeyRotated, { method: 'POST' })
  if (options.json) printJson(answer)
  else {
    const { current, retired } = answer
    printLine(`Proofs are signed by the key ${current.kid} until ${dayOf(current.exp)}.`)
    if (retired !== null) printLine(`The key ${retired.kid} signs no longer. What it has signed verifies.`)
  }
}

const dayOf = (seconds: ProofJwk['nbf']): string => new Date(seconds * 1000).toISOString()
