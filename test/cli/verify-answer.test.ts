import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AnswerCase, answerVectors } from '../../scripts/vectors/answers.ts'
import { fromBase64Url } from '../../src/kernel/base/bytes.ts'
import { readVectors } from '../vectors/read.ts'
import { temporary } from './launch.ts'
import { warmCytoplex } from './warm.ts'

const { network, cases } = readVectors<ReturnType<typeof answerVectors>>('answers.json')
const caseOf = (about: string): AnswerCase => cases.find((one) => one.about === about)!

const written = (content: unknown, name = 'file.json'): string => {
  const file = join(temporary(), name)
  writeFileSync(file, typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content))
  return file
}
const verify = (file: string, ...flags: string[]) =>
  warmCytoplex(['verify', 'answer', file, '--network', network, ...flags])

const whole = caseOf('with the request, the documents and the time')
const audited = caseOf('with log, witness and anchor')

test('verify answer says what an answer proves, for people and as JSON', async () => {
  const sources = whole.sources!.flatMap((source) => ['--source', written(fromBase64Url(source), 'document.txt')])
  const known = ['--keys', written(whole.keys), '--request', written(whole.request), '--provider', whole.provider_id!]
  const [people, bare, json] = await Promise.all([
    verify(written(whole.text), ...known, ...sources),
    verify(written(whole.text)),
    verify(written(audited.text), '--keys', written(audited.keys), '--json'),
  ])
  assert.deepEqual([people.code, people.stderr], [0, ''])
  assert.match(people.stdout, new RegExp(`^verified: answer [0-9a-f-]{36} of ${whole.provider_id}\\n`))
  assert.match(people.stdout, /\n {2}steps {5}request, normalization, retrieval, answer\n/)
  assert.equal(people.stdout.match(/\n {2}compared {2}sha256:/g)?.length, 2)
  assert.doesNotMatch(people.stdout, /not compared/)
  assert.equal(bare.stdout.match(/not compared/g)?.length, 2)
  assert.deepEqual([json.code, json.stderr], [0, ''])
  const verified = JSON.parse(json.stdout)
  assert.deepEqual([verified.verified, verified.key_listed, verified.request_matches], [true, true, false])
  assert.deepEqual([verified.log.tree_size, verified.log.registered.length, verified.log.witnesses.length], [7, 2, 1])
})

test('verify answer asks a node for its keys', async (t) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url!)
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(whole.keys))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { code, stdout, stderr } = await verify(written(whole.text), '--keys', url, '--json')
  assert.equal(code, 0, stderr)
  assert.equal(JSON.parse(stdout).key_listed, true)
  assert.deepEqual(asked, ['/.well-known/public-keys.json'])
})

test('verify answer fails with one line and exit code 1, for whatever does not hold', async () => {
  const file = written(whole.text)
  const outcomes: [flags: string[], reason: RegExp][] = [
    [[written(caseOf('another root').text)], /the answer does not hold: hash_chain is not the root of the records/],
    [[file, '--request', written(audited.request)], /the proof is of another request/],
    [[file, '--keys', written(caseOf('keys of another node').keys)], /is not among those of the node/],
    [[file, '--keys', written({ keys: 'none' })], /not a set of proof keys/],
    [[file, '--keys', written('{')], /not JSON/],
    [[file, '--source', written('something else')], /cites nothing of the document/],
    [[file, '--source', join(temporary(), 'none')], /none cannot be read/],
    [[file, '--provider', `${whole.provider_id}x`], /expected 12D3/],
    [[file, '--network', 'main'], /is not signed by .* for the network main/],
    [[written('{}')], /not an answer/],
    [[join(temporary(), 'none.json')], /none\.json cannot be read/],
  ]
  for (const [[path, ...flags], reason] of outcomes) {
    const { code, stdout, stderr } = await verify(path!, ...flags)
    assert.deepEqual([code, stdout], [1, ''], stderr)
    assert.match(stderr, /^cytoplex: [^\n]*\n$/)
    assert.match(stderr, reason)
  }
  const json = await verify(written(caseOf('another root').text), '--json')
  assert.equal(JSON.parse(json.stderr).error.code, 'INTEGRITY')
  assert.equal((await warmCytoplex(['verify', 'answer'])).code, 2)
})
