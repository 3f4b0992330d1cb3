import type { Command } from 'commander'
import { CliError, EXIT } from './exit-codes.ts'

/** Name of the verb. */
export const HELP = 'help'

/** `cytoplex help`: what `--help` prints, for who says it the other way round. */
export function registerHelp(program: Command): void {
  program
    .command(HELP)
    .description('explain a verb')
    .argument('[verb...]', 'which one, such as cell push')
    .addHelpText('after', '\nExample:\n  $ cytoplex help cell push')
    .action((words: string[]) => explain(program, words))
}

async function explain(program: Command, words: readonly string[]): Promise<void> {
  let verb = program
  for (const [i, word] of words.entries()) {
    const next = verb.commands.find((one) => one.name() === word || one.aliases().includes(word))
    if (next === undefined) {
      // What takes verbs knows those that are close to this one.
      if (verb.commands.length > 0) await program.parseAsync(words.slice(0, i + 1), { from: 'user' })
      throw new CliError(`unknown command '${word}'`, EXIT.usage)
    }
    verb = next
  }
  verb.outputHelp()
}
