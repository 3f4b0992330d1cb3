import { Argument, type Command } from 'commander'
import { bashScript, type CompletedVerb, fishScript, zshScript } from './completion-scripts.ts'
import { HELP } from './help.ts'
import { printLine } from './output.ts'

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript }

/** `cytoplex completion`: what a shell needs to complete verbs and flags. */
export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print the completions for a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      `
Examples:
  $ cytoplex completion bash > ~/.local/share/bash-completion/completions/cytoplex
  $ cytoplex completion zsh > ~/.zfunc/_cytoplex
  $ cytoplex completion fish > ~/.config/fish/completions/cytoplex.fish`,
    )
    .action((shell: keyof typeof SCRIPTS) => printLine(SCRIPTS[shell](verbsOf(program)).trimEnd()))
}

/** Every verb of a program, its sub-verbs behind it, with its flags. */
export function verbsOf(program: Command, path: readonly string[] = []): CompletedVerb[] {
  const help = program.createHelp()
  const verbs = help
    .visibleCommands(program)
    .map((verb) => ({ name: verb.name(), description: firstLine(verb.description()) }))
  const options = help.visibleOptions(program).flatMap((option) => {
    const takesFile = /<(file|dir|folder)>/.test(option.flags)
    const kind = option.required || option.optional ? (takesFile ? 'file' : 'value') : 'none'
    return [option.long, option.short].flatMap((flag) =>
      flag == null ? [] : [{ flag, description: firstLine(option.description), kind } as const],
    )
  })
  const args = program.registeredArguments
  const own: CompletedVerb = {
    path,
    verbs,
    options,
    choices: args.flatMap(({ argChoices }) => argChoices ?? []),
    takesFiles: args.some((argument) => /file|folder/.test(argument.name())),
  }
  // The scripts pass over words that are no verbs: behind help the verbs are completed as they are without it.
  const others = program.commands.filter((verb) => verb.name() !== HELP)
  return [own, ...others.flatMap((verb) => verbsOf(verb, [...path, verb.name()]))]
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''
