import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import type { WasmReport } from '../../../protocol/annotations.ts'
import type { Findings } from '../../../src/kernel/plugins/packages/validators.ts'
import { createWasmValidator, MAX_WASM_BYTES } from '../../../src/providers/validators/wasm.ts'
import { LISTED_ENTRIES, LISTED_NAME_LENGTH } from '../../../src/providers/validators/wasm-sections.ts'

const modules = fileURLToPath(new URL('../../../node_modules/', import.meta.url))
const SMALL = join(modules, 'source-map/lib/mappings.wasm')
const MIDDLE = join(modules, 'sql.js/dist/sql-wasm.wasm')
const LARGE = join(modules, 'esbuild-wasm/esbuild.wasm')

const folder = await mkdtemp(join(tmpdir(), 'cytoplex-wasm-'))
const { signal } = new AbortController()
const validator = createWasmValidator(signal, {})
after(async () => {
  await validator.close()
  await rm(folder, { recursive: true })
})

let files = 0
async function check(bytes: Uint8Array, by = validator) {
  const path = join(folder, String(files++))
  await writeFile(path, bytes)
  return wasm(await by.validate(path, facts(bytes.length)))
}

const facts = (size: number) => ({ size, format: 'wasm', mediaType: 'application/wasm' })

/** The findings, with the report as one of WebAssembly. */
function wasm({ report, ...findings }: Findings) {
  return { ...findings, report: report as WasmReport | null }
}

async function codes(bytes: Uint8Array) {
  return (await check(bytes)).issues.map((issue) => issue.code)
}

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

function leb(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) + 128)
  }
}

function vector(count: number, item: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from(leb(count)), Buffer.alloc(count * item.length, Buffer.from(item))])
}

function binary(...sections: (readonly [number, Uint8Array | readonly number[]])[]): Buffer<ArrayBuffer> {
  return Buffer.concat([
    Buffer.from(PREAMBLE),
    ...sections.map(([id, content]) =>
      Buffer.concat([Buffer.from([id, ...leb(content.length)]), Buffer.from(content)]),
    ),
  ])
}

function text(value: string): number[] {
  const bytes = Buffer.from(value)
  return [...leb(bytes.length), ...bytes]
}

const ONE_TYPE = [1, [1, 0x60, 0, 0]] as const

/** `count` functions, each declaring `locals` locals. */
function functions(count: number, locals: number): Buffer {
  const body = [1, ...leb(locals), 0x7e, 0x0b]
  return binary(ONE_TYPE, [3, vector(count, [0])], [10, vector(count, [...leb(body.length), ...body])])
}

describe('real modules', () => {
  for (const path of [SMALL, MIDDLE, LARGE]) {
    it(`${path.slice(modules.length)} passes, and its lists are the engine's`, async () => {
      const bytes = await readFile(path)
      const { issues, passed, report } = wasm(await validator.validate(path, facts(bytes.length)))
      assert.deepEqual(
        issues.filter((issue) => issue.severity === 'error'),
        [],
      )
      assert.ok(passed.includes('wasm_compile'))
      assert.ok(report)
      const compiled = new WebAssembly.Module(bytes)
      assert.deepEqual(
        report.imports,
        WebAssembly.Module.imports(compiled).map(({ module, name, kind }) => ({ module, name, kind })),
      )
      assert.deepEqual(
        report.exports,
        WebAssembly.Module.exports(compiled).map(({ name, kind }) => ({ name, kind })),
      )
      assert.equal(report.kind, 'module')
      assert.ok((report.compile_ms ?? -1) >= 0)
      assert.ok((report.memory_min_bytes ?? 0) >= 65_536)
      assert.equal(
        issues.some((issue) => issue.code === 'WASM_MEMORY_UNBOUNDED'),
        report.memory_max_bytes === null,
      )
    })
  }
})

