import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ADMIN_KEY, start } from '../http/harness.ts'
import { EVALUATOR, termsOf } from '../support/fake-goals.ts'
import { cleanEnvironment, temporary } from './launch.ts'
import { warmCytoplex } from './warm.ts'

const GOAL = 'my-goal'

async function withNode(t: Parameters<typeof start>[0]) {
  const { node, server } = await start(t)
  const env = cleanEnvironment()
  const run = (...args: string[]) => warmCytoplex(['goal', ...args, '--node', server.url, '--api-key', ADMIN_KEY], env)
  const folder = temporary()
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  return { goals: node.goals, run, file, folder }
}

test('a goal is created with what the flags say, shown, listed, left and joined', async (t) => {
  const { goals, run, file } = await withNode(t)
  const schema = file('schema.json', '{"type":"object"}')
  const created = await run(
    ...['create', GOAL, '--evaluator', EVALUATOR, '--name', 'Momentum', '--fuel', '1000', '--seed', '1', '--seed', '2'],
    ...['--contributor', '0'.repeat(40), '--weights', '1,-2,0', '--min-score', '-3.5', '--pareto', '--capacity', '7'],
    ...['--bound', 'risk<=0.5', '--bound', 'score >= -1', '--schema', schema, '--proof', 'ed25519'],
  )
  assert.equal(created.code, 0, created.stderr)
  const { goal, digest } = goals.get(GOAL)
  assert.match(created.stdout, /\nnext: cytoplex goal contribute my-goal .* --node http:\S+ --api-key KEY\n$/)
  assert.match(created.stdout, new RegExp(`^my-goal is created, and joined\\.\n {2}digest +${digest}\n`))
  assert.deepEqual(
    [goal.name, goal.evaluator, goal.seeds, goal.admission, goal.weights, goal.min_score, goal.mode, goal.capacity],
    [
      'Momentum',
      { digest: EVALUATOR, fuel: 1000, memory_pages: 16 },
      [1, 2],
      { kind: 'closed', contributors: ['0'.repeat(40)] },
      { reward: 1, risk: -2, complexity: 0 },
      -3.5,
      'pareto',
      7,
    ],
  )
  const bounds = [
    { of: 'risk', max: 0.5 },
    { of: 'score', min: -1 },
  ]
  assert.deepEqual(goal.invariants, { schema: { type: 'object' }, bounds })
  assert.deepEqual(goal.proofs, ['ed25519'])

  const shown = await run('show', GOAL)
  assert.match(shown.stdout, /^joined +yes$/m)
  assert.match(shown.stdout, /^bounds +risk <= 0\.5, -1 <= score$/m)
  assert.match(shown.stdout, /^taken +0 of 0 contributions$/m)
  assert.match((await run('leave', GOAL)).stdout, /^my-goal is left/)
  assert.match(
    (await run('list')).stdout,
    new RegExp(`^my-goal +no +1 contributors +pareto +${digest} +Momentum$`, 'm'),
  )
  assert.match((await run('join', GOAL)).stdout, /^my-goal is joined/)
  const again = await run('create', GOAL, '--evaluator', EVALUATOR)
  assert.equal(again.code, 1)
  assert.match(again.stderr, /^cytoplex: there is a goal my-goal already\n$/)
  assert.equal((await run('show', 'other')).code, 3)
})

