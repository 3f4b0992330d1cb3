import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { EVALUATOR_LIMITS } from '../../../protocol/evaluator.ts'
import { RefusedModule } from '../../../src/providers/evaluators/binary.ts'
import { instrument, type MeteredExports } from '../../../src/providers/evaluators/instrument.ts'
import { assembled, evaluated, evaluatorText, type Parts, reasonOf, reward, rewardOf } from './modules.ts'

const usedBy = async (parts: Parts, options = {}): Promise<number> => (await evaluated(parts, options)).used
/** Fuel of alloc and evaluate with nothing in them: a constant each, and four locals. */
const BASE = 1 + 1 + 4

describe('fuel', () => {
  it('is one unit for each instruction that runs, and one for each local', async () => {
    assert.equal(await usedBy({}), BASE)
    assert.equal(await usedBy({ body: '(nop) (drop (i32.add (i32.const 1) (i32.const 2)))' }), BASE + 5)
    assert.equal(await usedBy({ body: '(block (block))' }), BASE)
    assert.equal(await usedBy({ body: '(call $f)', rest: '(func $f (local i64 i64 i64))' }), BASE + 1 + 3)
  })

  it('is not paid for what is branched over', async () => {
    const skipped = '(nop) '.repeat(100)
    assert.equal(await usedBy({ body: `(block (br 0) ${skipped})` }), BASE + 1)
    assert.equal(await usedBy({ body: `(block (br_if 0 (i32.const 1)) ${skipped})` }), BASE + 2)
    assert.equal(await usedBy({ body: `(if (i32.const 0) (then ${skipped}))` }), BASE + 2)
    assert.equal(await usedBy({ body: `(if (i32.const 1) (then (nop)) (else ${skipped}))` }), BASE + 3)
    assert.equal(await usedBy({ body: `(block (block (br_table 0 1 (i32.const 1))) ${skipped})` }), BASE + 2)
    assert.equal(await usedBy({ body: `(return (i32.const 0)) ${skipped}` }), BASE + 1)
  })

  it('is paid in every turn of a loop', async () => {
    const turns = (count: number): Parts => ({
      body: `(loop $next (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $n) (i32.const ${count}))))`,
    })
    assert.equal(await usedBy(turns(1)), BASE + 8)
    assert.equal(await usedBy(turns(1000)), BASE + 8000)
  })

  it('is an eighth of the bytes that are filled and copied', async () => {
    assert.equal(await usedBy({ body: '(memory.fill (i32.const 0) (i32.const 0) (i32.const 807))' }), BASE + 4 + 100)
    assert.equal(await usedBy({ body: '(memory.copy (i32.const 0) (i32.const 9) (i32.const 7))' }), BASE + 4)
  })

  it('is exhausted by one unit too little, and by nothing else', async () => {
    const parts = {
      body: '(call $f) (memory.fill (i32.const 0) (i32.const 0) (i32.const 99))',
      rest: '(func $f (nop))',
    }
    const used = await usedBy(parts)
    for (let fuel = 1; fuel < used; fuel++) {
      assert.deepEqual((await evaluated(parts, { fuel })).evaluation, { kind: 'timeout' })
    }
    assert.equal((await evaluated(parts, { fuel: used })).evaluation.kind, 'metrics')
  })

  it('ends what has no end', async () => {
    const rest = `(table 1 funcref) (elem (i32.const 0) $again) (func $again) (type $t (func))`
    const endless = [
      '(loop $again (br $again))',
      '(loop $again (br_if $again (i32.const 1)))',
      '(loop $again (br_table $again $again (i32.const 0)))',
      '(loop $again (call_indirect (type $t) (i32.const 0)) (br $again))',
      '(loop $again (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $again))',
    ]
    for (const body of endless) {
      const { evaluation, used } = await evaluated({ body, rest })
      assert.deepEqual({ evaluation, used }, { evaluation: { kind: 'timeout' }, used: 1_000_000 }, body)
    }
    const start = '(func $start (loop $again (br $again))) (start $start)'
    assert.deepEqual((await evaluated({ rest: start })).evaluation, { kind: 'timeout' })
    assert.deepEqual((await evaluated({ pointer: '(loop $again (br $again)) (i32.const 0)' })).evaluation, {
      kind: 'timeout',
    })
  })
})

