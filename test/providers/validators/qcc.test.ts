import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { REPORTED_ISSUES, UNPACKED_FREE_BYTES } from '../../../src/providers/validators/archive-limits.ts'
import { ARCHIVE_OPENER } from '../../../src/providers/validators/archives.ts'
import { createQccValidator } from '../../../src/providers/validators/qcc.ts'
import { headerBlock, type TarEntry, tar } from './archives.ts'

const MIB = 1024 * 1024
const MANIFEST: TarEntry = ['manifest.json', '{"name":"example"}']

const validator = createQccValidator(new AbortController().signal, {})
after(() => validator.close())

const check = (bytes: Uint8Array) =>
  validator.validate(Uint8Array.from(bytes), { size: bytes.length, format: 'qcc', mediaType: 'application/gzip' })

/** Codes of the findings of an archive. */
const codes = async (archive: Uint8Array) => (await check(gzipSync(archive))).issues.map((issue) => issue.code)

const codesOf = async (...entries: TarEntry[]) => codes(await tar(MANIFEST, ...entries))

const link = (name: string, linkname: string, type: 'symlink' | 'link' = 'symlink'): TarEntry => [
  { name, linkname, type },
]

describe('good archives', () => {
  it('are counted', async () => {
    const { issues, passed, report } = await check(
      gzipSync(
        await tar(
          [{ name: './', type: 'directory' }],
          ['./manifest.json', '{}'],
          [{ name: 'src/', type: 'directory' }],
          ['src/main.py', 'print(1)'],
          [`${'long/'.repeat(60)}name`, 'x'],
          ['naïve/文件.txt', 'y'],
          link('src/here', 'main.py'),
          link('src/up', '../manifest.json'),
          link('src/again', 'src/main.py', 'link'),
        ),
      ),
    )
    assert.deepEqual(issues, [])
    assert.deepEqual(passed, ['archive_frame', 'archive_paths', 'qcc_manifest'])
    assert.deepEqual(report, { kind: 'archive', entries: 9, unpacked_bytes: 12 })
  })

  it('may consist of several gzip members', async () => {
    const archive = await tar(MANIFEST)
    const { issues } = await check(Buffer.concat([gzipSync(archive.subarray(0, 700)), gzipSync(archive.subarray(700))]))
    assert.deepEqual(issues, [])
  })

  it('have an object as manifest', async () => {
    assert.deepEqual(await codes(await tar(['src/main.py', ''])), ['QCC_MANIFEST'])
    assert.deepEqual(await codes(await tar(['sub/manifest.json', '{}'])), ['QCC_MANIFEST'])
    assert.deepEqual(await codes(await tar([{ name: 'manifest.json', type: 'directory' }])), ['QCC_MANIFEST'])
    for (const manifest of ['[]', '{', '{"a":1,"a":2}', '', Buffer.alloc(MIB + 1, 0x20)]) {
      const { issues, passed } = await check(gzipSync(await tar(['manifest.json', manifest])))
      assert.deepEqual(
        issues.map(({ code, location }) => [code, location]),
        [['QCC_MANIFEST', 'manifest.json']],
      )
      assert.deepEqual(passed, ['archive_frame', 'archive_paths'])
    }
  })
})

describe('names', () => {
  const names: readonly (readonly [string, string])[] = [
    ['../outside', 'ARCHIVE_TRAVERSAL'],
    ['a/../../outside', 'ARCHIVE_TRAVERSAL'],
    ['a/..', 'ARCHIVE_TRAVERSAL'],
    ['/etc/passwd', 'ARCHIVE_TRAVERSAL'],
    [String.raw`..\outside`, 'ARCHIVE_TRAVERSAL'],
    [String.raw`C:\outside`, 'ARCHIVE_TRAVERSAL'],
    ['c:outside', 'ARCHIVE_TRAVERSAL'],
    ['manifest.json', 'ARCHIVE_DUPLICATE'],
    ['./manifest.json', 'ARCHIVE_DUPLICATE'],
    ['.//manifest.json', 'ARCHIVE_DUPLICATE'],
    [`${'d/'.repeat(64)}f`, 'ARCHIVE_NAME'],
    ['n'.repeat(4097), 'ARCHIVE_NAME'],
    ['./.', 'ARCHIVE_NAME'],
  ]
  for (const [name, code] of names) {
    it(`${name.length > 40 ? `of ${name.length} characters` : name} is ${code}`, async () => {
      assert.deepEqual(await codesOf([name, 'x']), [code])
    })
  }

  it('of bytes that are not UTF-8 are refused, in every kind of header', async () => {
    const plain = Buffer.concat([headerBlock({ name: 'caf\xe9' }), Buffer.alloc(1024)])
    assert.ok((await codes(plain)).includes('ARCHIVE_NAME'))
    const record = Buffer.from('15 path=caf\xe9-x\n', 'latin1')
    const extended = Buffer.concat([
      headerBlock({ name: 'pax', type: 'x', size: record.length.toString(8).padStart(11, '0') }),
      record,
      Buffer.alloc(512 - record.length),
      headerBlock({ name: 'x' }),
      Buffer.alloc(1024),
    ])
    assert.ok((await codes(extended)).includes('ARCHIVE_NAME'))
  })

  it('are reported up to a number', async () => {
    const found = await codesOf(...Array.from({ length: 100 }, (_, index): TarEntry => [`../${index}`, '']))
    assert.equal(found.length, REPORTED_ISSUES)
  })
})