test('a contribution is signed with a key that is made once, and ranked', async (t) => {
  const { goals, run, file, folder } = await withNode(t)
  goals.add(termsOf(GOAL))
  assert.match((await run('policy', GOAL)).stdout, /has no active policy/)
  assert.match((await run('leaderboard', GOAL)).stdout, /^nobody has contributed to my-goal$/m)
  const key = join(folder, 'keys', 'contributor.json')
  const proof = file('proof', 'a proof')
  const flags = ['--version', '1.0', '--key', key, '--metadata', 'strategy=momentum', '--proof', `zk=${proof}`]
  const first = await run('contribute', GOAL, file('a.bin', 'a'), ...flags)
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /^accepted: score 1 at log index 0\n {2}metrics +reward 2, risk 1, complexity 50\n/)
  assert.match(first.stderr, /^created the contributor key .*contributor\.json; keep a copy/)
  assert.equal(statSync(key).mode & 0o777, 0o600)
  assert.equal(JSON.parse(readFileSync(key, 'utf8')).format, 1)
  const second = await run('contribute', GOAL, file('b.bin', 'b'), ...flags, '--json')
  assert.equal(second.stderr, '')
  assert.equal(JSON.parse(second.stdout).log_index, 1)
  const [one, two] = goals.submissions
  assert.equal(one?.contributor_id, two?.contributor_id)
  assert.deepEqual(one?.agent_pack, { version: '1.0', parameters: 'YQ', metadata: { strategy: 'momentum' } })
  assert.deepEqual(one?.proofs, { zk: 'YSBwcm9vZg' })
  const board = await run('leaderboard', GOAL, '--limit', '1')
  assert.match(board.stdout, new RegExp(`^1 +1 +2 +1 +50 +${one?.contributor_id} +[01] +[0-9a-f]{64}\n\n1 of 2$`, 'm'))
  assert.match((await run('policy', GOAL)).stdout, /^RANK +SCORE .*\n1 +1 /)
})

test('a contribution that is refused is exit 1 with the reason, in words and as JSON', async (t) => {
  const { goals, run, file, folder } = await withNode(t)
  goals.add(termsOf(GOAL, { admission: { kind: 'closed', contributors: ['0'.repeat(40)] } }))
  const flags = ['--version', '1.0', '--key', join(folder, 'key.json')]
  const refused = await run('contribute', GOAL, file('a.bin', 'a'), ...flags)
  assert.deepEqual([refused.code, refused.stdout], [1, ''])
  assert.match(refused.stderr, /cytoplex: INVALID_GOAL: the fake says so\n$/)
  const asJson = await run('contribute', GOAL, file('a.bin', 'a'), ...flags, '--json')
  assert.equal(asJson.code, 1)
  assert.equal(JSON.parse(asJson.stdout).rejection_type, 'INVALID_GOAL')
  assert.equal(JSON.parse(asJson.stderr).error.code, 'INVALID_GOAL')
  const unknown = await run('contribute', 'other', file('a.bin', 'a'), ...flags)
  assert.equal(unknown.code, 3)
})

test('mistakes are told before a node is asked: exit 2', async () => {
  const target = ['--node', 'http://127.0.0.1:1']
  const create = ['goal', 'create', GOAL, '--evaluator', EVALUATOR]
  for (const [args, reason] of [
    [['goal', 'create', GOAL], /--evaluator/],
    [['goal', 'create', 'a goal', '--evaluator', EVALUATOR], /goal_id/],
    [['goal', 'create', GOAL, '--evaluator', 'sha256:x'], /evaluator\.digest/],
    [[...create, '--difficulty', '4', '--contributor', '0'.repeat(40)], /either --difficulty, .* or --contributor/],
    [[...create, '--weights', '1,2'], /--weights: found "1,2", allowed are three numbers/],
    [[...create, '--bound', 'risk<0.5'], /--bound: found "risk<0\.5", allowed is a rule/],
    [[...create, '--bound', 'luck<=0.5'], /bounds/],
    [[...create, '--fuel', '1.5'], /--fuel: found "1\.5", allowed is a whole number from 1 on/],
    [[...create, '--schema', '/nowhere/schema.json'], /--schema: .*cannot be read/],
    [['goal', 'contribute', GOAL, '/dev/null'], /--version/],
    [['goal', 'contribute', GOAL, '/dev/null', '--version', '1', '--goal-digest', 'x'], /--goal-digest: found "x"/],
    [['goal', 'contribute', GOAL, '/dev/null', '--version', '1', '--proof', 'zk'], /--proof: found "zk"/],
  ] as const) {
    const { code, stderr } = await warmCytoplex([...args, ...target])
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, reason)
  }
})