describe('the stack', () => {
  const down = (depth: number, locals = ''): Parts => ({
    body: `(call $down (i32.const ${depth}))`,
    rest: `(func $down (param $n i32) ${locals}
      (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1))))))`,
  })
  /** Parameter, two operands, and what every frame has. */
  const frame = EVALUATOR_LIMITS.frameOverhead + 1 + 2
  /** Parameters, locals, one operand, and what every frame has: of evaluate. */
  const outer = EVALUATOR_LIMITS.frameOverhead + 3 + 4 + 1
  const deepest = Math.floor((EVALUATOR_LIMITS.stackSlots - outer) / frame)

  it('is as deep on every machine', async () => {
    assert.equal((await evaluated(down(deepest - 1))).evaluation.kind, 'metrics')
    assert.match(reasonOf((await evaluated(down(deepest))).evaluation), /more than 32768 slots of stack/)
  })

  it('counts what a frame holds', async () => {
    const locals = 83
    const wide = Math.floor((EVALUATOR_LIMITS.stackSlots - outer) / (frame + locals))
    const list = `(local ${'f64 '.repeat(locals)})`
    assert.equal((await evaluated(down(wide - 1, list))).evaluation.kind, 'metrics')
    assert.match(reasonOf((await evaluated(down(wide, list))).evaluation), /slots of stack/)
  })

  it('is given back by every way out of a function', async () => {
    const ways = ['(return)', '(br 0)', '(br_if 0 (i32.const 1))', '(br_table 0 (i32.const 0))', '']
    for (const way of ways) {
      const parts = {
        body: `(loop $next (call $leave) (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $n) (i32.const 5000))))`,
        rest: `(func $leave (call $nothing) ${way}) (func $nothing)`,
      }
      assert.equal((await evaluated(parts)).evaluation.kind, 'metrics', way)
    }
  })

  it('is enough of the engine, with the largest frames at the greatest depth', async () => {
    const operands = 1000
    const push = '(call $zero) '.repeat(operands)
    const parts = {
      body: '(drop (call $down))',
      rest: `(func $zero (result i32) (i32.const 0))
        (func $down (result i32) (local ${'i64 '.repeat(1000)}) ${push} (call $down) ${'(i32.add) '.repeat(operands)})`,
    }
    assert.match(reasonOf((await evaluated(parts)).evaluation), /slots of stack/)
  })
})

