import { pino } from 'pino'
import type { ContributionRecord } from '../../../src/domain/goals/contribution-record.ts'
import { signGoal } from '../../../src/domain/goals/goal-record.ts'
import { canonicalJson } from '../../../src/kernel/base/canonical-json.ts'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import { sha256Hex } from '../../../src/kernel/base/hash.ts'
import { signedBytes } from '../../../src/kernel/identity/signed.ts'
import { pooledVerifier } from '../../../src/kernel/identity/verify.ts'
import { Events } from '../../../src/kernel/telemetry/events.ts'
import { ContributionDesk } from '../../../src/node/flows/contribute.ts'
import { JoinedGoal } from '../../../src/node/flows/joined-goal.ts'
import { ContributionJudge } from '../../../src/node/flows/judge-contribution.ts'
import { submissionOf } from '../../../test/support/goals.ts'
import { alternate, type Measurement, median } from '../measure.ts'
import { newStore } from '../new-store.ts'
import type { Row } from '../row.ts'
import { contributor, TERMS } from '../signed-contributions.ts'

const COUNT = 8192
/** Submissions under way: what a node takes at most, nearly. */
const AT_ONCE = 1000
const LEAST = 10_000
const LEAST_SHARE = 0.5

export const contributions: Row = {
  name: 'contributions',
  title: 'contributions through the pipeline',
  async run(context) {
    const { config: loaded, keys, store } = await newStore(await context.folder('contributions'))
    context.defer(() => store.close())
    const config = { ...loaded, goals: { ...loaded.goals, contributions_per_minute: 0 } }
    const network = config.network.name
    const logger = pino({ level: 'silent' })
    const judge = new ContributionJudge({
      evaluator: {
        evaluate: async ({ input }) => ({ kind: 'metrics', reward: input.at(-1)!, risk: 0, complexity: 0 }),
      },
      packages: { ready: async () => ({ kind: 'ready' }), forget: () => undefined },
      proofs: new Map(),
    })
    const parts = {
      config,
      clock: systemClock,
      logger,
      events: new Events(logger),
      keys,
      store,
      network: { publish: async () => undefined },
    } as unknown as ConstructorParameters<typeof JoinedGoal>[0]
    const make = contributor(network)
    const count = context.quick ? 256 : COUNT
    let goals = 0

    /** A new goal, and contributions to it. */
    const prepare = () => {
      const goal = signGoal(keys.identity, network, { ...TERMS, name: `bench ${goals++}` }, Date.now())
      const digest = sha256Hex(canonicalJson(goal))
      const records = Array.from({ length: count }, (_, number) => make(digest, number))
      return { entry: { goal, digest, joined: true }, records }
    }

    const perSecond = async (records: readonly ContributionRecord[], work: (record: ContributionRecord) => unknown) => {
      const since = performance.now()
      let next = 0
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          while (next < records.length) await work(records[next++]!)
        }),
      )
      return (records.length * 1000) / (performance.now() - since)
    }

    const { ours, baseline } = await alternate(context.rounds, {
      ours: async () => {
        const { entry, records } = prepare()
        const joined = new JoinedGoal(parts, judge, entry, { judged: () => undefined, statement: () => 'ignore' })
        const desk = new ContributionDesk({ config }, judge)
        return perSecond(records, async (record) => {
          const verdict = await desk.submit(joined, submissionOf(TERMS.goal_id, record))
          if (!verdict.accepted) throw new Error(verdict.reason)
        })
      },
      baseline: async () => {
        const { records } = prepare()
        return perSecond(records, async ({ contribution }) => {
          const key = Buffer.from(contribution.public_key, 'base64url')
          const signature = Buffer.from(contribution.signature, 'base64url')
          const bytes = signedBytes(network, 'contribution', contribution)
          if (!(await pooledVerifier.ed25519(key, bytes, signature))) throw new Error('a good signature is refused')
        })
      },
    })
    const value = Math.min(LEAST, LEAST_SHARE * median(baseline))
    const line: Measurement = {
      label: `${contributions.title}, durable`,
      unit: 'per s',
      ours: median(ours),
      baseline: median(baseline),
      ratio: median(ours) / median(baseline),
      bound: { kind: 'above', value },
      reached: median(ours) >= value,
      note: 'baseline: the signatures alone, on all cores; bound: the lower of 10,000 and half of that',
    }
    return [line]
  },
}
