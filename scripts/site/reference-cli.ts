import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'

/** Columns of help texts, whatever the terminal is that builds the site. */
const WIDTH = 110

/** What `--help` says of every verb. */
export function cliReference(): string {
  const parts = [...verbs(createProgram(), [])].map(
    ({ names, help }) => `## ${names.join(' ')}\n\n\`\`\`\n${help.trim()}\n\`\`\`\n`,
  )
  return `# Command line\n\n${parts.join('\n')}`
}

function* verbs(command: Command, above: readonly string[]): Generator<{ names: string[]; help: string }> {
  const names = [...above, command.name()]
  let help = ''
  command.configureOutput({
    writeOut: (text) => (help += text),
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  })
  command.outputHelp()
  yield { names, help }
  for (const verb of command.commands) yield* verbs(verb, names)
}
