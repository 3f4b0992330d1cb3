import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const RUN = fileURLToPath(new URL('../../scripts/bench/run.ts', import.meta.url))

/** Names of rows, and a part of the label of each of their figures. */
const ROWS: Readonly<Record<string, string>> = {
  start: 'start to ready',
  registry: 'provider registry',
  'rate-limits': 'addresses',
  'log-appends': 'log appends',
  'log-proofs': 'inclusion proof',
  evaluations: 'metered evaluator',
}
/** Those that start several processes, or take long to prepare. */
const LONG_ROWS: Readonly<Record<string, string>> = {
  'local-hit': 'local hit',
  'peer-answer': 'answered by a peer',
  'http-download': 'HTTP',
  'p2p-fetch': 'P2P',
  registrations: '16 clients',
  memory: 'RssAnon',
  'signed-requests': 'quantum signature',
  'analytics-overview': 'overview',
  contributions: 'contributions through the pipeline',
  'answer-proofs': 'verification',
  questions: 'questions over',
  sessions: 'a session is loaded',
  'million-cells': '1,000,000 cells',
  'mixed-clients': 'mixed',
  'upload-2gib': '2 GiB',
  'p2p-peers': 'three peers',
  'p2p-helia': 'Helia',
  dht: 'DHT',
  convergence: 'three nodes converge',
  'question-batch': 'a batch of',
  recall: 'search in a session',
  'chat-overhead': 'chat completion',
}
const skip = process.env.LONG_TESTS === undefined ? 'takes more than a minute of a processor: npm run test:long' : false

async function assertRuns(rows: Readonly<Record<string, string>>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'cytoplex-bench-test-'))
  try {
    const file = join(directory, 'result.json')
    const names = Object.keys(rows).flatMap((name) => ['--only', name])
    await promisify(execFile)(process.execPath, [RUN, '--quick', '--json', file, ...names])
    const { rows: figures } = JSON.parse(await readFile(file, 'utf8')) as { rows: { label: string; ours: number }[] }
    for (const part of Object.values(rows)) {
      assert.ok(
        figures.some(({ label, ours }) => label.includes(part) && ours > 0),
        `no figure for ${part}`,
      )
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}

describe('the benchmark, with small sizes', () => {
  it('runs its short rows', () => assertRuns(ROWS))

  it('runs its long rows', { skip }, () => assertRuns(LONG_ROWS))

  it('has no other rows', async () => {
    const { stderr } = await promisify(execFile)(process.execPath, [RUN, '--only', 'none']).catch(
      (error: { stderr: string }) => error,
    )
    const names = /allowed are (.*)/.exec(stderr)?.[1]?.split(', ').sort()
    assert.deepEqual(names, [...Object.keys(ROWS), ...Object.keys(LONG_ROWS)].sort())
  })
})
