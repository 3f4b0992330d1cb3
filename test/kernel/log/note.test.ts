import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concatBytes, fromHex, toHex, utf8 } from '../../../src/kernel/base/bytes.ts'
import { ed25519FromSeed, newSeed } from '../../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { pureVerifier } from '../../../src/kernel/identity/verify-pure.ts'
import {
  formatNote,
  formatNoteKey,
  fromBase64,
  NOTE_KEY_TYPES,
  noteKey,
  parseNote,
  parseNoteKey,
  signersOf,
  toBase64,
} from '../../../src/kernel/log/note.ts'

/** The published example of Go's `sumdb/note`, with its keys. */
const GO = {
  vkey: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  skey: 'AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz',
  text: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
  line: '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
}
const note = `${GO.text}\n${GO.line}`
const peter = parseNoteKey(GO.vkey)

/** A signature by a fresh key under `name`, over `text`. */
function signedBy(name: string, text: string) {
  const signing = ed25519FromSeed(newSeed())
  const key = noteKey(name, signing.publicKey)
  return { key, signature: { name, id: key.id, signature: signing.sign(utf8(text)) } }
}

describe('the published example of Go', () => {
  it('verifies, on both verifiers', () => {
    assert.equal(parseNote(note).text, GO.text)
    for (const verifier of [nativeVerifier, pureVerifier]) {
      assert.deepEqual(signersOf(verifier, parseNote(note), [peter]), [peter])
    }
  })

  it('is written byte for byte as Go writes it', () => {
    const signing = ed25519FromSeed(fromBase64(GO.skey)!.slice(1))
    assert.equal(formatNoteKey(noteKey('PeterNeumann', signing.publicKey)), GO.vkey)
    const signature = { name: peter.name, id: peter.id, signature: signing.sign(utf8(GO.text)) }
    assert.equal(formatNote({ text: GO.text, signatures: [signature] }), note)
    assert.equal(formatNote(parseNote(note)), note)
  })

  it('fails with another text', () => {
    const changed = parseNote(note.replace('cryptography', 'cryptographY'))
    assert.throws(() => signersOf(nativeVerifier, changed, [peter]), /signature by PeterNeumann does not hold/)
  })
})

describe('keys', () => {
  it('of other implementations are read and written back', () => {
    // The Go checksum database, and a key and a witness of the tests of transparency-dev/formats.
    const published = [
      'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8',
      'TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6',
      'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2',
    ]
    for (const text of published) assert.equal(formatNoteKey(parseNoteKey(text)), text)
    assert.deepEqual(
      published.map((text) => parseNoteKey(text).type),
      [NOTE_KEY_TYPES.ed25519, NOTE_KEY_TYPES.ed25519, NOTE_KEY_TYPES.cosignature],
    )
  })

  it('are refused with any character changed or left out', () => {
    for (let i = 0; i < GO.vkey.length; i++) {
      const changed = `${GO.vkey.slice(0, i)}${GO.vkey[i] === 'A' ? 'B' : 'A'}${GO.vkey.slice(i + 1)}`
      assert.throws(() => parseNoteKey(changed), TypeError, changed)
      assert.throws(() => parseNoteKey(GO.vkey.slice(0, i) + GO.vkey.slice(i + 1)), TypeError)
    }
  })

  it('are refused with a type that is not known, another length, or a name that no note can carry', () => {
    const ecdsa = `name+00000000+${toBase64(Uint8Array.of(2, 1, 1))}`
    assert.throws(() => parseNoteKey(ecdsa), new TypeError('the key name has the type 2; 1 and 4 are known here'))
    assert.throws(() => noteKey('name', new Uint8Array(31)), /has 32 bytes, this one 31/)
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u00a0b', 'a\u2003b', 'a\u0085b', '\ud800']) {
      assert.throws(() => noteKey(name, peter.publicKey), TypeError, JSON.stringify(name))
    }
  })
})

