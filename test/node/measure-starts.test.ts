import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { WasmReport } from '../../protocol/annotations.ts'
import { measuredOf } from '../../src/domain/cells/records.ts'
import type { StartMeasurement, Validator } from '../../src/kernel/plugins/packages/validators.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import { createLogger } from '../../src/kernel/telemetry/logger.ts'
import { StartMeasurer } from '../../src/node/flows/measure-starts.ts'
import { manifestOf, newPublisher, openCells, signedCell, staged } from '../support/cells.ts'

const alice = newPublisher()
const REPORT: WasmReport = {
  kind: 'module',
  imports: [],
  exports: [],
  memory_min_bytes: 65_536,
  memory_max_bytes: null,
  compile_ms: 5,
}
const MEASURED: StartMeasurement = { start_ms: 2, memory_after_start_bytes: 131_072, start_failure: null }
const silent = createLogger({ level: 'silent', pretty: false })

async function open(
  t: TestContext,
  measureStart: (bytes: Uint8Array, signal: AbortSignal) => Promise<StartMeasurement>,
) {
  const cells = await openCells(t)
  const events = new Events(silent)
  const measurer = new StartMeasurer(
    {
      ...cells,
      events,
      logger: silent,
      validators: { of: () => ({ measureStart }) as Partial<Validator> as Validator },
    },
    0,
  )
  measurer.start()
  t.after(() => measurer.stop())
  const register = async (version: string, report: WasmReport | null = REPORT) => {
    const writer = await staged(cells.blobs, new TextEncoder().encode(`module ${version}`))
    const cell = signedCell(alice, manifestOf(alice.publisher, writer.summary, { version }))
    const record = await cells.repository.register(cell, { credential: 'key', report }, writer)
    await writer.discard()
    const { id: cellId, manifest } = record
    const { cell_type: cellType, publisher, package: ref } = manifest
    const facts = {
      cellId,
      cellType,
      version,
      publisher,
      signedBy: 'publisher',
      digest: ref.digest,
      bytes: ref.size,
    } as const
    events.emit('cell_registered', facts)
    return cellId
  }
  return { cells, register, measurer }
}

describe('a registered module', () => {
  it('is started later, and its report, its answer and its ranking follow; the log does not', async (t) => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>()
    const { cells, register } = await open(t, async (bytes) => {
      resolve(bytes)
      return MEASURED
    })
    const { promise: noted, resolve: note } = Promise.withResolvers<void>()
    const { repository } = cells
    const measured = repository.measured.bind(repository)
    repository.measured = (...args) => measured(...args).then(note)
    const id = await register('1.0.0')
    const before = repository.find('parser')
    assert.equal(new TextDecoder().decode(await promise), 'module 1.0.0')
    await noted
    const cell = repository.find('parser')
    assert.deepEqual(cell, { ...before, report: { ...REPORT, ...MEASURED } })
    assert.deepEqual(measuredOf(cell.report), { memoryBytes: 131_072, startupMs: 7 })
    const [candidate] = cells.index.candidates('capability', 'parse')
    assert.deepEqual([candidate?.id, candidate?.compileMs, candidate?.memory], [id, 7, 131_072])
    const policy = { trust: { isPinned: () => false }, vulnerabilities: { worstOpen: () => undefined } }
    const answer = cells.index.answer({ candidate: candidate!, tier: 2 }, policy)!
    const { metadata } = JSON.parse(answer.before + answer.after)
    assert.deepEqual(metadata.performance_characteristics, { typical_memory_mb: 0.125, typical_startup_ms: 7 })
  })

  it('that could not be started says why, and is known for what was found before', async (t) => {
    const failed = { start_ms: null, memory_after_start_bytes: null, start_failure: 'unreachable' }
    assert.deepEqual(measuredOf({ ...REPORT, ...failed }), { memoryBytes: 65_536, startupMs: 5 })
    const { cells, register } = await open(t, async () => failed)
    const id = await register('1.0.0')
    await cells.repository.measured(id, failed)
    assert.equal((cells.repository.find('parser').report as WasmReport).start_failure, 'unreachable')
  })

  it('is started one at a time, whatever became of the one before', async (t) => {
    let running = 0
    const seen: string[] = []
    const { promise: all, resolve } = Promise.withResolvers<void>()
    const { register } = await open(t, async (bytes) => {
      assert.equal(++running, 1)
      await new Promise((next) => setImmediate(next))
      running--
      seen.push(new TextDecoder().decode(bytes))
      if (seen.length === 3) resolve()
      throw new Error('the child could not be started')
    })
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await register(version)
    await all
    assert.deepEqual(seen, ['module 1.0.0', 'module 1.1.0', 'module 1.2.0'])
  })

  it('ends with the node, and is not started afterwards', async (t) => {
    const { promise: started, resolve } = Promise.withResolvers<void>()
    let starts = 0
    const { register, measurer } = await open(t, (_, signal) => {
      starts++
      resolve()
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    await register('1.0.0')
    await started
    await register('1.1.0')
    await measurer.stop()
    await register('1.2.0')
    assert.equal(starts, 1)
  })

  it('that was deleted meanwhile, or never opened, is left alone', async (t) => {
    const { cells, register } = await open(t, async () => assert.fail('it was started'))
    const id = await register('1.0.0', null)
    await cells.repository.measured(id, MEASURED)
    assert.equal(cells.repository.find('parser').report, null)
    await cells.repository.delete('parser', '1.0.0')
    await cells.repository.measured(id, MEASURED)
    assert.equal(cells.index.get(id), undefined)
  })
})
