import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'
import { cleanEnvironment, cytoplex, ROOT } from './launch.ts'

function verbs(command: Command, path = ''): [path: string, verb: Command][] {
  return command.commands.flatMap((verb) => {
    const name = `${path} ${verb.name()}`.trim()
    return [[name, verb], ...verbs(verb, name)]
  })
}

test('every verb has help with an example, and --json', () => {
  const all = verbs(createProgram())
  assert.ok(all.length >= 5)
  for (const [name, verb] of all) {
    let help = ''
    verb.configureOutput({ writeOut: (text) => (help += text) })
    verb.outputHelp()
    assert.match(help, /Examples?:\n {2}(\$ )?(\S+=\S+ )*cytoplex /, name)
    // What completes verbs is a script of the shell, and help is for people.
    if (verb.commands.length === 0 && name !== 'completion' && name !== 'help') assert.match(help, /--json/, name)
    assert.ok(verb.description().length > 0, name)
  }
})

test('--help lists verbs and exit codes', async () => {
  const { code, stdout, stderr } = await cytoplex(['--help'])
  assert.deepEqual([code, stderr], [0, ''])
  for (const word of ['start', 'status', 'peers', 'id', 'cell', 'config', 'Exit codes:', '5  no node answered']) {
    assert.ok(stdout.includes(word), word)
  }
})

test('help walks the verbs', async () => {
  for (const verbs of [[], ['cell'], ['cell', 'push'], ['follow', 'rm']]) {
    const [asked, flagged] = await Promise.all([cytoplex(['help', ...verbs]), cytoplex([...verbs, '--help'])])
    assert.deepEqual(asked, flagged)
    assert.equal(asked.code, 0)
  }
})

test('--version prints the version of package.json', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  assert.deepEqual(await cytoplex(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('mistakes in the command line: exit 2, one line, a suggestion', async () => {
  const cases: [args: string[], line: RegExp][] = [
    [['statsu'], /unknown command 'statsu'; \(Did you mean status\?\)/],
    [['help', 'cel'], /unknown command 'cel'; \(Did you mean cell\?\)/],
    [['help', 'cell', 'psh', 'x'], /unknown command 'psh'; \(Did you mean push\?\)/],
    [['help', 'cell', 'push', 'x'], /unknown command 'x'/],
    [['start', '--htp-port', '1'], /unknown option '--htp-port'; \(Did you mean --http-port\?\)/],
    [['start', '--http-port'], /argument missing/],
    [['start', '--http-port', 'x'], /http\.port \(flag --http-port\): found "x", allowed is a whole number/],
    [['key', 'revoke', 'nope'], /found "nope", allowed is an id as cytoplex key list shows it/],
    [['status', 'extra'], /too many arguments/],
  ]
  const outcomes = await Promise.all(cases.map(([args]) => cytoplex(args)))
  outcomes.forEach(({ code, stdout, stderr }, i) => {
    assert.deepEqual([code, stdout], [2, ''], stderr)
    assert.match(stderr, /^cytoplex: [^\n]*\n$/)
    assert.match(stderr, cases[i]?.[1] ?? /./)
  })
})

test('with --json, errors are JSON on stderr', async () => {
  const { code, stdout, stderr } = await cytoplex(['config', 'show', '--json', '--config', '/nowhere.yaml'])
  assert.deepEqual([code, stdout], [1, ''])
  assert.deepEqual(JSON.parse(stderr), {
    error: { code: 'FAILED', message: 'file /nowhere.yaml: there is no such configuration file' },
  })
  assert.deepEqual(JSON.parse((await cytoplex(['peers', '--nope', '--json'])).stderr).error.code, 'USAGE')
})

test('no verb, or half a verb: the help, and exit 2', async () => {
  const outcomes = await Promise.all([cytoplex([]), cytoplex(['config'])])
  for (const { code, stdout, stderr } of outcomes) {
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^Usage: cytoplex/)
  }
})

test('config show: values, origins, warnings; the admin key masked', async () => {
  const env = cleanEnvironment({
    CYTOPLEX_HTTP_PORT: '8080',
    CYTOPLEX_GOALS_SERVE_EVALUATIONS: 'true',
    CYTOPLEX_ADMIN_KEY: 'a-secret-of-the-administrator',
  })
  const [asText, asJson] = await Promise.all([
    cytoplex(['config', 'show'], env),
    cytoplex(['config', 'show', '--json'], env),
  ])
  assert.match(asText.stdout, /^http\.port +environment CYTOPLEX_HTTP_PORT +8080$/m)
  assert.match(asText.stdout, /^admin key +environment CYTOPLEX_ADMIN_KEY +••••$/m)
  assert.match(asText.stderr, /^cytoplex: warning: goals\.serve_evaluations has no effect/)
  assert.deepEqual([asText.code, asJson.code, asJson.stderr], [0, 0, ''])
  const { settings, warnings } = JSON.parse(asJson.stdout)
  assert.deepEqual(
    settings.find(({ key }: { key: string }) => key === 'http.port'),
    {
      key: 'http.port',
      value: 8080,
      origin: 'environment CYTOPLEX_HTTP_PORT',
    },
  )
  assert.equal(warnings.length, 1)
  for (const { stdout } of [asText, asJson]) assert.doesNotMatch(stdout, /a-secret/)
})