describe('links', () => {
  const links: readonly (readonly [string, TarEntry[]])[] = [
    ['to an absolute name', [link('l', '/etc/passwd')]],
    ['above the root', [link('l', '..')]],
    ['above the root, from a folder', [link('a/l', '../../x')]],
    ['that climb behind a name', [link('a/b/up', '../..'), link('l', 'a/b/up/..')]],
    ['with a drive letter', [link('l', 'C:x')]],
    ['with backslashes', [link('l', String.raw`..\x`)]],
    ['with something behind them', [link('l', 'a'), ['l/x', '']]],
    ['of the hard kind to what comes later', [link('l', 'later', 'link'), ['later', '']]],
    ['of the hard kind to the outside', [link('l', '../outside', 'link')]],
    ['of the hard kind to a link', [link('s', 'manifest.json'), link('l', 's', 'link')]],
  ]
  for (const [name, entries] of links) {
    it(`${name} are refused`, async () => assert.deepEqual(await codesOf(...entries), ['ARCHIVE_LINK']))
  }

  it('may lead anywhere inside', async () => {
    assert.deepEqual(
      await codesOf(link('a/b/l', '../../manifest.json'), link('m', 'a/b/l'), link('a/n', './/../a/b')),
      [],
    )
  })
})

describe('entries', () => {
  for (const type of ['character-device', 'block-device', 'fifo'] as const) {
    it(`that are a ${type} are refused`, async () => {
      assert.deepEqual(await codesOf([{ name: 'dev', type }]), ['ARCHIVE_ENTRY_TYPE'])
    })
  }

  it('of unknown types and sparse files are refused', async () => {
    for (const type of ['S', 'V', 'A']) {
      assert.ok(
        (await codes(Buffer.concat([headerBlock({ name: 'x', type }), Buffer.alloc(1024)]))).includes(
          'ARCHIVE_ENTRY_TYPE',
        ),
      )
    }
    assert.ok((await codesOf([{ name: 'x', pax: { 'GNU.sparse.name': '../y' } }, ''])).includes('ARCHIVE_ENTRY_TYPE'))
  })

  it('more than 100,000 are refused', async () => {
    const block = (index: number) => headerBlock({ name: `f${index}` })
    const many = Buffer.concat([...Array.from({ length: 100_001 }, (_, index) => block(index)), Buffer.alloc(1024)])
    assert.deepEqual(await codes(many), ['ARCHIVE_TOO_MANY'])
  })
})

