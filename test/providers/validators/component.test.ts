import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import type { WasmReport } from '../../../protocol/annotations.ts'
import { createWasmValidator, MAX_COMPONENT_BYTES } from '../../../src/providers/validators/wasm.ts'

const validator = createWasmValidator(new AbortController().signal, {})
after(() => validator.close())

const PREAMBLE = Buffer.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)

const facts = (size: number) => ({ size, format: 'wasm', mediaType: 'application/wasm' })
const check = (bytes: Uint8Array) => validator.validate(Uint8Array.from(bytes), facts(bytes.length))

/** A component whose core function has this body, lifted to this type. */
const lifted = (body: string, result: string) =>
  parse(`(component
    (core module $m (func (export "f") (result i32) ${body}))
    (core instance $i (instantiate $m))
    (func $f (result ${result}) (canon lift (core func $i "f")))
    (export "run" (func $f)))`)

describe('components', () => {
  it('made of a module pass, with what they import and export', async () => {
    const module = await parse(`(module
      (import "host:log/sink@1.0.0" "write" (func (param i32)))
      (func (export "run") (result i32) i32.const 1))`)
    const wit = `package test:unit;
      world cell { import host:log/sink@1.0.0; export run: func() -> u32; }
      package host:log@1.0.0 { interface sink { write: func(level: u32); } }`
    const embedded = await componentEmbed({ binary: module, witSource: wit, world: 'cell' })
    const { issues, passed, report } = await check(await componentNew(embedded, []))
    assert.deepEqual(issues, [])
    assert.ok(passed.includes('wasm_component'))
    assert.deepEqual(report, {
      kind: 'component',
      imports: [{ module: '', name: 'host:log/sink@1.0.0', kind: 'instance' }],
      exports: [{ name: 'run', kind: 'function' }],
      memory_min_bytes: null,
      memory_max_bytes: null,
      compile_ms: null,
    })
  })

  it('list every kind of import and export', async () => {
    const { issues, report } = await check(
      await parse(`(component
        (import "f" (func (param "x" u32)))
        (import "t" (type $t (sub resource)))
        (import "i" (instance (export "g" (func))))
        (import "e" (type (eq $t)))
        (core module $m)
        (component $c)
        (instance $n (instantiate $c))
        (export "again" (instance $n) (instance)))`),
    )
    assert.deepEqual(issues, [])
    const { imports, exports } = report as WasmReport
    assert.deepEqual(
      imports.map(({ name, kind }) => [name, kind]),
      [
        ['f', 'function'],
        ['t', 'type'],
        ['i', 'instance'],
        ['e', 'type'],
      ],
    )
    assert.deepEqual(exports, [{ name: 'again', kind: 'instance' }])
  })
})

describe('bad components', () => {
  it('are refused for a function body inside of a core module', async () => {
    const { issues, report } = await check(await lifted('i64.const 1', 'u32'))
    assert.equal(issues[0]?.code, 'WASM_INVALID')
    assert.match(issues[0]?.message ?? '', /a core module: .*expected i32, got i64/)
    assert.match(issues[0]?.location ?? '', /^package, byte \d+$/)
    assert.equal(report, null)
  })

  it('are refused for types that do not fit together', async () => {
    const { issues } = await check(await lifted('i32.const 1', 'u64'))
    assert.equal(issues[0]?.code, 'WASM_INVALID')
    assert.match(issues[0]?.message ?? '', /do not match result types/)
  })

  it('are refused when they are cut, wherever', async () => {
    const whole = await lifted('i32.const 1', 'u32')
    for (const length of [9, 20, 60, whole.length - 20, whole.length - 1]) {
      const { report } = await check(whole.subarray(0, length))
      assert.equal(report, null, `cut at ${length}`)
    }
  })

  it('are refused when they are nested without end', async () => {
    let nested: Buffer = PREAMBLE
    for (let depth = 0; depth < 102; depth++) {
      const size = Buffer.of((nested.length & 0x7f) | 0x80, nested.length >> 7)
      nested = Buffer.concat([PREAMBLE, Buffer.of(4), size, nested])
    }
    const { issues } = await check(nested)
    assert.equal(issues[0]?.code, 'WASM_TOO_COMPLEX')
  })

  it('that are too large are not opened', async () => {
    const large = new Uint8Array(MAX_COMPONENT_BYTES + 1)
    large.set(PREAMBLE)
    assert.equal((await validator.validate(large, facts(large.length))).issues[0]?.code, 'WASM_TOO_LARGE')
  })
})
