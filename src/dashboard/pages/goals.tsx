import type { GoalDescription, GoalList, GoalLogPage, GoalState, Leaderboard } from '../../../protocol/goal-api.ts'
import { askData } from '../api.ts'
import { Chart } from '../chart.tsx'
import { number } from '../format.ts'
import { bestSoFar, frontOf } from '../goal-plots.ts'
import { useLive, useLoaded } from '../hooks.ts'
import type { PageProps } from '../pages.ts'
import { Ago, Facts, Foreign, ForeignLines, Id, Section, Show, Status, Table } from '../parts.tsx'
import { linkTo } from '../route.ts'

const score = (value: number): string => number(value, 3)
const SCORES = [
  { label: 'best so far', show: score },
  { label: 'score', show: score, isPoints: true },
]
const PARETO = [
  { label: 'reward', show: score, isPoints: true },
  { label: 'on the front', show: score },
]

/** Goals of the agent network: `#/goals` and `#/goals/<goal id>`. */
export default function Goals({ place }: PageProps) {
  const [goalId] = place.parts
  return goalId === undefined ? <List /> : <GoalPage key={goalId} goalId={goalId} />
}

function List() {
  const goals = useLoaded((signal) => askData<GoalList>('/api/v1/goals', { signal }), [])
  return (
    <Section title="Goals that this node knows" note={goals.data && number(goals.data.total)}>
      <Show loaded={goals}>
        {({ goals: list }) => (
          <Table
            label="Goals"
            rows={list}
            empty="No goals: cytoplex goal create makes one."
            columns={[
              {
                head: 'Goal',
                cell: ({ goal }) => (
                  <a href={linkTo(['goals', goal.goal_id])}>
                    <Foreign text={goal.goal_id} />
                  </a>
                ),
              },
              { head: 'Name', cell: ({ goal }) => <Foreign text={goal.name} /> },
              { head: 'Joined', cell: ({ joined }) => <Status word={joined ? 'active' : 'not joined'} /> },
              { head: 'Mode', cell: ({ goal }) => goal.mode },
              { head: 'Admission', cell: ({ goal }) => goal.admission.kind },
              { head: 'Digest', cell: ({ digest }) => <Id id={digest} ends={8} /> },
            ]}
          />
        )}
      </Show>
    </Section>
  )
}

function GoalPage({ goalId }: { goalId: string }) {
  const id = encodeURIComponent(goalId)
  const goal = useLoaded((signal) => askData<GoalDescription>(`/api/v1/goals/${id}`, { signal }), [goalId])
  const isJoined = goal.data?.joined === true
  const board = useLoaded(
    isJoined ? (signal) => askData<Leaderboard>(`/api/v1/leaderboard/${id}?limit=1000`, { signal }) : undefined,
    [goalId, isJoined],
  )
  const state = useLoaded((signal) => askData<GoalState>(`/api/v1/status/${id}`, { signal }), [goalId])
  const size = state.data?.log_size ?? 0
  const log = useLoaded(
    size === 0
      ? undefined
      : (signal) => askData<GoalLogPage>(`/api/v1/log/${id}?from=${Math.max(0, size - 1000)}&limit=1000`, { signal }),
    [goalId, size],
  )
  const { isLive } = useLive(['contributions', 'leaderboard'], (event) => {
    if (event.goal_id !== goalId) return
    if (event.type === 'contribution_added') state.reload()
    if (event.type === 'leaderboard_update') board.reload()
  })
  return (
    <>
      <p class="crumbs">
        <a href={linkTo(['goals'])}>All goals</a>
      </p>
      <Show loaded={goal}>
        {({ goal: terms, joined, digest }) => (
          <Section title={terms.name} note={<Status word={joined ? (isLive ? 'live' : 'joined') : 'not joined'} />}>
            <p>
              <ForeignLines text={terms.description} />
            </p>
            <Facts
              rows={[
                ['Goal', <Foreign text={terms.goal_id} />],
                ['Digest', <Id id={digest} ends={12} />],
                [
                  'Evaluator',
                  <>
                    <Id id={terms.evaluator.digest} ends={12} />, {number(terms.evaluator.fuel)} fuel
                  </>,
                ],
                [
                  'Admission',
                  terms.admission.kind === 'open'
                    ? `open, ${terms.admission.difficulty} bits of work`
                    : 'a list of contributors',
                ],
                [
                  'Contributions',
                  state.data &&
                    `${number(state.data.accepted_contributions)} accepted, ${number(state.data.rejected_contributions)} rejected`,
                ],
                ['Log', <a href={linkTo(['log'], { goal: terms.goal_id })}>{number(state.data?.log_size)} leaves</a>],
              ]}
            />
          </Section>
        )}
      </Show>
      {log.data !== undefined && <Plots log={log.data} />}
      {isJoined && (
        <Section title="Leaderboard" note={board.data && `${number(board.data.total)} entries`}>
          <Show loaded={board}>
            {({ entries }) => (
              <Table
                label="Leaderboard"
                rows={entries.slice(0, 100)}
                empty="Nothing was contributed yet."
                columns={[
                  { head: 'Rank', isNumber: true, cell: ({ rank }) => number(rank) },
                  { head: 'Score', isNumber: true, cell: ({ score: value }) => score(value) },
                  { head: 'Reward', isNumber: true, cell: ({ metrics }) => score(metrics.reward) },
                  { head: 'Risk', isNumber: true, cell: ({ metrics }) => score(metrics.risk) },
                  { head: 'Complexity', isNumber: true, cell: ({ metrics }) => score(metrics.complexity) },
                  { head: 'Contributor', cell: ({ contributor_id: of }) => <Id id={of} /> },
                  { head: 'Pack', cell: ({ pack_hash: hash }) => <Id id={hash} /> },
                  {
                    head: 'Leaf',
                    isNumber: true,
                    cell: ({ log_index: leaf }) => (
                      <a
                        href={linkTo(['log'], {
                          goal: goalId,
                          leaf: String(leaf),
                          from: String(Math.max(0, leaf - 8)),
                        })}
                      >
                        {number(leaf)}
                      </a>
                    ),
                  },
                  { head: 'Accepted', cell: ({ timestamp_ms: time }) => <Ago time={time} /> },
                ]}
              />
            )}
          </Show>
        </Section>
      )}
    </>
  )
}

function Plots({ log }: { log: GoalLogPage }) {
  const scores = bestSoFar(log.entries)
  const front = frontOf(log.entries)
  return (
    <div class="columns">
      <Section title="Score over time" note="In the order of the log.">
        <Chart
          label="The score of each contribution, and the best so far"
          data={scores}
          lines={SCORES}
          showX={(value) => `leaf ${number(value)}`}
          height={220}
        />
      </Section>
      <Section title="Reward over risk" note="Nothing is better in both than what is on the front.">
        <Chart
          label="Reward of each contribution over its risk, and the Pareto front"
          data={front}
          lines={PARETO}
          showX={(value) => `risk ${score(value)}`}
          height={220}
        />
      </Section>
    </div>
  )
}
