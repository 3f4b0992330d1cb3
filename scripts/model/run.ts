import { parseArgs } from 'node:util'
import { type RunResult, run } from './scenario.ts'

const { values } = parseArgs({
  options: {
    /** How many runs, and the seed of the first one. */
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    /** Prints everything that happens: for the seed of a run that failed. */
    trace: { type: 'boolean', default: false },
  },
})

function whole(option: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`${option}: found "${text}", allowed are whole numbers from 1 on`)
  return value
}

const count = whole('--seeds', values.seeds)
const first = whole('--first', values.first)
const results: RunResult[] = []
const realNow = performance.now.bind(performance)
const begun = realNow()
for (let seed = first; seed < first + count; seed++) {
  const result = await run(seed, values.trace ? (text) => console.log(text) : undefined)
  results.push(result)
  for (const failure of result.failures) console.log(`seed ${seed}: ${failure}`)
}

const failed = results.filter(({ failures }) => failures.length > 0).length
const times = results
  .flatMap(({ convergedMs }) => (convergedMs === undefined ? [] : [convergedMs]))
  .sort((a, b) => a - b)
const at = (share: number): string => `${((times[Math.ceil(share * times.length) - 1] ?? 0) / 1000).toFixed(1)} s`
const sum = (of: (result: RunResult) => number): number => results.reduce((all, result) => all + of(result), 0)
console.log(`${count} runs from seed ${first}, ${((realNow() - begun) / 1000).toFixed(0)} s; ${failed} failed
${sum(({ acts }) => acts)} acts, ${sum(({ announcements }) => announcements)} announcements, ${sum(({ messages }) => messages)} messages
all know the same after healing: half within ${at(0.5)}, 99 % within ${at(0.99)}, all within ${at(1)}`)
process.exit(failed === 0 ? 0 : 1)