describe('frames', () => {
  it('that are cut are refused, wherever', async () => {
    const archive = await tar(MANIFEST, ['a', Buffer.alloc(2000, 1)])
    for (const length of [0, 1, 511, 512, 520, 1024, 1536, 2000, archive.length - 1024, archive.length - 512]) {
      const [code] = await codes(archive.subarray(0, length))
      assert.ok(code === 'ARCHIVE_TRUNCATED', `cut at ${length}: ${code}`)
    }
    const packed = gzipSync(archive)
    for (const length of [0, 5, packed.length - 8, packed.length - 1]) {
      const { issues } = await check(packed.subarray(0, length))
      assert.equal(issues[0]?.code, 'ARCHIVE_TRUNCATED', `cut at ${length}`)
    }
  })

  it('that readers take differently are refused', async () => {
    const end = Buffer.alloc(1024)
    const ambiguous: Record<string, Buffer[]> = {
      'an entry behind the end mark': [end, headerBlock({ name: 'x' }), end],
      'an entry behind one zero block': [Buffer.alloc(512), headerBlock({ name: 'x' }), end],
      'garbage behind the end mark': [end, Buffer.alloc(512, 1)],
      'a size that is no number': [headerBlock({ name: 'x', size: '0000000001x' }), end],
      'a negative size': [headerBlock({ name: 'x', size: '\xff'.repeat(12) }), end],
      'a link with content': [
        headerBlock({ name: 'x', type: '2', linkname: 'y', size: '00000001000' }),
        Buffer.alloc(512),
        end,
      ],
      'a name for all entries': pax('g', '17 path=../global\n'),
      'a size that is not whole': pax('x', '12 size=1e3\n'),
      'a record of the wrong length': pax('x', '99 path=x\n'),
      'two extended headers': [...pax('x', '9 path=a\n').slice(0, 2), ...pax('x', '9 path=b\n')],
      'a header without an entry': [...pax('x', '9 path=a\n').slice(0, 2), end],
    }
    for (const [name, blocks] of Object.entries(ambiguous)) {
      assert.deepEqual(await codes(Buffer.concat(blocks)), ['ARCHIVE_FRAME'], name)
    }
  })

  it('with a wrong checksum are refused', async () => {
    const archive = await tar(MANIFEST)
    archive[0] = 0x4d
    assert.deepEqual(await codes(archive), ['ARCHIVE_FRAME'])
  })

  it('followed by something are refused', async () => {
    const packed = gzipSync(await tar(MANIFEST))
    for (const trailer of [Buffer.from('garbage'), Buffer.alloc(512), Buffer.alloc(70_000, 1)]) {
      assert.deepEqual(
        (await check(Buffer.concat([packed, trailer]))).issues.map((issue) => issue.code),
        ['ARCHIVE_COMPRESSION'],
      )
    }
  })

  it('that were changed anywhere give findings or the same entries, and never a failure', async () => {
    const packed = gzipSync(await tar(MANIFEST, ['a', 'b'], link('l', 'a')))
    await fc.assert(
      fc.asyncProperty(fc.nat(packed.length - 1), fc.nat(7), async (offset, bit) => {
        const changed = Uint8Array.from(packed)
        changed[offset] = (changed[offset] ?? 0) ^ (1 << bit)
        const { issues, report } = await check(changed)
        assert.equal(report === null, issues.length > 0)
      }),
      { numRuns: 20 },
    )
  })
})

describe('bombs', () => {
  it('of 10 MB that unpack to 10 GB are refused with 256 MB of memory', async (t) => {
    const bomb = await zeros(1250, 8 * MIB)
    assert.ok(bomb.length < 11_000_000, `${bomb.length} bytes`)
    assert.equal(ARCHIVE_OPENER.memoryBytes, 256 * MIB)
    const started = performance.now()
    const { issues, report } = await check(bomb)
    const took = performance.now() - started
    t.diagnostic(`${bomb.length} bytes that unpack to 10 GiB are refused in ${took.toFixed(0)} ms`)
    assert.deepEqual(
      issues.map((issue) => issue.code),
      ['ARCHIVE_TOO_LARGE'],
    )
    assert.equal(report, null)
  })

  it('are refused by the size that a header announces, before any of it is unpacked', async () => {
    const announced = headerBlock({ name: 'huge', size: (10 * 1024 ** 3).toString(8).padStart(11, '0') })
    assert.deepEqual(await codes(Buffer.concat([announced, Buffer.alloc(MIB)])), ['ARCHIVE_TOO_LARGE'])
  })

  it('that are no archive are refused at their first blocks', async () => {
    assert.deepEqual(await codes(Buffer.alloc(100 * MIB)), ['ARCHIVE_FRAME'])
  })

  it('are not what is merely small and unpacks well', async () => {
    const { issues } = await check(
      gzipSync(await tar(MANIFEST, ['zeros', Buffer.alloc(UNPACKED_FREE_BYTES - 2 * MIB)])),
    )
    assert.deepEqual(issues, [])
  })
})

it('names what took too long', async () => {
  const hasty = createQccValidator(new AbortController().signal, { timeout: 1 })
  const bytes = gzipSync(await tar(MANIFEST))
  const { issues } = await hasty.validate(bytes, { size: bytes.length, format: 'qcc', mediaType: 'application/gzip' })
  assert.deepEqual(
    issues.map((issue) => issue.code),
    ['SANDBOX_TIMEOUT'],
  )
  await hasty.close()
})

/** An extended header, an entry and the end mark. */
function pax(type: 'x' | 'g', records: string): Buffer[] {
  const body = Buffer.alloc(512)
  body.write(records)
  const size = records.length.toString(8).padStart(11, '0')
  return [headerBlock({ name: 'pax', type, size }), body, headerBlock({ name: 'x' }), Buffer.alloc(1024)]
}

/** A gzipped archive of `count` files of zeros. Members of gzip may follow each other, so the zeros are compressed once. */
async function zeros(count: number, size: number): Promise<Buffer> {
  const content = gzipSync(Buffer.alloc(size), { level: 9 })
  const announced = size.toString(8).padStart(11, '0')
  const start = gzipSync((await tar(MANIFEST)).subarray(0, -1024))
  const files = Array.from({ length: count }, (_, index) => [
    gzipSync(headerBlock({ name: `file-${index}`, size: announced })),
    content,
  ])
  return Buffer.concat([start, ...files.flat(), gzipSync(Buffer.alloc(1024))])
}