describe('what depends on the machine elsewhere', () => {
  const nan = '(f64.neg (f64.div (f64.const 0) (f64.const 0)))'
  const nan32 = '(f32.neg (f32.div (f32.const 0) (f32.const 0)))'

  it('is no NaN: there is one, in memory, as bits and as a sign', async () => {
    const high = (bits: string): string => reward(`(f64.convert_i64_u (i64.shr_u ${bits} (i64.const 48)))`)
    const payload = 'nan:0x4000000000001'
    for (const value of [nan, `(f64.const ${payload})`, `(f64.promote_f32 ${nan32})`, '(local.get $x)']) {
      const root = '(local.set $x (f64.sqrt (f64.const -1)))'
      const loaded = `(f64.store (i32.const 8) ${value}) ${high('(i64.load (i32.const 8))')} (f64.store (i32.const 8) (f64.const 0))`
      assert.equal(await rewardOf({ body: root + loaded }), 0x7ff8)
      assert.equal(await rewardOf({ body: root + high(`(i64.reinterpret_f64 ${value})`) }), 0x7ff8)
      assert.equal(await rewardOf({ body: root + reward(`(f64.copysign (f64.const 3) ${value})`) }), 3)
    }
    const word = (bits: string): string => reward(`(f64.convert_i32_u ${bits})`)
    const stored = `(f32.store offset=4 (i32.const 4) ${nan32}) ${word('(i32.load (i32.const 8))')} (i32.store (i32.const 8) (i32.const 0))`
    assert.equal(await rewardOf({ body: stored }), 0x7fc00000)
    assert.equal(await rewardOf({ body: word(`(i32.reinterpret_f32 ${nan32})`) }), 0x7fc00000)
    assert.equal(await rewardOf({ body: reward(`(f64.promote_f32 (f32.copysign (f32.const 3) ${nan32}))`) }), 3)
  })

  it('leaves every other number as it is', async () => {
    for (const value of ['-0', '1.5', '-inf', '0x1p-1074', '-0x1.fffffffffffffp+1023']) {
      const body = `(f64.store (i32.const 8) (f64.const ${value}))
        (local.set $n (i64.eq (i64.load (i32.const 8)) (i64.reinterpret_f64 (f64.const ${value}))))
        (f64.store (i32.const 8) (f64.const 0)) ${reward('(f64.convert_i32_u (local.get $n))')}`
      assert.equal(await rewardOf({ body }), 1)
    }
    assert.equal(await rewardOf({ body: reward('(f64.copysign (f64.const 3) (f64.const -0))') }), -3)
    assert.equal(await rewardOf({ body: reward('(f64.promote_f32 (f32.copysign (f32.const 3) (f32.const -1)))') }), -3)
  })

  it('is no memory: it has the pages that were asked for, and never grows', async () => {
    const body = `(if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
      (if (i32.ne (memory.grow (i32.const 0)) (memory.size)) (then (unreachable)))
      ${reward('(f64.convert_i32_u (memory.size))')}`
    for (const memory of ['1', '1 1', '2 500']) {
      assert.equal(await rewardOf({ body, memory: `(memory (export "memory") ${memory})` }, { pages: 3 }), 3)
    }
  })
})

describe('a metered module', () => {
  it('computes what it computed before', async () => {
    const text = evaluatorText({
      body: reward('(f64.convert_i32_s (call $mix (local.get $seed) (i32.const 20)))'),
      rest: `(table 2 funcref) (elem (i32.const 0) $double $mix) (global $g (mut i32) (i32.const 5))
        (type $one (func (param i32) (result i32)))
        (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
        (func $mix (param $a i32) (param $n i32) (result i32) (local $r i32)
          (if (i32.eqz (local.get $n)) (then (return (global.get $g))))
          (global.set $g (i32.add (global.get $g) (local.get $a)))
          (local.set $r (block $out (result i32)
            (block $two (block $one (block $zero
              (br_table $zero $one $two (i32.rem_u (local.get $n) (i32.const 4))))
              (br $out (call_indirect (type $one) (local.get $a) (i32.const 0))))
              (br $out (loop (result i32) (i32.add (local.get $a) (i32.const 13)))))
            (drop (br_if $out (i32.const 77) (i32.and (local.get $a) (i32.const 1))))
            (select (local.get $n) (i32.const 3) (local.get $a))))
          (i32.xor (i32.const 12345) (i32.add (local.get $r)
            (call $mix (i32.add (local.get $a) (local.get $r)) (i32.sub (local.get $n) (i32.const 1))))))`,
    })
    const bytes = await assembled(text)
    const metered = new WebAssembly.Module(instrument(bytes).withPages(1))
    const plain = new WebAssembly.Module(bytes)
    for (let seed = 0; seed < 50; seed++) {
      const results = [plain, metered].map((module) => {
        const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
        const instance = new WebAssembly.Instance(module, { env: { memory } })
        const exports = instance.exports as unknown as Partial<MeteredExports> & { memory?: WebAssembly.Memory }
        if (exports.fuel !== undefined) exports.fuel.value = 1_000_000n
        const at = exports.evaluate?.(0, 0, seed) ?? -1
        return new DataView((exports.memory ?? memory).buffer).getFloat64(at, true)
      })
      assert.equal(results[1], results[0])
    }
  })

  it('is refused or valid, whatever was changed in it', async () => {
    const source = await readFile(new URL('../../../scripts/evaluators/nearest.wat', import.meta.url), 'utf8')
    const example = await assembled(source)
    const change = fc.record({ at: fc.nat(example.length - 1), byte: fc.nat(255) })
    let taken = 0
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const bytes = Uint8Array.from(example)
        for (const { at, byte } of changes) bytes[at] = byte
        try {
          const metered = instrument(bytes).withPages(1)
          if (!WebAssembly.validate(bytes)) return
          taken++
          assert.ok(WebAssembly.validate(metered))
        } catch (error) {
          assert.ok(error instanceof RefusedModule, String(error))
        }
      }),
      { numRuns: 3000 },
    )
    assert.ok(taken > 0)
  })
})

