import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { FederationResult } from './federation.ts'
import { plots, type Series } from './plot.ts'
import { slowDown } from './slow-clock.ts'

// What it imports takes its timers from the slow clock.
const { simulateFederation } = await import('./federation.ts')

const RESULTS = new URL('RESULTS.md', import.meta.url)
/** Nodes that one core runs in time; with more of them time passes more slowly. */
const NODES_IN_TIME = 25
const PLOT = new URL('results.svg', import.meta.url)

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '25,50,100,200' },
    seed: { type: 'string', default: '1' },
    /** Milliseconds that a message takes, at least and at most, and the share that is lost once. */
    delay: { type: 'string', default: '5-50' },
    loss: { type: 'string', default: '0.01' },
    record: { type: 'boolean', default: false },
  },
})

const sizes = values.nodes.split(',').map((text) => count('--nodes', text))
const seed = count('--seed', values.seed)
const delayMs = values.delay.split('-').map((text) => count('--delay', text))
const loss = Number(values.loss)
if (delayMs.length !== 2 || !(loss >= 0 && loss < 1)) {
  throw new RangeError(
    `found --delay ${values.delay} --loss ${values.loss}; allowed are such as --delay 5-50 --loss 0.01`,
  )
}

function count(option: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0)
    throw new RangeError(`${option}: found "${text}", allowed are whole numbers`)
  return value
}

const seconds = (ms: number | null): string => (ms === null ? 'not in three minutes' : `${(ms / 1000).toFixed(1)} s`)

const COLUMNS: readonly (readonly [head: string, of: (result: FederationResult) => string])[] = [
  ['nodes', ({ nodes }) => String(nodes)],
  ['started and joined', ({ joinedMs }) => seconds(joinedMs)],
  ['announcements that arrived', ({ coverage }) => `${(100 * coverage).toFixed(2)} %`],
  ['half / last after', ({ halfMs, lastMs }) => `${halfMs.toFixed(0)} / ${lastMs.toFixed(0)} ms`],
  ['hops, mean / most', ({ meanHops, mostHops }) => `${meanHops.toFixed(2)} / ${mostHops}`],
  [
    'sent per node and announcement',
    ({ messages, bytes }) => `${messages.toFixed(1)}, ${(bytes / 1000).toFixed(1)} kB`,
  ],
  ['idle, per node and second', (r) => `${r.idleMessages.toFixed(1)}, ${(r.idleBytes / 1000).toFixed(2)} kB`],
  ['all know all after a partition', ({ healedMs }) => seconds(healedMs)],
  ['after churn', ({ churnedMs }) => seconds(churnedMs)],
  ['late joiner knows all', ({ joinerMs }) => seconds(joinerMs)],
  ['memory of the process', ({ memoryMb }) => `${memoryMb.toFixed(0)} MB`],
]

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

function table(results: readonly FederationResult[]): string {
  return [
    line(['', ...results.map(({ nodes }) => `${nodes} nodes`)]),
    line(['---', ...results.map(() => '---')]),
    ...COLUMNS.slice(1).map(([head, of]) => line([head, ...results.map(of)])),
  ].join('\n')
}

async function record(results: readonly FederationResult[]): Promise<void> {
  const series = (name: string, unit: string, of: (result: FederationResult) => number): Series => ({
    name,
    unit,
    points: results.map((result) => [result.nodes, of(result)]),
  })
  const drawn = plots([
    series('hops, mean', 'nodes passed', ({ meanHops }) => meanHops),
    series('sent per node and announcement', 'messages', ({ messages }) => messages),
    series('sent per node and announcement', 'bytes', ({ bytes }) => bytes),
    series('last arrival', 'ms', ({ lastMs }) => lastMs),
  ])
  const note = `Whole nodes in one process, over links that take ${values.delay} ms and lose ${100 * loss} % of messages once; a tenth of the clocks are up to two minutes wrong; twenty nodes announce, ten serve the DHT; the others have 24 connections at most. All share one core, so time passes more slowly for more than ${NODES_IN_TIME} nodes, the more the more they are: times are those that the nodes see; seed ${seed}. Dashed: growth like the logarithm of the number of nodes.`
  await writeFile(PLOT, drawn)
  await writeFile(RESULTS, `# Simulated federations\n\n${note}\n\n${table(results)}\n\n![plots](results.svg)\n`)
}

const results: FederationResult[] = []
for (const size of sizes) {
  slowDown(Math.max(1, size / NODES_IN_TIME))
  const begun = performance.now()
  const say = (text: string): void => console.error(`${size} nodes, ${seconds(performance.now() - begun)}: ${text}`)
  results.push(await simulateFederation(size, seed, { delayMs: [delayMs[0]!, delayMs[1]!], loss }, say))
  // The larger ones take long, and may not come to their end.
  if (values.record) await record(results)
}
console.log(table(results))
process.exit(0)
