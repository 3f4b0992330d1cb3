import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, describe, it } from 'node:test'
import { createWasmValidator } from '../../../src/providers/validators/wasm.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../../support/modules.ts'

const PAGE = 65_536
const { signal } = new AbortController()
const validator = createWasmValidator(signal, {})
after(() => validator.close())
const measure = (bytes: Uint8Array, by = signal) => validator.measureStart!(bytes, by)

const section = (id: number, ...content: number[]) => [id, content.length, ...content]
const text = (word: string) => [word.length, ...Buffer.from(word)]
const moduleOf = (...sections: number[][]) => Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()])

/** Of a function without parameters and results, called at the start. */
const NOTHING = section(1, 1, 0x60, 0, 0)
const STARTS = (...body: number[]) =>
  moduleOf(NOTHING, section(3, 1, 0), section(8, 0), section(10, 1, body.length + 2, 0, ...body, 0x0b))

describe('a module', () => {
  it('is started with what it imports, and its memory is seen', async () => {
    for (const [path, pages] of [
      [SMALL_MODULE, 17],
      [MIDDLE_MODULE, 338],
    ] as const) {
      const measured = await measure(await readFile(path))
      assert.equal(measured.start_failure, null)
      assert.ok(measured.start_ms !== null && measured.start_ms >= 0)
      assert.equal(measured.memory_after_start_bytes, pages * PAGE)
    }
  })

  it('gets imports of every kind, which do nothing', async () => {
    const imports = [
      // A function that returns i64, called at the start; its result must be zero.
      [...text('m'), ...text('f'), 0, 1],
      [...text('m'), ...text('t'), 1, 0x70, 1, 2, 4],
      [...text('m'), ...text('mem'), 2, 1, 3, 9],
      [...text('__proto__'), ...text('g'), 3, 0x7e, 0],
      [...text('m'), ...text('x'), 3, 0x6f, 1],
    ]
    const traps = [0x10, 0, 0x50, 0x45, 0x04, 0x40, 0x00, 0x0b]
    const bytes = moduleOf(
      section(1, 2, 0x60, 0, 0, 0x60, 0, 1, 0x7e),
      section(2, imports.length, ...imports.flat()),
      section(3, 1, 0),
      section(8, 1),
      section(10, 1, traps.length + 2, 0, ...traps, 0x0b),
    )
    const measured = await measure(bytes)
    assert.equal(measured.start_failure, null)
    assert.equal(measured.memory_after_start_bytes, 3 * PAGE)
  })

  it('whose memory is its own has a start, and no memory that anybody saw', async () => {
    const measured = await measure(moduleOf(section(5, 1, 0, 2)))
    assert.deepEqual([measured.memory_after_start_bytes, measured.start_failure], [null, null])
    assert.equal((await measure(moduleOf())).memory_after_start_bytes, 0)
  })

  it('that cannot start says why', async () => {
    const trap = await measure(STARTS(0x00))
    assert.deepEqual([trap.start_ms, trap.memory_after_start_bytes], [null, null])
    assert.match(trap.start_failure ?? '', /unreachable/)
    // 65,536 pages: 4 GiB.
    assert.match((await measure(moduleOf(section(5, 1, 0, 0x80, 0x80, 4)))).start_failure ?? '', /memory/i)
    const deep = await measure(STARTS(0x10, 0))
    assert.match(deep.start_failure ?? '', /call stack/)
  })

  it('that never gets there is killed with its node', async () => {
    const stopping = new AbortController()
    const endless = measure(STARTS(0x03, 0x40, 0x0c, 0, 0x0b), stopping.signal)
    stopping.abort(new Error('the node is stopping'))
    await assert.rejects(endless, /the node is stopping/)
  })
})