describe('what is refused', () => {
  const big = (count: number, item: string): string => item.repeat(count)
  const cases: Record<string, readonly [Parts | string, RegExp]> = {
    'an import': [
      { memory: '(import "env" "now" (func)) (memory (export "memory") 1)' },
      /imports env\.now; an evaluator imports nothing/,
    ],
    'an imported memory': [{ memory: '(import "env" "m" (memory 1)) (export "memory" (memory 0))' }, /imports env\.m/],
    'no memory': [{ memory: '' }, /exports no memory/],
    'a memory that is not exported': [{ memory: '(memory 1)' }, /exports no memory/],
    'two memories': [{ memory: '(memory (export "memory") 1) (memory 1)' }, /2 memories/],
    'shared memory': [{ memory: '(memory (export "memory") 1 2 shared)' }, /threads/],
    '64-bit memory': [{ memory: '(memory (export "memory") i64 1)' }, /64-bit/],
    'a memory larger than any goal gives': [
      { memory: '(memory (export "memory") 1025)' },
      /1025 pages, allowed are at most 1024/,
    ],
    'no alloc': [
      '(module (memory (export "memory") 1))',
      /exports no function alloc; wanted is alloc: \(i32\) -> \(i32\)/,
    ],
    'another evaluate': [
      '(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) (i32.const 0)) (func (export "evaluate") (param f64)))',
      /exports evaluate: \(f64\) -> \(\); wanted is \(i32, i32, i32\) -> \(i32\)/,
    ],
    SIMD: [{ body: '(drop (i8x16.splat (i32.const 1)))' }, /SIMD/],
    'SIMD in a type': [{ rest: '(func (param v128))' }, /SIMD/],
    'relaxed SIMD': [
      { body: '(drop (f32x4.relaxed_madd (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)))' },
      /SIMD/,
    ],
    threads: [{ body: '(drop (i32.atomic.load (i32.const 0)))' }, /threads/],
    exceptions: [{ body: '(throw 0)', rest: '(tag)' }, /exceptions/],
    'catching exceptions': [{ body: '(block (try_table (catch_all 0)))' }, /exceptions/],
    'tail calls': [{ rest: '(func $f (return_call $f))' }, /tail calls/],
    'garbage collection': [{ rest: '(type (struct))' }, /garbage collection/],
    'i31 references': [{ body: '(drop (ref.i31 (i32.const 0)))' }, /garbage collection/],
    'references to functions': [{ body: '(drop (ref.null func))' }, /reference types/],
    'tables that change': [
      { body: '(table.set (i32.const 0) (ref.null func))', rest: '(table 1 funcref)' },
      /reference types/,
    ],
    'tables that grow': [
      { body: '(drop (table.grow (ref.null func) (i32.const 1)))', rest: '(table 1 funcref)' },
      /reference types|tables/,
    ],
    'tables of references': [{ rest: '(table 1 externref)' }, /reference types/],
    'a large table': [{ rest: '(table 4097 funcref)' }, /4097 elements, allowed are at most 4096/],
    'passive data': [{ body: '(data.drop 0)', rest: '(data "x")' }, /data segments/],
    'several results': [{ rest: '(func (result i32 i32) (i32.const 0) (i32.const 0))' }, /2 results/],
    'blocks with parameters': [{ body: '(drop (block (param i32) (result i32) (i32.const 0)))' }, /blocks of the type/],
    'many locals': [{ rest: `(func (local ${big(3000, 'i32 ')}))` }, /more than 2048 parameters and locals/],
    'many operands': [
      { rest: `(func ${big(2050, '(i32.const 0) ')} ${big(2050, '(drop) ')})` },
      /a frame of 2066 slots/,
    ],
    'many blocks': [{ rest: `(func ${big(512, 'block ')} ${big(512, 'end ')})` }, /more than 512 blocks/],
    'a long br_table': [{ rest: `(func (br_table ${big(4098, '0 ')} (i32.const 0)))` }, /4097 targets/],
    'a long function': [{ rest: `(func ${big(131_072, '(nop)')})` }, /a function has 131\d{3} bytes/],
    'computed initial values': [{ rest: '(global i32 (i32.add (i32.const 1) (i32.const 1)))' }, /initial value/],
    'a component': ['(component)', /components are not allowed/],
  }
  for (const [name, [parts, reason]] of Object.entries(cases)) {
    it(`is ${name}`, async () => {
      const bytes = await assembled(typeof parts === 'string' ? parts : evaluatorText(parts))
      assert.throws(
        () => instrument(bytes),
        (error) => error instanceof RefusedModule && reason.test(error.message),
      )
    })
  }
})

