import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import {
  createDocumentValidator,
  MAX_DOCUMENT_BYTES,
  MAX_JSON_DOCUMENT_BYTES,
} from '../../../src/providers/validators/document.ts'

const { signal } = new AbortController()
const validator = createDocumentValidator(signal, {})
const folder = await mkdtemp(join(tmpdir(), 'cytoplex-document-'))
after(async () => {
  await validator.close()
  await rm(folder, { recursive: true })
})

const facts = (size: number, mediaType: string) => ({ size, format: 'document', mediaType })

function check(content: string | Uint8Array, mediaType = 'text/plain') {
  const bytes = Uint8Array.from(Buffer.from(content as string))
  return validator.validate(bytes, facts(bytes.length, mediaType))
}

const codes = async (content: string | Uint8Array, mediaType?: string) =>
  (await check(content, mediaType)).issues.map((issue) => issue.code)

describe('texts', () => {
  it('are counted in characters', async () => {
    const { issues, report } = await check('naïve 😀\n\t\r\n\f')
    assert.deepEqual(issues, [])
    assert.deepEqual(report, { kind: 'document', characters: 12 })
    assert.deepEqual((await check('')).report, { kind: 'document', characters: 0 })
  })

  it('may have any media type of text', async () => {
    for (const type of ['text/plain', 'text/markdown; charset=utf-8', 'TEXT/HTML', 'text/vnd.example+x']) {
      assert.deepEqual(await codes('x', type), [], type)
    }
    for (const type of ['image/png', 'application/pdf', '', 'text', 'text/', 'text/ plain', 'application/jsonp']) {
      assert.deepEqual(await codes('x', type), ['DOCUMENT_MEDIA_TYPE'], type)
    }
  })

  it('are UTF-8', async () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0x61, 0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]]) {
      assert.deepEqual(await codes(Uint8Array.from(bytes)), ['DOCUMENT_ENCODING'])
    }
  })

  it('have no control characters', async () => {
    for (const character of ['\0', '\x01', '\x08', '\x0b', '\x1b', '\x7f', '\u009b']) {
      const { issues } = await check(`before${character}after`)
      assert.equal(issues[0]?.code, 'DOCUMENT_CONTROL')
    }
  })

  it('read in pieces have the verdict of the whole', async () => {
    const piece = 1024 * 1024
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.nat(8), async (middle, offset) => {
        const bytes = Buffer.alloc(piece + 100, 0x61)
        bytes.set(middle, piece - offset)
        const path = join(folder, 'pieces')
        await writeFile(path, bytes)
        const { report } = await validator.validate(path, facts(bytes.length, 'text/plain'))
        const text = bytes.toString()
        const isText = bytes.equals(Buffer.from(text)) && !/[^\P{Cc}\t\n\f\r\u0085]/u.test(text)
        assert.equal(report !== null, isText)
      }),
      { numRuns: 100 },
    )
  })

  it('that are too large are refused without being read', async () => {
    const path = join(folder, 'large')
    for (const [size, type] of [
      [MAX_DOCUMENT_BYTES + 1, 'text/plain'],
      [MAX_JSON_DOCUMENT_BYTES + 1, 'application/json'],
    ] as const) {
      await writeFile(path, Buffer.alloc(size))
      const { issues } = await validator.validate(path, facts(size, type))
      assert.equal(issues[0]?.code, 'DOCUMENT_TOO_LARGE')
    }
  })
})

describe('JSON', () => {
  it('is parsed strictly', async () => {
    assert.deepEqual((await check('{"a":[1,"😀"]}', 'application/json')).passed, [
      'document_encoding',
      'document_text',
      'document_json',
    ])
    for (const text of ['', '{', '\uFEFF{}', '{"a":1,"a":2}', '[1e999]', `${'['.repeat(1000)}${']'.repeat(1000)}`]) {
      assert.deepEqual(await codes(text, 'application/json'), ['DOCUMENT_JSON'], text.slice(0, 20))
    }
  })
})

it('leaves the event loop free while it reads what is expensive to parse', async () => {
  const bytes = Buffer.from(`[${'{},'.repeat(3_000_000)}{}]`)
  let ticks = 0
  const ticker = setInterval(() => ticks++, 5)
  const { issues } = await validator.validate(bytes, facts(bytes.length, 'application/json'))
  clearInterval(ticker)
  assert.deepEqual(
    issues.filter(({ code }) => code !== 'SANDBOX_MEMORY'),
    [],
  )
  assert.ok(ticks > 3, `${ticks} ticks`)
})

describe('recognition', () => {
  it('takes texts that were called so, also those whose last character is cut', () => {
    assert.equal(validator.recognises(Buffer.from('# Title\n'), 'text/markdown; charset=utf-8'), true)
    assert.equal(validator.recognises(Buffer.from('{}'), 'application/json'), true)
    assert.equal(validator.recognises(Buffer.from('😀'.repeat(128)).subarray(0, 510), 'text/plain'), true)
  })

  it('leaves everything else to others', () => {
    for (const mediaType of [undefined, '', 'image/png', 'application/wasm']) {
      assert.equal(validator.recognises(Buffer.from('# Title\n'), mediaType), false)
    }
    for (const head of [[0], [0x1f, 0x8b], [0, 0x61, 0x73, 0x6d], [0xff, 0xfe]]) {
      assert.equal(validator.recognises(Uint8Array.from(head), 'text/plain'), false)
    }
  })
})

it('gives up after the timeout', async () => {
  const hasty = createDocumentValidator(signal, { timeout: 1 })
  const bytes = new Uint8Array(MAX_DOCUMENT_BYTES).fill(0x61)
  const { issues } = await hasty.validate(bytes, facts(bytes.length, 'text/plain'))
  assert.equal(issues[0]?.code, 'DOCUMENT_TIMEOUT')
  await hasty.close()
})
