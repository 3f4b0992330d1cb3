import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { satisfies, validRange } from 'semver'
import type { OperatorRequestCase } from '../../scripts/vectors/operator-requests.ts'
import type { KeyRecordCase, ManifestSignatureCase } from '../../scripts/vectors/publishers.ts'
import { operatorPublicKey } from '../../src/client/index.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { temporaryFolder } from '../support/processes.ts'
import { PYTHON_CLIENT, runPython, withoutNewPython } from '../support/python.ts'
import { readVectors } from '../vectors/read.ts'

const skip = withoutNewPython

test('the client in Python gives the verdicts of manifest-signature.json', { skip }, async () => {
  const { cases } = readVectors<{ cases: ManifestSignatureCase[] }>('manifest-signature.json')
  const found = await runPython<{ verdict: object | null; digest: string }[]>(
    `
from cytoplex.cells import verify_manifest
from cytoplex.verify_answer import Refused, hash_of
def one(case):
    try:
        publisher, kind, algorithms = verify_manifest(case["network"], case["manifest"], case["token"])
        return {"publisher": publisher, "kind": kind, "algorithms": list(algorithms)}
    except Refused:
        return None
print(json.dumps([{"verdict": one(case), "digest": hash_of(case["manifest"])} for case in given]))`,
    cases,
  )
  assert.ok(cases.length > 20)
  for (const [i, { about, digest, verdict }] of cases.entries()) {
    assert.equal(found[i]!.digest, digest, about)
    assert.deepEqual(found[i]!.verdict, verdict, about)
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

test('ML-DSA-65 has one verdict, in Python and here', { skip }, async () => {
  const keys = ml_dsa65.keygen(new Uint8Array(32).fill(5))
  const other = ml_dsa65.keygen(new Uint8Array(32).fill(6))
  const message = Buffer.from('what is signed')
  const signature = ml_dsa65.sign(message, keys.secretKey)
  /** The same with one bit changed: in the challenge, the response, the hints, and what counts them. */
  const changed = [0, 47, 48, 1700, 3247, 3248, 3290, 3302, 3308].map((at) => {
    const copy = Uint8Array.from(signature)
    copy[at]! ^= 1
    return { key: keys.publicKey, message, signature: copy }
  })
  const cases = [
    { key: keys.publicKey, message, signature },
    { key: keys.publicKey, message: Buffer.alloc(0), signature: ml_dsa65.sign(Buffer.alloc(0), keys.secretKey) },
    { key: other.publicKey, message, signature: ml_dsa65.sign(message, other.secretKey) },
    { key: other.publicKey, message, signature },
    { key: keys.publicKey, message: Buffer.from('something else'), signature },
    { key: keys.publicKey, message, signature: signature.subarray(1) },
    { key: keys.publicKey.subarray(1), message, signature },
    ...changed,
  ].map((one) => ({ ...one, holds: nativeVerifier.mlDsa65(one.key, one.message, one.signature) }))
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const found = await runPython<boolean[]>(
    `
from cytoplex.mldsa import verify
print(json.dumps([verify(*map(bytes.fromhex, case)) for case in given]))`,
    cases.map(({ key, message, signature }) => [hex(key), hex(message), hex(signature)]),
  )
  assert.deepEqual(
    found,
    cases.map(({ holds }) => holds),
  )
  assert.deepEqual(found.slice(0, 4), [true, true, true, false])
  assert.ok(found.slice(4).every((holds) => !holds))
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

test('keys of operators are read from the files that the command line makes, and from PEM', { skip }, async (t) => {
  const folder = await temporaryFolder(t)
  const seed = Buffer.alloc(32, 9)
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const ed25519 = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const files = {
    'seed.json': JSON.stringify({ format: 1, seed: seed.toString('base64url') }),
    'secret.json': JSON.stringify({ format: 1, secret: seed.toString('base64url') }),
    'key.pem': ed25519.export({ format: 'pem', type: 'pkcs8' }).toString(),
    'x25519.pem': generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    'short.json': JSON.stringify({ format: 1, seed: seed.subarray(1).toString('base64url') }),
    'other.json': '{"format":2}',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const found = await runPython<Record<string, string | null>>(
    `
from cytoplex import InvalidArgumentError, load_private_key
def one(name):
    try:
        key = load_private_key(given["folder"] + "/" + name)
        return key.public_key if key.algorithm == "ed25519" else key.algorithm
    except InvalidArgumentError:
        return None
print(json.dumps({name: one(name) for name in given["names"]}))`,
    { folder, names: Object.keys(files) },
  )
  const publicKey = toBase64Url(operatorPublicKey(seed))
  assert.deepEqual(found, {
    'seed.json': publicKey,
    'secret.json': 'hmac-sha256',
    'key.pem': publicKey,
    'x25519.pem': null,
    'short.json': null,
    'other.json': null,
  })
})

test('ranges mean in Python what they mean to npm', { skip }, async () => {
  const numbers = ['0', '1', '2', '10']
  const versions = numbers.flatMap((a) => numbers.flatMap((b) => ['0', '3'].map((c) => `${a}.${b}.${c}`)))
  versions.push('1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-2', '1.2.3-rc.1', '2.0.0-0', '0.0.1-beta')
  const bounds = [
    '0',
    '1',
    '1.2',
    '1.0.0',
    '1.2.3',
    '0.0',
    '0.1.0',
    '0.0.3',
    '*',
    '1.x',
    '1.2.*',
    '1.0.0-alpha',
    '0.0.1-b',
  ]
  const ranges = ['', '^', '~', '>', '>=', '<', '<=', '=', '> ', '^ '].flatMap((sign) => bounds.map((at) => sign + at))
  ranges.push(
    '',
    '1 - 2',
    '1.2.3 - 2.3',
    '0.1 - 1.0.0',
    '>=1.0.0 <2',
    '^1.2.0 || ~0.1.0',
    '1 || 2 || 10',
    '>1 <1',
    '* || 3',
  )
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
  const { status, stdout } = spawnSync('mypy', ['--strict', '--cache-dir=/dev/null', 'cytoplex'], {
    cwd: PYTHON_CLIENT,
  })
  assert.equal(status, 0, String(stdout))
})
