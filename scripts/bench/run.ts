import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Measurement } from './measure.ts'
import { markdownTable, textTable } from './report.ts'
import { type Row, runRow } from './row.ts'
import { analyticsOverview } from './rows/analytics-overview.ts'
import { answerProofs } from './rows/answer-proofs.ts'
import { chatOverhead } from './rows/chat-overhead.ts'
import { contributions } from './rows/contributions.ts'
import { convergence } from './rows/convergence.ts'
import { dht } from './rows/dht.ts'
import { evaluations } from './rows/evaluations.ts'
import { httpDownload } from './rows/http-download.ts'
import { localHit } from './rows/local-hit.ts'
import { logAppends } from './rows/log-appends.ts'
import { logProofs } from './rows/log-proofs.ts'
import { memory } from './rows/memory.ts'
import { millionCells } from './rows/million-cells.ts'
import { mixedClients } from './rows/mixed-clients.ts'
import { p2pFetch } from './rows/p2p-fetch.ts'
import { p2pHelia } from './rows/p2p-helia.ts'
import { p2pPeers } from './rows/p2p-peers.ts'
import { peerAnswer } from './rows/peer-answer.ts'
import { questionBatch } from './rows/question-batch.ts'
import { questions } from './rows/questions.ts'
import { rateLimits } from './rows/rate-limits.ts'
import { recall } from './rows/recall.ts'
import { registrations } from './rows/registrations.ts'
import { registry } from './rows/registry.ts'
import { sessions } from './rows/sessions.ts'
import { signedRequests } from './rows/signed-requests.ts'
import { start } from './rows/start.ts'
import { upload2gib } from './rows/upload-2gib.ts'

const ROWS: readonly Row[] = [
  localHit,
  signedRequests,
  peerAnswer,
  httpDownload,
  p2pFetch,
  p2pPeers,
  p2pHelia,
  registrations,
  registry,
  rateLimits,
  start,
  memory,
  millionCells,
  upload2gib,
  mixedClients,
  analyticsOverview,
  dht,
  contributions,
  convergence,
  logAppends,
  logProofs,
  evaluations,
  answerProofs,
  questions,
  questionBatch,
  sessions,
  chatOverhead,
  recall,
]

const USAGE = `Measures this node against baselines that run in the same run, and prints a table.

  npm run bench -- [--only NAME…] [--quick] [--json FILE] [--record]

  --only NAME   one row; repeatable: ${ROWS.map(({ name }) => name).join(', ')}
  --quick       small sizes and one short round: whether the rows run, not what they say
  --json FILE   the figures as JSON
  --record      writes the table and the machine to RESULTS.md beside this script

All rows take twenty-five minutes: million-cells fills a store for three minutes and leaves 3 GB free again, log-proofs one of 2 GB for two,
mixed-clients runs for one, convergence for up to three, upload-2gib needs 4 GiB of disk while it runs. p2p-helia installs Helia from the
npm registry the first time, 360 MB in the temporary folder.

BENCH_CPU_PROF=<folder> writes a CPU profile of every process there.`

const RESULTS = fileURLToPath(new URL('./RESULTS.md', import.meta.url))

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      record: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const wanted = values.only ?? ROWS.map(({ name }) => name)
  const unknown = wanted.find((name) => !ROWS.some((row) => row.name === name))
  if (unknown !== undefined) {
    console.error(`--only ${unknown}: allowed are ${ROWS.map(({ name }) => name).join(', ')}`)
    return 2
  }
  const rows = ROWS.filter(({ name }) => wanted.includes(name))
  const figures = await measure(rows, values.quick)
  console.log(textTable(figures))
  const result = { machine: machine(), date: new Date().toISOString(), quick: values.quick, rows: figures }
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`)
  if (values.record) await writeFile(RESULTS, markdownTable(figures, result))
  return 0
}

async function measure(rows: readonly Row[], quick: boolean): Promise<Measurement[]> {
  const directory = await mkdtemp(join(tmpdir(), 'cytoplex-bench-'))
  const shared = new Map<string, Promise<unknown>>()
  const run = (row: Row): Promise<Measurement[]> => {
    process.stderr.write(`${row.name} …\n`)
    // Rows that run side by side cannot open the same store.
    return runRow(row, { quick, directory, shared: quick ? new Map() : shared })
  }
  try {
    // Where nothing is measured, rows need not wait for each other.
    if (quick) return await allOf(rows.map(run))
    const figures: Measurement[] = []
    for (const row of rows) figures.push(...(await run(row)))
    return figures
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** All results, or the first failure when all have ended: what still runs needs its folder. */
async function allOf(running: readonly Promise<Measurement[]>[]): Promise<Measurement[]> {
  await Promise.allSettled(running)
  return (await Promise.all(running)).flat()
}

/** What the figures depend on. */
function machine(): string {
  const [cpu] = cpus()
  const commit = gitCommit()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${memory} GiB, ${process.platform} ${release()}, Node.js ${process.version}${commit}`
}

function gitCommit(): string {
  try {
    const options = { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8', stdio: 'pipe' } as const
    return `, commit ${execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).trim()}`
  } catch {
    // Not a checkout.
    return ''
  }
}

process.exitCode = await main()
