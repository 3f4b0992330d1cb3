import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { proofFileVectors } from '../../scripts/vectors/proof-files.ts'
import { readVectors } from '../vectors/read.ts'
import { cleanEnvironment, LAUNCHER, outcome, temporary } from './launch.ts'
import { warmCytoplex } from './warm.ts'

const NETWORK = ['--network', 'vectors']
const { files } = readVectors<ReturnType<typeof proofFileVectors>>('proof-files.json')
const textOf = (about: string): string => files.find((one) => one.about === about)!.text
const provider = JSON.parse(files[0]!.text).provider_id as string

function written(text: string): string {
  const file = join(temporary(), 'proof.json')
  writeFileSync(file, text)
  return file
}

const verify = (file: string, ...flags: string[]) => warmCytoplex(['verify', 'proof', file, ...NETWORK, ...flags])

test('verify proof says what a file proves, for people and as JSON', async () => {
  const file = written(textOf('with an older checkpoint'))
  const [people, json] = await Promise.all([verify(file), verify(file, '--provider', provider, '--json')])
  assert.deepEqual([people.code, people.stderr], [0, ''])
  assert.match(people.stdout, new RegExp(`^verified: leaf 4 of 7 in ${provider}/log/fast\n`))
  assert.match(people.stdout, /\n {2}says {6}\{"goal":"abab/)
  assert.match(people.stdout, /\n {2}extends {3}the signed log of 5 leaves\n/)
  assert.deepEqual([json.code, json.stderr], [0, ''])
  const proven = JSON.parse(json.stdout)
  assert.deepEqual(
    [proven.verified, proven.provider_id, proven.goal_id, proven.log_index, proven.tree_size, proven.older.tree_size],
    [true, provider, 'fast', 4, 7, 5],
  )
})

test('verify proof reads standard input, and names the witnesses', async () => {
  const child = spawn(LAUNCHER, ['verify', 'proof', '-', ...NETWORK], { env: cleanEnvironment() })
  child.stdin.end(textOf('with a cosignature'))
  const { code, stdout } = await outcome(child)
  assert.equal(code, 0)
  assert.match(stdout, /\n {2}cosigned {2}12D3\w+\n/)
})

test('verify proof fails with one line and exit code 1, for whatever does not hold', async () => {
  const cases: [file: string, flags: string[], reason: RegExp][] = [
    [written(textOf('another index')), [], /the proof does not hold: the leaf 5 is not in the log of 7 leaves/],
    [written(textOf('a leaf of a goal')), ['--provider', `${provider}x`], /is about the log of 12D3\w+, expected 12D3/],
    [written(textOf('a leaf of a goal')), ['--network', 'main'], /is of the network vectors, expected main/],
    [written('{}'), [], /not a proof file/],
    [written('x'.repeat(300_000)), [], /at most 262144 bytes/],
    [join(temporary(), 'none.json'), [], /none\.json cannot be read/],
  ]
  const outcomes = await Promise.all(cases.map(([file, flags]) => verify(file, ...flags)))
  outcomes.forEach(({ code, stdout, stderr }, i) => {
    assert.deepEqual([code, stdout], [1, ''], stderr)
    assert.match(stderr, /^cytoplex: [^\n]*\n$/)
    assert.match(stderr, cases[i]![2])
  })
  const json = await verify(written(textOf('a hash less')), '--json')
  assert.equal(json.code, 1)
  assert.equal(JSON.parse(json.stderr).error.code, 'INTEGRITY')
  assert.equal((await warmCytoplex(['verify', 'proof'])).code, 2)
})