describe('signatures', () => {
  it('of unknown keys are ignored, even where name or id is that of a known one', () => {
    const stranger = signedBy('stranger', GO.text)
    const namesake = signedBy('PeterNeumann', 'another text\n')
    const sameId = { name: 'Somebody', id: peter.id, signature: new Uint8Array(64) }
    const signatures = [stranger.signature, namesake.signature, sameId, ...parseNote(note).signatures]
    const read = parseNote(formatNote({ text: GO.text, signatures }))
    assert.equal(read.signatures.length, 4)
    assert.deepEqual(signersOf(nativeVerifier, read, [peter]), [peter])
    assert.deepEqual(signersOf(nativeVerifier, read, [peter, stranger.key]), [peter, stranger.key])
    assert.deepEqual(signersOf(nativeVerifier, read, [signedBy('nobody', '').key]), [])
  })

  it('of other algorithms and lengths are kept, so that a note can be passed on', () => {
    const large = { name: 'post-quantum.example', id: fromHex('00010203'), signature: new Uint8Array(2420).fill(7) }
    const passed = formatNote({ text: GO.text, signatures: [large, ...parseNote(note).signatures] })
    assert.equal(formatNote(parseNote(passed)), passed)
    assert.deepEqual(signersOf(nativeVerifier, parseNote(passed), [peter]), [peter])
  })

  it('that are false spoil the note, beside a true one too', () => {
    const [own] = parseNote(note).signatures
    const wrong = { ...own!, signature: own!.signature.with(0, own!.signature[0]! ^ 1) }
    for (const signatures of [[wrong], [own!, wrong], [wrong, own!], [{ ...own!, signature: Uint8Array.of(1) }]]) {
      assert.throws(() => signersOf(nativeVerifier, { text: GO.text, signatures }, [peter]), /does not hold/)
    }
  })

  it('of a witness cover their time, under a context of their own', () => {
    const signing = ed25519FromSeed(newSeed())
    const witness = noteKey('witness.example/w1', signing.publicKey, NOTE_KEY_TYPES.cosignature)
    const cosigned = (time: string, message: string) => {
      const signature = concatBytes([fromHex(time), signing.sign(utf8(message))])
      return { text: GO.text, signatures: [{ name: witness.name, id: witness.id, signature }] }
    }
    const message = `cosignature/v1\ntime 1679315147\n${GO.text}`
    assert.deepEqual(signersOf(nativeVerifier, cosigned('00000000641850cb', message), [witness]), [witness])
    assert.throws(() => signersOf(nativeVerifier, cosigned('00000000641850cc', message), [witness]), /does not hold/)
    assert.throws(() => signersOf(nativeVerifier, cosigned('00000000641850cb', GO.text), [witness]), /does not hold/)
    assert.notEqual(toHex(witness.id), toHex(noteKey(witness.name, signing.publicKey).id))
  })
})

describe('notes', () => {
  it('may have empty lines in their text: the last one ends it', () => {
    const text = 'one\n\n\ntwo\n\n'
    const { key, signature } = signedBy('poet', text)
    const read = parseNote(formatNote({ text, signatures: [signature] }))
    assert.equal(read.text, text)
    assert.deepEqual(signersOf(nativeVerifier, read, [key]), [key])
  })

  const line = GO.line
  const malformed: readonly [what: string, note: string][] = [
    ['nothing', ''],
    ['text alone', GO.text],
    ['no signature', `${GO.text}\n`],
    ['no empty line', `${GO.text}${line}`],
    ['no newline at the end', note.slice(0, -1)],
    ['another character for the newline at the end', `${note.slice(0, -1)}x`],
    ['a line that is no signature', `${note}more\n`],
    ['a hyphen for the dash', note.replace('—', '-')],
    ['two spaces', note.replace('— ', '—  ')],
    ['three words', `${GO.text}\n${line.slice(0, -1)} x\n`],
    ['a name with a plus', note.replace('— Peter', '— Peter+')],
    ['base64 without padding', note.replace('=\n', '\n')],
    ['base64 with bits left over', note.replace('JnAM=', 'JnAN=')],
    ['base64 of an id alone', `${GO.text}\n— PeterNeumann x08gow==\n`],
    ['a carriage return', note.replaceAll('\n', '\r\n')],
    ['a tab in the text', note.replace('If ', 'If\t')],
    ['a NUL in the text', note.replace('If ', 'If\0')],
    ['half a surrogate pair', note.replace('If ', 'If\ud800')],
    ['too many signatures', `${GO.text}\n${line.repeat(65)}`],
  ]
  for (const [what, text] of malformed) {
    it(`are refused with ${what}`, () => assert.throws(() => parseNote(text), TypeError))
  }

  it('of sixty-four signatures are read', () => {
    assert.equal(parseNote(`${GO.text}\n${line.repeat(64)}`).signatures.length, 64)
  })
})
