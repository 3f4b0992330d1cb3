import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { satisfies, validRange } from 'semver'
import type { OperatorRequestCase } from '../../scripts/vectors/operator-requests.ts'
import type { KeyRecordCase, ManifestSignatureCase } from '../../scripts/vectors/publishers.ts'
import { PYTHON_CLIENT, runPython, withoutNewPython } from '../support/python.ts'
import { readVectors } from '../vectors/read.ts'

const skip = withoutNewPython

test('the client in Python gives the verdicts of manifest-signature.json, as far as it can', { skip }, async () => {
  const { cases } = readVectors<{ cases: ManifestSignatureCase[] }>('manifest-signature.json')
  const found = await runPython<{ verdict: object | null; digest: string }[]>(
    `
from cytoplex.cells import verify_manifest
from cytoplex.verify_answer import Refused, hash_of
def one(case):
    try:
        publisher, kind, proven, unproven = verify_manifest(case["network"], case["manifest"], case["token"])
        return {"publisher": publisher, "kind": kind, "algorithms": [*proven, *unproven]}
    except Refused:
        return None
print(json.dumps([{"verdict": one(case), "digest": hash_of(case["manifest"])} for case in given]))`,
    cases,
  )
  assert.ok(cases.length > 20)
  for (const [i, { about, digest, verdict }] of cases.entries()) {
    assert.equal(found[i]!.digest, digest, about)
    // What only the post-quantum half shows, Python's standard library cannot see; the cell says so.
    if (about !== 'the post-quantum half is wrong') assert.deepEqual(found[i]!.verdict, verdict, about)
  }
})

test('the client in Python gives the verdicts of key-records.json', { skip }, async () => {
  const { cases } = readVectors<{ cases: KeyRecordCase[] }>('key-records.json')
  const found = await runPython<(string | null)[]>(
    `
from cytoplex.cells import publisher_of
from cytoplex.verify_answer import Refused
def one(case):
    try:
        return publisher_of(case["network"], case["records"])[0]
    except (Refused, KeyError):
        return None
print(json.dumps([one(case) for case in given]))`,
    cases,
  )
  for (const [i, { about, publisher }] of cases.entries()) assert.equal(found[i], publisher, about)
})

test('the client in Python signs what operators sign, byte for byte', { skip }, async () => {
  const vectors = readVectors<{ seed: string; public_key: string; secret: string; cases: OperatorRequestCase[] }>(
    'operator-requests.json',
  )
  const found = await runPython<{ public_key: string; signed: [string, string][] }>(
    `
from cytoplex import PrivateKey
from cytoplex.keys import encode
from cytoplex.verify_answer import base64url
seed = PrivateKey("ed25519", bytes.fromhex(given["seed"]))
secret = PrivateKey("hmac-sha256", base64url(given["secret"]))
messages = [bytes.fromhex(case["bytes"]) for case in given["cases"]]
signed = [[encode(seed.sign(message)), encode(secret.sign(message))] for message in messages]
print(json.dumps({"public_key": seed.public_key, "signed": signed}))`,
    vectors,
  )
  assert.equal(found.public_key, vectors.public_key)
  for (const [i, { about, ed25519, hmac_sha256 }] of vectors.cases.entries())
    assert.deepEqual(found.signed[i], [ed25519, hmac_sha256], about)
})

test('ranges mean in Python what they mean to npm', { skip }, async () => {
  const numbers = ['0', '1', '2', '10']
  const versions = numbers.flatMap((a) => numbers.flatMap((b) => ['0', '3'].map((c) => `${a}.${b}.${c}`)))
  versions.push('1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-2', '1.2.3-rc.1', '2.0.0-0', '0.0.1-beta')
  const bounds = ['0', '1', '1.2', '1.0.0', '1.2.3', '0.0', '0.1.0', '0.0.3', '*', '1.x', '1.2.*', '1.0.0-alpha', '0.0.1-b']
  const ranges = ['', '^', '~', '>', '>=', '<', '<=', '=', '> ', '^ '].flatMap((sign) => bounds.map((at) => sign + at))
  ranges.push('', '1 - 2', '1.2.3 - 2.3', '0.1 - 1.0.0', '>=1.0.0 <2', '^1.2.0 || ~0.1.0', '1 || 2 || 10', '>1 <1', '* || 3')
  const wrong = ['abc', '1.2.3.4', '>>1', '^^1', '1.0.0-', '-1', 'latest', '^1.0.0 || nonsense', '1 -', 'file:x']
  const pairs = ranges.flatMap((range) => versions.map((version) => [version, range] as const))
  const found = await runPython<{ held: boolean[]; refused: boolean[] }>(
    `
from cytoplex.semver import satisfies
def refused(text):
    try:
        satisfies("1.0.0", text)
        return False
    except ValueError:
        return True
held = [satisfies(*pair) for pair in given["pairs"]]
print(json.dumps({"held": held, "refused": [refused(text) for text in given["wrong"]]}))`,
    { pairs, wrong },
  )
  for (const [i, [version, range]] of pairs.entries())
    assert.equal(found.held[i], satisfies(version, range), `${version} in "${range}"`)
  for (const [i, range] of wrong.entries()) {
    assert.equal(validRange(range), null, range)
    assert.equal(found.refused[i], true, range)
  }
})

const hasMypy = spawnSync('mypy', ['--version']).status === 0
test('the client in Python passes mypy --strict', { skip: hasMypy ? false : 'there is no mypy here' }, () => {
  const { status, stdout } = spawnSync('mypy', ['--strict', '--cache-dir=/dev/null', 'cytoplex'], { cwd: PYTHON_CLIENT })
  assert.equal(status, 0, String(stdout))
})