describe('what a module declares', () => {
  it('adds memories up: defined, imported, shared and 64-bit', async () => {
    const { report } = await check(
      binary(
        [2, [2, ...text('env'), ...text('m'), 2, 0x03, 1, 4, ...text('env'), ...text('t'), 1, 0x70, 0, 1]],
        [5, [2, 0x01, 2, 3, 0x05, 1, ...leb(65_536)]],
      ),
    )
    assert.equal(report?.memory_min_bytes, 4 * 65_536)
    assert.equal(report?.memory_max_bytes, (4 + 3 + 65_536) * 65_536)
    assert.deepEqual(report?.imports, [
      { module: 'env', name: 'm', kind: 'memory' },
      { module: 'env', name: 't', kind: 'table' },
    ])
  })

  it('warns of a memory without a maximum', async () => {
    const { issues, report } = await check(binary([5, [1, 0x00, 1]]))
    assert.deepEqual(
      issues.map(({ severity, code }) => [severity, code]),
      [['warning', 'WASM_MEMORY_UNBOUNDED']],
    )
    assert.equal(report?.memory_min_bytes, 65_536)
    assert.equal(report?.memory_max_bytes, null)
  })

  it('reports 0 for a module without memory', async () => {
    const { issues, report } = await check(binary())
    assert.deepEqual(issues, [])
    assert.equal(report?.memory_max_bytes, 0)
  })

  it('cuts long lists and says so', async () => {
    const { issues, report } = await check(
      binary(ONE_TYPE, [2, vector(LISTED_ENTRIES + 1, [...text('env'), ...text('f'), 0, 0])]),
    )
    assert.equal(report?.imports.length, LISTED_ENTRIES)
    assert.deepEqual(
      issues.map((issue) => issue.code),
      ['WASM_MANY_IMPORTS'],
    )
  })

  it('cuts long names between characters', async () => {
    const { report } = await check(
      binary(ONE_TYPE, [2, [1, ...text('😀'.repeat(500)), ...text('f'.repeat(256)), 0, 0]]),
    )
    const found = report?.imports[0]
    assert.equal(found?.module, `${'😀'.repeat(127)}…`)
    assert.ok((found?.module.length ?? 0) <= LISTED_NAME_LENGTH)
    assert.equal(found?.name, 'f'.repeat(256))
  })

  it('reads long reference types and tags', async () => {
    const imports = [3, ...text('m'), ...text('g'), 3, 0x63, 0x70, 0, ...text('m'), ...text('e'), 4, 0, 0]
    const { issues, report } = await check(
      binary(ONE_TYPE, [2, [...imports, ...text('m'), ...text('t'), 1, 0x63, 0, 0, 1]]),
    )
    assert.deepEqual(issues, [])
    assert.deepEqual(
      report?.imports.map((entry) => entry.kind),
      ['global', 'tag', 'table'],
    )
  })

  it('does not judge what a custom section contains', async () => {
    const { issues, report } = await check(binary([0, [...text('name'), 0xff, 0xff, 0xff]]))
    assert.deepEqual(issues, [])
    assert.equal(report?.kind, 'module')
  })
})

