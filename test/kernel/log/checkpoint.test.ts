import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concatBytes, fromHex, utf8 } from '../../../src/kernel/base/bytes.ts'
import { providerIdOf } from '../../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed } from '../../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { logOrigin, openCheckpoint, signCheckpoint } from '../../../src/kernel/log/checkpoint.ts'
import { CheckpointSigner } from '../../../src/kernel/log/checkpoint-signer.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { formatNote, NOTE_KEY_TYPES, noteKey, parseNote } from '../../../src/kernel/log/note.ts'
import { fill, leafAt, temporaryStore } from './logs.ts'

const signing = ed25519FromSeed(new Uint8Array(32).fill(7))
const origin = logOrigin(providerIdOf(signing.publicKey))
const key = noteKey(origin, signing.publicKey)
const root = fromHex('2bc10c6ffff8df4cc927728a65d54ed08d1a26617269b0604bfbe6d37c2809d0')
const signed = signCheckpoint({ origin, size: 34, root }, signing)

/** A note with this text and a true signature of the log. */
const noteOf = (text: string): string =>
  formatNote({ text, signatures: [{ name: key.name, id: key.id, signature: signing.sign(utf8(text)) }] })

describe('a checkpoint', () => {
  it('is a signed note of origin, size and root', () => {
    const [text, signature] = signed.split('\n\n')
    assert.equal(text, `${origin}\n34\nK8EMb//430zJJ3KKZdVO0I0aJmFyabBgS/vm03woCdA=`)
    assert.match(signature ?? '', /^— 12D3KooW\w+\/log [A-Za-z0-9+/]{91}=\n$/)
    assert.deepEqual(openCheckpoint(nativeVerifier, signed, key), {
      origin,
      size: 34,
      root,
      extensions: [],
      witnesses: [],
    })
  })

  it('of a goal has an origin of its own, and passes for no other log of the node', () => {
    const goal = logOrigin(providerIdOf(signing.publicKey), 'MY_GOAL')
    assert.equal(goal, `${origin}/MY_GOAL`)
    const other = signCheckpoint({ origin: goal, size: 34, root }, signing)
    assert.equal(openCheckpoint(nativeVerifier, other, noteKey(goal, signing.publicKey)).size, 34)
    assert.throws(() => openCheckpoint(nativeVerifier, other, key), /is not signed by/)
    const disguised = noteOf(`${goal}\n34\n${signed.split('\n')[2]}\n`)
    assert.throws(() => openCheckpoint(nativeVerifier, disguised, key), /is of the log .*MY_GOAL, expected/)
  })

  it('is refused when changed, signed by somebody else, or by nobody known', () => {
    const stranger = ed25519FromSeed(newSeed())
    assert.throws(() => openCheckpoint(nativeVerifier, signed.replace('\n34\n', '\n35\n'), key), /does not hold/)
    assert.throws(
      () => openCheckpoint(nativeVerifier, signCheckpoint({ origin, size: 34, root }, stranger), key),
      new TypeError(`the checkpoint is not signed by ${origin}`),
    )
  })

  it('may have lines of others below the root', () => {
    const text = `${signed.split('\n\n')[0]}\nepoch 2\nmore\n`
    assert.deepEqual(openCheckpoint(nativeVerifier, noteOf(text), key).extensions, ['epoch 2', 'more'])
  })

  const [, , rootLine] = signed.split('\n')
  const malformed: readonly [what: string, text: string][] = [
    ['two lines', `${origin}\n34\n`],
    ['an empty origin', `\n34\n${rootLine}\n`],
    ['a size with a zero in front', `${origin}\n034\n${rootLine}\n`],
    ['a size with a sign', `${origin}\n+34\n${rootLine}\n`],
    ['a size that is no number', `${origin}\n0x22\n${rootLine}\n`],
    ['a size beyond exact integers', `${origin}\n9007199254740992\n${rootLine}\n`],
    ['a root in hexadecimal', `${origin}\n34\n${'ab'.repeat(32)}\n`],
    ['a root of 31 bytes', `${origin}\n34\n${Buffer.alloc(31).toString('base64')}\n`],
    ['a root in base64url', `${origin}\n34\n${rootLine?.replaceAll('/', '_')}\n`],
    ['an empty line', `${origin}\n34\n${rootLine}\n\nmore\n`],
  ]
  for (const [what, text] of malformed) {
    it(`is refused with ${what}, though signed`, () => {
      assert.throws(() => openCheckpoint(nativeVerifier, noteOf(text), key), TypeError)
    })
  }

  it('says which of the expected witnesses have signed, and is refused when one of them did not sign what stands there', () => {
    const { text, signatures } = parseNote(signed)
    const witness = (name: string) => {
      const own = ed25519FromSeed(newSeed())
      const cosigner = noteKey(name, own.publicKey, NOTE_KEY_TYPES.cosignature)
      const time = fromHex('00000000641850cb')
      const signature = concatBytes([time, own.sign(utf8(`cosignature/v1\ntime 1679315147\n${text}`))])
      return { key: cosigner, line: { name, id: cosigner.id, signature } }
    }
    const [a, b, c] = [witness('a.example'), witness('b.example'), witness('c.example')]
    const cosigned = formatNote({ text, signatures: [...signatures, a!.line, b!.line] })
    assert.deepEqual(openCheckpoint(nativeVerifier, cosigned, key, [b!.key, c!.key]).witnesses, [b!.key])
    assert.deepEqual(openCheckpoint(nativeVerifier, cosigned, key).witnesses, [])

    const forged = formatNote({ text, signatures: [...signatures, { ...a!.line, signature: b!.line.signature }] })
    assert.throws(() => openCheckpoint(nativeVerifier, forged, key, [a!.key]), /signature by a.example does not hold/)
    assert.equal(openCheckpoint(nativeVerifier, forged, key, [b!.key]).size, 34)

    const withoutLog = formatNote({ text, signatures: [a!.line, b!.line] })
    assert.throws(() => openCheckpoint(nativeVerifier, withoutLog, key, [a!.key]), /is not signed by/)
  })
})

describe('the signer of a log', () => {
  it('signs what is durable, once for each size', async (t) => {
    const { store } = await temporaryStore(t)
    const log = new MerkleLog(store, '')
    let signatures = 0
    const counting = {
      publicKey: signing.publicKey,
      sign: (message: Uint8Array) => {
        signatures++
        return signing.sign(message)
      },
    }
    const signer = new CheckpointSigner(log, origin, counting)

    assert.deepEqual(openCheckpoint(nativeVerifier, signer.latest(), key).root, log.root(0))
    await fill(store, log, 5)
    assert.equal(openCheckpoint(nativeVerifier, signer.latest(), key).size, 5)
    assert.equal(signer.latest(), signer.latest())
    assert.equal(signatures, 2)

    let during = ''
    const failing = store.transact((tx) => {
      log.append(tx, leafAt(5))
      during = signer.latest()
      throw new Error('refused')
    })
    await assert.rejects(failing, /refused/)
    assert.equal(openCheckpoint(nativeVerifier, during, key).size, 5)

    await fill(store, log, 6)
    const { size, root: latest } = openCheckpoint(nativeVerifier, signer.latest(), key)
    assert.equal(size, 6)
    assert.deepEqual(latest, log.root(6))
    assert.equal(signatures, 3)
  })
})
