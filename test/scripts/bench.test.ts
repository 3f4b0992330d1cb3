import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const RUN = fileURLToPath(new URL('../../scripts/bench/run.ts', import.meta.url))

it('every row of the benchmark runs, with small sizes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cytoplex-bench-test-'))
  try {
    const file = join(directory, 'result.json')
    await promisify(execFile)(process.execPath, [RUN, '--quick', '--json', file])
    const { rows } = JSON.parse(await readFile(file, 'utf8')) as { rows: { label: string; ours: number }[] }
    for (const part of [
      'local hit',
      'answered by a peer',
      'HTTP',
      'P2P',
      '16 clients',
      'start to ready',
      'RssAnon',
      'quantum signature',
      '1,000,000 cells',
      'mixed',
      '2 GiB',
      'overview',
      'addresses',
      'DHT',
      'contributions through the pipeline',
      'three nodes converge',
      'log appends',
      'inclusion proof',
      'verification',
      'metered evaluator',
      'trivial evaluator',
      'questions over',
      'search in a session',
    ]) {
      assert.ok(
        rows.some(({ label, ours }) => label.includes(part) && ours > 0),
        `no figure for ${part}`,
      )
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})