describe('bad packages', () => {
  it('refuses what is no WebAssembly', async () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('a text'),
      Buffer.from('\x7fELF\x02\x01\x01'),
      await readFile(process.execPath),
    ]) {
      const { issues, report } = await check(bytes.subarray(0, 100_000))
      assert.deepEqual(
        issues.map(({ severity, code }) => [severity, code]),
        [['error', 'WASM_MAGIC']],
      )
      assert.equal(report, null)
    }
  })

  it('refuses unknown versions', async () => {
    assert.deepEqual(await codes(Buffer.from([0x00, 0x61, 0x73, 0x6d, 2, 0, 0, 0])), ['WASM_VERSION'])
    assert.deepEqual(await codes(Buffer.from([0x00, 0x61, 0x73, 0x6d, 1, 0, 1, 0])), ['WASM_VERSION'])
  })

  it('says truncated at every offset inside a section', async () => {
    const bytes = await readFile(SMALL)
    const offsets = [4, 7, 9, 10, ...Array.from({ length: 40 }, (_, index) => 11 + index * 1200)]
    for (const offset of offsets) {
      const found = await codes(bytes.subarray(0, offset))
      assert.deepEqual(found, ['WASM_TRUNCATED'], `cut at ${offset}`)
    }
  })

  it('gives the reason of the engine and where', async () => {
    const bytes = binary(ONE_TYPE, [3, [1, 0]], [10, [1, 3, 0, 0xff, 0x0b]])
    const { issues, passed, report } = await check(bytes)
    assert.equal(issues[0]?.code, 'WASM_INVALID')
    assert.match(issues[0]?.message ?? '', /opcode/)
    assert.match(issues[0]?.location ?? '', /^package, byte \d+$/)
    assert.deepEqual(passed, ['wasm_preamble', 'wasm_sections'])
    assert.equal(report, null)
  })

  it('has the verdict of the engine on every changed bit', async () => {
    const original = await readFile(SMALL)
    await fc.assert(
      fc.asyncProperty(fc.nat(original.length - 1), fc.nat(7), async (offset, bit) => {
        const bytes = new Uint8Array(original)
        bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit)
        const { issues, report } = await check(bytes)
        const refused = issues.some((issue) => issue.severity === 'error')
        assert.equal(refused, !WebAssembly.validate(bytes), JSON.stringify(issues))
        assert.equal(report === null, refused)
      }),
      { numRuns: 150 },
    )
  })

  it('never fails on arbitrary sections', async () => {
    const section = fc.tuple(fc.nat(14), fc.uint8Array({ maxLength: 24 }))
    await fc.assert(
      fc.asyncProperty(fc.array(section, { maxLength: 4 }), async (sections) => {
        const bytes = binary(...sections)
        const { issues, report } = await check(bytes)
        assert.equal(report === null, !WebAssembly.validate(bytes), JSON.stringify(issues))
      }),
      { numRuns: 300 },
    )
  })

  it('refuses a file above the limit without opening it', async () => {
    const { issues } = await validator.validate(join(folder, 'absent'), facts(MAX_WASM_BYTES + 1))
    assert.equal(issues[0]?.code, 'WASM_TOO_LARGE')
  })

  it('refuses locals without measure', async () => {
    assert.deepEqual(await codes(functions(100_000, 50_000)), ['WASM_TOO_COMPLEX'])
  })

  it('leaves the event loop free while it compiles a million functions', async () => {
    const bytes = functions(1_000_000, 1)
    let ticks = 0
    const ticker = setInterval(() => ticks++, 5)
    assert.deepEqual(await codes(bytes), [])
    clearInterval(ticker)
    assert.ok(ticks > 3, `${ticks} ticks`)
  })
})

describe('the pool', () => {
  it('gives up after the timeout, and goes on with a new thread', async () => {
    const hasty = createWasmValidator(signal, { timeout: 1 })
    const slow = await Promise.all(Array.from({ length: 3 }, () => check(functions(1_000_000, 100), hasty)))
    for (const { issues, report } of slow) {
      assert.deepEqual(
        issues.map((issue) => issue.code),
        ['WASM_TIMEOUT'],
      )
      assert.equal(report, null)
    }
    await hasty.close()
  })

  it('answers many at once, each with its own findings', async () => {
    const good = await readFile(SMALL)
    const all = await Promise.all(
      Array.from({ length: 60 }, (_, index) => codes(index % 3 === 0 ? good.subarray(0, 1000 + index) : good)),
    )
    for (const [index, found] of all.entries()) assert.equal(found.includes('WASM_TRUNCATED'), index % 3 === 0)
  })

  it('rejects a file that is absent or has another size, and stays usable', async () => {
    await assert.rejects(validator.validate(join(folder, 'absent'), facts(10)), /ENOENT/)
    await assert.rejects(validator.validate(SMALL, facts(10)), /has 48526 bytes, expected 10/)
    assert.ok((await validator.validate(SMALL, facts(48_526))).report)
  })

  it('rejects what is under way when it closes, and everything after', async () => {
    const closing = createWasmValidator(signal, {})
    const pending = Promise.allSettled(Array.from({ length: 4 }, () => closing.validate(LARGE, facts(13_978_850))))
    await closing.close()
    for (const result of await pending) assert.equal(result.status, 'rejected')
    await assert.rejects(closing.validate(SMALL, facts(48_526)), /closed/)
    await closing.close()
  })
})
