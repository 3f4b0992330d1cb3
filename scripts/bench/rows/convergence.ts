import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import type { GoalStatus } from '../../../src/node/goals-api.ts'
import { alternate, bounded, median } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row } from '../row.ts'
import type { Worker } from '../worker-process.ts'

/** The documented example. */
const EVALUATOR = fileURLToPath(new URL('../../evaluators/nearest.wat', import.meta.url))
const NODES = 3
const COUNT = 10_000
/** Submissions under way at each node. */
const AT_ONCE = 256
const MOST_SECONDS = 30
/** A round takes its time. */
const ROUNDS = 3

export const convergence: Row = {
  name: 'convergence',
  title: 'three nodes converge on 10,000 contributions submitted at all three',
  async run(context) {
    const count = context.quick ? 150 : COUNT
    const started = async (name: string, seeds?: readonly string[]) => {
      const worker = await context.worker('goal-node')
      const dataDir = await context.folder(`convergence-${name}`)
      return {
        worker,
        ...(await worker.call<Started>('start', { dataDir, ...(seeds === undefined ? {} : { seeds }) })),
      }
    }
    const nodes: Worker[] = []
    const seeds: string[] = []
    for (let i = 0; i < NODES; i++) {
      const { worker, addresses } = await started(`${i}`, i === 0 ? undefined : [...seeds])
      nodes.push(worker)
      seeds.push(addresses[0]!)
    }
    await Promise.all(nodes.map((worker) => worker.call('connected', { cells: 0, peers: NODES - 1 })))
    const { worker: alone } = await started('alone')
    const module = await parse(await readFile(EVALUATOR, 'utf8'))
    let number = 0

    /** Seconds until all have judged all contributions, of which each is submitted at one of them. */
    const seconds = async (workers: readonly Worker[]): Promise<number> => {
      number++
      const goal = { number }
      await workers[0]!.call('createGoal', { number, module })
      await Promise.all(workers.slice(1).map((worker) => worker.call('joinGoal', goal)))
      const cuts = Array.from({ length: workers.length + 1 }, (_, i) => Math.round((i * count) / workers.length))
      await Promise.all(
        workers.map((worker, i) => worker.call('sign', { number, first: cuts[i]!, count: cuts[i + 1]! - cuts[i]! })),
      )
      const since = performance.now()
      const states = await Promise.all(
        workers.map(async (worker) => {
          await worker.call('contribute', { concurrency: AT_ONCE })
          return await worker.call<GoalStatus>('judged', { number, count })
        }),
      )
      const taken = (performance.now() - since) / 1000
      const seen = new Set(states.map(({ set_root, leaderboard_root }) => set_root + leaderboard_root))
      if (seen.size > 1) throw new Error('the nodes do not agree')
      return taken
    }

    const { ours, baseline } = await alternate(Math.min(context.rounds, ROUNDS), {
      ours: () => seconds(nodes),
      baseline: () => seconds([alone]),
    })
    const note =
      'processes of their own, TCP, evaluated by each in its sandbox, durable; baseline: all of them at one node without peers'
    const line = bounded(convergence.title, 's', ours, MOST_SECONDS, note)
    return [{ ...line, baseline: median(baseline), ratio: median(ours) / median(baseline) }]
  },
}
