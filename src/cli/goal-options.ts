import type { Command } from 'commander'
import { networkFlag } from './cell-keys.ts'
import type { NodeFlags } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { targetOptions } from './target.ts'

/** Flags of every verb about goals. */
export type GoalFlags = NodeFlags

/** Adds a verb about one goal, with the flags that all of them have. */
export function goalVerb(parent: Command, name: string, description: string, example: string): Command {
  const verb = parent.command(name).description(description).argument('<goal>', 'id of the goal')
  return withExample(verb, example)
}

/** Adds the flags that all verbs about goals have, and an example. */
export const withExample = (verb: Command, example: string): Command =>
  targetOptions(networkFlag(verb)).addHelpText('after', `\nExample:\n  ${example}`)

/** `text` before and after the first `=`. Throws `CliError`, exit code 2. */
export function pairOf(flag: string, text: string): [name: string, value: string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new CliError(`${flag}: found ${JSON.stringify(text)}, allowed is name=value`, EXIT.usage)
}