describe('what is no result', () => {
  const reason = async (parts: Parts, options = {}): Promise<string> =>
    reasonOf((await evaluated(parts, options)).evaluation)

  it('is an answer outside the memory', async () => {
    assert.match(await reason({ result: '(i32.const -1)' }), /evaluate answered 4294967295: no result/)
    assert.match(await reason({ result: '(i32.const 65513)' }), /evaluate answered 65513/)
    assert.equal((await evaluated({ result: '(i32.const 65512)' })).evaluation.kind, 'metrics')
  })

  it('is room for the input outside the memory', async () => {
    const input = new Uint8Array(100)
    assert.match(await reason({ pointer: '(i32.const -8)' }, { input }), /alloc\(100\) answered 4294967288/)
    assert.match(await reason({ pointer: '(i32.const 65437)' }, { input }), /does not fit a memory of 65536 bytes/)
    assert.equal((await evaluated({ pointer: '(i32.const 65436)' }, { input })).evaluation.kind, 'metrics')
  })

  it('is a number that is not finite, whichever it is', async () => {
    for (const [index, name] of ['reward', 'risk', 'complexity'].entries()) {
      for (const value of ['inf', '-inf', 'nan']) {
        const body = `(f64.store (i32.const ${8 * index}) (f64.const ${value}))`
        assert.match(await reason({ body }), new RegExp(`${name} is (-?Infinity|NaN); allowed are finite numbers`))
      }
    }
  })

  it('has no negative zero', async () => {
    const zero = await rewardOf({ body: reward('(f64.const -0)') })
    assert.ok(Object.is(zero, 0))
  })

  it('is a trap, also of the start function, and segments that do not fit', async () => {
    assert.match(await reason({ body: '(unreachable)' }), /it trapped: unreachable/)
    assert.match(await reason({ body: '(drop (i32.load (i32.const 65533)))' }), /trapped: memory access out of bounds/)
    assert.match(await reason({ rest: '(func $s (unreachable)) (start $s)' }), /trapped/)
    assert.match(await reason({ rest: '(data (i32.const 65536) "x")' }), /trapped: .*out of bounds/)
    assert.match(
      await reason({ rest: '(table 1 funcref) (func $f) (elem (i32.const 1) $f)' }),
      /trapped: .*out of bounds/,
    )
  })
})
