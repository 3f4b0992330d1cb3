/** A verb, as far as completing it needs. */
export interface CompletedVerb {
  /** From the program on: none for the program itself. */
  readonly path: readonly string[]
  readonly verbs: readonly { readonly name: string; readonly description: string }[]
  readonly options: readonly {
    readonly flag: string
    readonly description: string
    /** What follows the flag. */
    readonly kind: 'none' | 'value' | 'file'
  }[]
  /** Words that an argument may be. */
  readonly choices: readonly string[]
  readonly takesFiles: boolean
}

const NAME = 'cytoplex'
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
const flags = ({ options }: CompletedVerb, ...kinds: CompletedVerb['options'][number]['kind'][]): string[] =>
  options.filter(({ kind }) => kinds.includes(kind)).map(({ flag }) => flag)

/** The deepest verb that was typed decides: words that are no verbs of it, and what follows flags, are passed over. */
export function bashScript(verbs: readonly CompletedVerb[]): string {
  const cases = verbs.map((verb) => {
    const words = [...verb.verbs.map(({ name }) => name), ...verb.choices, ...verb.options.map(({ flag }) => flag)]
    return [
      `    ${quoted(verb.path.join(' '))})`,
      `      words=${quoted(words.join(' '))}`,
      `      files=${quoted(flags(verb, 'file').join(' '))}`,
      `      values=${quoted(flags(verb, 'value').join(' '))}`,
      `      arguments=${verb.takesFiles ? 'files' : 'none'}`,
      '      ;;',
    ].join('\n')
  })
  const paths = verbs.map(({ path }) => quoted(path.join(' '))).join('|')
  return `# bash completion of ${NAME}, made by: ${NAME} completion bash
_${NAME}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local path='' words='' files='' values='' arguments=none i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${path:+$path }\${COMP_WORDS[i]}" in
      ${paths})
        path="\${path:+$path }\${COMP_WORDS[i]}"
        ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  if [[ " $files " == *" $previous "* ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
  elif [[ " $values " == *" $previous "* ]]; then
    COMPREPLY=()
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ $arguments == files && "$current" != -* ]]; then COMPREPLY+=($(compgen -f -- "$current")); fi
  fi
}
complete -o filenames -F _${NAME} ${NAME}
`
}

/** The same for zsh, with descriptions. */
export function zshScript(verbs: readonly CompletedVerb[]): string {
  const described = (name: string, description: string): string =>
    quoted(`${name.replaceAll(':', '\\:')}:${description.replaceAll(':', '\\:')}`)
  const cases = verbs.map((verb) => {
    const words = [
      ...verb.verbs.map(({ name, description }) => described(name, description)),
      ...verb.choices.map((choice) => described(choice, 'value')),
      ...verb.options.map(({ flag, description }) => described(flag, description)),
    ]
    return [
      `    ${quoted(verb.path.join(' '))})`,
      `      words=(${words.join(' ')})`,
      `      files=(${flags(verb, 'file').map(quoted).join(' ')})`,
      `      values=(${flags(verb, 'value').map(quoted).join(' ')})`,
      `      arguments=${verb.takesFiles ? 'files' : 'none'}`,
      '      ;;',
    ].join('\n')
  })
  const paths = verbs.map(({ path }) => quoted(path.join(' '))).join('|')
  return `#compdef ${NAME}
# zsh completion of ${NAME}, made by: ${NAME} completion zsh
_${NAME}() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}" verb='' arguments=none i
  local -a typed=("\${words[@]}") files values
  for ((i = 2; i < CURRENT; i++)); do
    case "\${verb:+$verb }\${typed[i]}" in
      (${paths})
        verb="\${verb:+$verb }\${typed[i]}"
        ;;
    esac
  done
  local -a words
  case "$verb" in
${cases.join('\n')}
  esac
  local -i none=1
  if ((\${files[(Ie)$previous]})); then
    _files && none=0
  elif ((\${values[(Ie)$previous]})); then
    none=0
  else
    _describe ${NAME} words && none=0
    [[ $arguments == files && "$current" != -* ]] && _files && none=0
  fi
  return none
}
# Found in fpath, this file is the function, and is called for its first completion; else it was sourced.
if [[ "\${funcstack[1]}" == _${NAME} ]]; then
  _${NAME} "$@"
else
  compdef _${NAME} ${NAME}
fi
`
}

/** The same for fish. */
export function fishScript(verbs: readonly CompletedVerb[]): string {
  const lines = verbs.flatMap((verb) => {
    const when = `-n ${quoted(`test (__${NAME}_verb) = ${fishQuoted(verb.path.join(' '))}`)}`
    const base = `complete -c ${NAME} ${when}`
    return [
      ...verb.verbs.map(({ name, description }) => `${base} -a ${fishQuoted(name)} -d ${fishQuoted(description)}`),
      ...verb.choices.map((choice) => `${base} -a ${fishQuoted(choice)}`),
      ...verb.options.map(({ flag, description, kind }) => {
        const name = flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`
        const follows = { none: '', value: ' -x', file: ' -r -F' }[kind]
        return `${base} ${name}${follows} -d ${fishQuoted(description)}`
      }),
      ...(verb.takesFiles ? [`${base} -F`] : []),
    ]
  })
  const paths = verbs.map(({ path }) => fishQuoted(path.join(' '))).join(' ')
  return `# fish completion of ${NAME}, made by: ${NAME} completion fish
function __${NAME}_verb
  set -l verb ''
  for word in (commandline -opc)[2..]
    set -l longer (string trim "$verb $word")
    contains -- $longer ${paths}; and set verb $longer
  end
  echo "$verb"
end
complete -c ${NAME} -f
${lines.join('\n')}
`
}

const fishQuoted = (text: string): string => `"${text.replaceAll(/["\\$]/g, '\\$&')}"`
