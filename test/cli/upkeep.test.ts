import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { verbsOf } from '../../src/cli/completion.ts'
import { createProgram } from '../../src/cli/program.ts'
import { metricSums, type TopSample, topFrame } from '../../src/cli/top-frame.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'
import { cytoplex, nextLine, spawnCytoplex, temporary } from './launch.ts'

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`
const has = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined

test('completions hold every verb and flag of the program, in every shell', async () => {
  const verbs = verbsOf(createProgram())
  assert.ok(verbs.some(({ path }) => path.join(' ') === 'cell push'))
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await cytoplex(['completion', shell])
    assert.equal(code, 0)
    for (const { path, options } of verbs) {
      assert.ok(stdout.includes(path.join(' ')), `${shell}: ${path.join(' ')}`)
      for (const { flag } of options)
        assert.ok(stdout.includes(shell === 'fish' ? flag.replace(/^-+/, '') : flag), `${shell}: ${flag}`)
    }
    if (!has(shell)) continue
    const file = join(temporary(), `completion.${shell}`)
    writeFileSync(file, stdout)
    const checked = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
    assert.deepEqual([checked.status, checked.stderr], [0, ''], shell)
  }
  const none = await cytoplex(['completion', 'csh'])
  assert.equal(none.code, 2)
})

test('bash completes verbs, sub-verbs, choices and flags', { skip: has('bash') ? false : 'no bash' }, async () => {
  const { stdout } = await cytoplex(['completion', 'bash'])
  const file = join(temporary(), 'completion.bash')
  writeFileSync(file, stdout)
  const complete = (...words: string[]): string[] => {
    const script = `source ${file}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _cytoplex; echo "\${COMPREPLY[@]}"`
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split(/\s+/)
  }
  assert.deepEqual(complete('cytoplex', 'back'), ['backup'])
  assert.deepEqual(complete('cytoplex', 'cell', 'pu'), ['push'])
  assert.deepEqual(complete('cytoplex', 'hel'), ['help'])
  assert.deepEqual(complete('cytoplex', 'help', 'cell', 'pu'), ['push'])
  assert.deepEqual(complete('cytoplex', 'help', 'back'), ['backup'])
  assert.deepEqual(complete('cytoplex', 'backup', '--data-dir', '/x', '--with'), ['--with-keys'])
  assert.deepEqual(complete('cytoplex', 'completion', 'z'), ['zsh'])
})

test('fish completes the same, with descriptions', { skip: has('fish') ? false : 'no fish' }, async () => {
  const { stdout } = await cytoplex(['completion', 'fish'])
  const file = join(temporary(), 'completion.fish')
  writeFileSync(file, stdout)
  const complete = (line: string): string => {
    const script = `source ${file}; complete -C ${JSON.stringify(line)}`
    return spawnSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' }).stdout.trim()
  }
  assert.match(complete('cytoplex back'), /^backup\tback up everything/)
  assert.match(complete('cytoplex cell pu'), /^push\t/)
  assert.match(complete('cytoplex backup --data-dir /x --with'), /^--with-keys\t/)
  assert.equal(complete('cytoplex completion z'), 'zsh')
  assert.match(complete('cytoplex cell push /etc/pass'), /^\/etc\/passwd/)
})

test('zsh completes the same at its prompt', { skip: has('zsh') ? false : 'no zsh' }, async () => {
  const { stdout } = await cytoplex(['completion', 'zsh'])
  const folder = temporary()
  writeFileSync(join(folder, '_cytoplex'), stdout)
  const start = [
    `fpath=(${folder} $fpath)`,
    'autoload -U compinit',
    `compinit -u -d ${folder}/dump`,
    'show() { print -r -- "<$BUFFER>" }',
    'zle -N show',
    "bindkey '^T' show",
    'print RE""ADY',
  ].join('; ')
  const complete = (line: string): string | undefined => {
    const script = `
      zmodload zsh/zpty
      zpty prompt zsh -f -i
      zpty -w prompt ${quoted(start)}
      zpty -r -m prompt seen '*READY*'
      zpty -n -w prompt ${quoted(line)}$'\\t\\x14'
      zpty -r -m prompt seen '*<*>*' && print -r -- "$seen"`
    const { stdout: seen } = spawnSync('zsh', ['-f', '-c', script], { encoding: 'utf8', timeout: 30_000 })
    return /<(.*)>/.exec(seen)?.[1]
  }
  assert.equal(complete('cytoplex back'), 'cytoplex backup ')
  assert.equal(complete('cytoplex cell pu'), 'cytoplex cell push ')
  assert.equal(complete('cytoplex backup --data-dir /x --with'), 'cytoplex backup --data-dir /x --with-keys ')
  assert.equal(complete('cytoplex completion z'), 'cytoplex completion zsh ')
  assert.equal(complete('cytoplex cell push /etc/passw'), 'cytoplex cell push /etc/passwd')
})

test('a folder is no bundle: no node is asked', async () => {
  const { code, stderr } = await cytoplex(['import', '.', '--node', 'http://127.0.0.1:1'])
  assert.deepEqual([code, stderr], [1, 'cytoplex: . is no file\n'])
})

const SAMPLE: TopSample = {
  url: 'http://127.0.0.1:8000',
  at: 10_000,
  readiness: 'READY',
  health: {
    status: 'degraded',
    message: 'something is slow',
    components: [
      { name: 'storage', status: 'healthy', message: 'ok' },
      { name: 'network', status: 'degraded', message: '\x1b[31mred\x1b[0m' },
    ],
    metrics: { current_request_rate: 1.5, average_response_time_ms: 2.25, success_rate_percent: 99.5 },
    scheduled_maintenance: [],
    timestamp: '2026-01-01T00:00:00.000Z',
  },
  status: {
    uptime_seconds: 7300,
    metrics: {
      counters: { contributions_received_total: 0, contributions_processed_total: 0 },
      gauges: { log_size: 12, peer_count: 3, sync_lag: 0 },
    },
    checks: {
      sync: { status: 'healthy', message: '' },
      peers: { status: 'healthy', message: '' },
      consensus: { status: 'healthy', message: '' },
    },
    sets: [],
  },
  peers: undefined,
  metrics: metricSums(
    '# TYPE a counter\ncytoplex_http_requests_total{route="/a",status="200"} 30\ncytoplex_http_requests_total{route="/b",status="200"} 12\n',
  ),
  events: [`long ${'x'.repeat(500)}`],
}

test('the picture of top fits 80 columns and the screen, escapes what a node sends, and shows rates', () => {
  const before = { ...SAMPLE, at: 8000, metrics: metricSums('cytoplex_http_requests_total 22\n') }
  const lines = topFrame(SAMPLE, before, { width: 80, height: 24 })
  assert.ok(lines.length <= 24)
  for (const { text } of lines) {
    assert.ok([...text].length <= 80, text)
    assert.doesNotMatch(text, /\p{Cc}/u)
  }
  const text = lines.map((line) => line.text).join('\n')
  assert.match(text, /requests +10\.0\/s/)
  assert.match(text, /network: degraded: \\u001b\[31mred/)
  assert.match(text, /degraded: something is slow/)
  assert.equal(topFrame(SAMPLE, before, { width: 20, height: 3 }).length, 3)
})

test('top --once, logs and logs --follow, against a node', async (t) => {
  const folder = await temporaryFolder(t)
  const node = await nodeProcess(t, { dataDir: join(folder, 'a') })
  const once = await cytoplex(['top', '--once', '--data-dir', node.dataDir])
  assert.equal(once.code, 0, once.stderr)
  assert.match(once.stdout, /^cytoplex top {2}http/)
  assert.match(once.stdout, /No peer is connected\./)
  const logs = await cytoplex(['logs', '--data-dir', node.dataDir])
  assert.match(logs.stdout, /info +ready/)
  const none = await cytoplex(['logs', '--data-dir', node.dataDir, '--level', 'fatal'])
  assert.deepEqual([none.code, none.stdout], [0, ''])
  const wrong = await cytoplex(['logs', '--data-dir', node.dataDir, '--level', 'loud'])
  assert.equal(wrong.code, 2)

  const following = spawnCytoplex(['logs', '--follow', '--lines', '0', '--data-dir', node.dataDir])
  t.after(() => following.kill('SIGKILL'))
  const line = nextLine(following)
  const ask = async () => {
    // A wrong key is logged.
    await fetch(`${node.http_url}/api/v1/keys`, { headers: { 'X-API-Key': 'wrong' } })
  }
  const asking = setInterval(() => void ask(), 100)
  try {
    assert.match(await line, /warn .*wrong credential/)
  } finally {
    clearInterval(asking)
  }
  const ended = new Promise((resolve) => following.once('exit', resolve))
  following.kill('SIGINT')
  assert.equal(await ended, 0, 'who follows has seen enough')
})
