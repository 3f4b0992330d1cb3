import { parse } from 'yaml'
import { CONFIG_KEYS, CONFIG_SECTIONS } from '../../src/kernel/config/keys.ts'
import { describe } from '../../src/kernel/config/setting.ts'

/** Every key with what `config/default.yaml` says of it. Throws when the file and the schema differ. */
export function configurationReference(yaml: string): string {
  const comments = commentsOf(yaml)
  const defaults = parse(yaml) as Record<string, unknown>
  const parts: string[] = []
  let section: string | undefined
  for (const { name, environment, schema } of CONFIG_KEYS) {
    const [first, second] = name.split('.') as [string, string | undefined]
    if (second !== undefined && first !== section) {
      section = first
      parts.push(`## ${first}`, comments.get(first) ?? '')
    }
    const comment = comments.get(name)
    if (comment === undefined) throw new Error(`config/default.yaml says nothing of ${name}`)
    const value = second === undefined ? defaults[first] : (defaults[first] as Record<string, unknown>)[second]
    const from = environment === undefined ? 'Only in a file.' : `Environment: \`${environment}\`.`
    parts.push(
      `${second === undefined ? '##' : '###'} ${name}`,
      comment.replace(/\s*Environment: \w+(, \w+)*\.?$/, ''),
      `Default: \`${JSON.stringify(value)}\`. ${from} Allowed: ${describe(schema as Parameters<typeof describe>[0])}.`,
    )
  }
  return `# Configuration

A file (\`--config\`, or \`CYTOPLEX_CONFIG\`) is overridden by the environment, which is overridden by flags. \`cytoplex config show\` prints what is in force and
where it came from. Sections: ${CONFIG_SECTIONS.map((name) => `[${name}](#${name})`).join(', ')}.

${parts.join('\n\n')}
`
}

/** Comments above the keys of the first two levels, by dotted name. */
function commentsOf(yaml: string): Map<string, string> {
  const comments = new Map<string, string>()
  let section = ''
  let said: string[] = []
  for (const line of yaml.split('\n')) {
    const comment = /^ *# ?(.*)$/.exec(line)?.[1]
    const [, indent, key] = /^((?: {2})?)([a-z0-9_]+):/.exec(line) ?? []
    if (comment !== undefined) said.push(comment)
    else if (key !== undefined) {
      if (indent === '') section = key
      comments.set(indent === '' ? key : `${section}.${key}`, said.join('\n'))
      said = []
    } else said = []
  }
  return comments
}
