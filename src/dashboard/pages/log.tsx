import { useState } from 'preact/hooks'
import type { GoalList } from '../../../protocol/goal-api.ts'
import type { InclusionProof } from '../../../protocol/log.ts'
import type { NodeInfo } from '../../../protocol/node-info.ts'
import type { EvidenceList, WitnessList } from '../../../protocol/transparency.ts'
import { ask, askData } from '../api.ts'
import { BUNDLE, entriesPath, readBundle, readCheckpoint } from '../checkpoint.ts'
import { number } from '../format.ts'
import { useJson, useLoaded } from '../hooks.ts'
import type { PageProps } from '../pages.ts'
import { Ago, Area, Choice, Facts, Field, Foreign, Id, Problem, Section, Show, Table, textsOf } from '../parts.tsx'
import { linkTo } from '../route.ts'
import type { Finding } from '../verify.ts'

/** The transparency logs of this node: `#/log?goal=&from=&leaf=`. */
export default function Log({ place }: PageProps) {
  const goal = place.query.get('goal') ?? ''
  const goals = useLoaded((signal) => askData<GoalList>('/api/v1/goals', { signal }), [])
  const base = goal === '' ? '/api/v1/log' : `/api/v1/log/${encodeURIComponent(goal)}`
  return (
    <>
      <div class="fields">
        <Choice
          label="Log of"
          value={goal}
          options={[
            ['', 'this node'],
            ...(goals.data?.goals ?? [])
              .filter(({ joined }) => joined)
              .map(({ goal: { goal_id: id } }) => [id, `goal ${id}`] as const),
          ]}
          onChange={(event) => {
            location.hash = linkTo(['log'], { goal: event.currentTarget.value })
          }}
        />
      </div>
      <Tree
        key={base}
        base={base}
        goal={goal}
        from={numberOf(place.query.get('from'))}
        leaf={numberOf(place.query.get('leaf'))}
      />
      <Verifier />
      <Witnesses />
      <Evidence />
    </>
  )
}

function numberOf(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** Leaves that one page shows. */
const PAGE = 32

function Tree({
  base,
  goal,
  from,
  leaf,
}: {
  base: string
  goal: string
  from: number | undefined
  leaf: number | undefined
}) {
  const checkpoint = useLoaded(
    async (signal) => {
      const note = await (await ask(`${base}/checkpoint`, { signal })).text()
      return { note, ...readCheckpoint(note) }
    },
    [base],
  )
  const size = checkpoint.data?.size ?? 0
  const first = Math.min(from ?? Math.max(0, size - PAGE), Math.max(0, size - 1))
  const leaves = useLoaded(
    size === 0 ? undefined : (signal) => readLeaves(base, { first, count: Math.min(PAGE, size - first), size }, signal),
    [base, size, first],
  )
  const to = (next: number): string => linkTo(['log'], { goal, from: String(Math.max(0, next)) })
  return (
    <>
      <Section title="Newest checkpoint">
        <Show loaded={checkpoint}>
          {({ note, origin, root, signers }) => (
            <>
              <Facts
                rows={[
                  ['Origin', <Foreign text={origin} />],
                  ['Leaves', number(size)],
                  ['Root', <Id id={root} ends={22} />],
                  ['Signed by', <Foreign text={signers.join(', ')} />],
                ]}
              />
              <details>
                <summary>The note as it is signed</summary>
                <pre>
                  <Foreign text={note.slice(0, 8192)} />
                </pre>
              </details>
            </>
          )}
        </Show>
      </Section>
      <Section
        title="Leaves"
        note={size > 0 && `${number(first)} to ${number(Math.min(size, first + PAGE) - 1)} of ${number(size)}`}
      >
        {size === 0 && checkpoint.data !== undefined && <p class="empty">The log is empty.</p>}
        {size > 0 && (
          <Show loaded={leaves}>
            {(rows) => (
              <Table
                label="Leaves"
                rows={rows}
                empty="None."
                columns={[
                  {
                    head: 'Leaf',
                    cell: ({ index }) => (
                      <a href={linkTo(['log'], { goal, from: String(first), leaf: String(index) })}>{number(index)}</a>
                    ),
                  },
                  { head: 'Says', cell: ({ text }) => <LeafText text={text} /> },
                ]}
              />
            )}
          </Show>
        )}
        <p class="buttons">
          {first > 0 && <a href={to(first - PAGE)}>Older</a>}
          {first + PAGE < size && <a href={to(first + PAGE)}>Newer</a>}
        </p>
        {leaf !== undefined && leaf < size && <Path base={base} goal={goal} leaf={leaf} size={size} />}
      </Section>
    </>
  )
}

/** Reads leaves from the bundles that hold them. */
async function readLeaves(
  base: string,
  { first, count, size }: { first: number; count: number; size: number },
  signal: AbortSignal,
): Promise<{ index: number; text: string }[]> {
  const decoder = new TextDecoder()
  const found: { index: number; text: string }[] = []
  for (let bundle = Math.floor(first / BUNDLE); bundle * BUNDLE < first + count; bundle++) {
    const response = await ask(`${base}/${entriesPath(bundle, size)}`, { signal })
    const leaves = readBundle(new Uint8Array(await response.arrayBuffer()))
    for (const [at, bytes] of leaves.entries()) {
      const index = bundle * BUNDLE + at
      if (index >= first && index < first + count) found.push({ index, text: decoder.decode(bytes) })
    }
  }
  return found
}

/** What a leaf says in words where it is about a cell, else as it stands there. */
function LeafText({ text }: { text: string }) {
  let act:
    | { act?: unknown; cell_type?: unknown; version?: unknown; at?: unknown; reason?: unknown; by?: unknown }
    | undefined
  try {
    act = JSON.parse(text) as typeof act
  } catch {
    act = undefined
  }
  if (typeof act?.act !== 'string' || typeof act.cell_type !== 'string') {
    return (
      <span class="mono">
        <Foreign text={text.slice(0, 400)} />
      </span>
    )
  }
  return (
    <>
      <strong>
        <Foreign text={act.act} />
      </strong>{' '}
      <Foreign text={`${act.cell_type} ${String(act.version)}`} />
      {typeof act.reason === 'string' && (
        <>
          {', '}
          <Foreign text={act.reason} />
        </>
      )}
      {typeof act.at === 'string' && (
        <>
          {', '}
          <Ago time={act.at} />
        </>
      )}
    </>
  )
}

/** The way from a leaf up to the root, as the node proves it. */
function Path({ base, goal, leaf, size }: { base: string; goal: string; leaf: number; size: number }) {
  const proof = useJson<InclusionProof>(`${base}/inclusion?log_index=${leaf}&tree_size=${size}`)
  return (
    <>
      <h3>From leaf {number(leaf)} to the root</h3>
      <Show loaded={proof}>
        {({ leaf_hash: hash, hashes }) => (
          <>
            <ol class="mono">
              <li>
                leaf <Id id={hash} ends={16} />
              </li>
              {hashes.map((sibling, at) => (
                <li key={`${at} ${sibling}`}>
                  with <Id id={sibling} ends={16} />
                </li>
              ))}
            </ol>
            {goal !== '' && (
              <p>
                <a href={`${base}/proof?log_index=${leaf}`} download={`${goal}-${leaf}.proof.json`}>
                  Download the proof file
                </a>
              </p>
            )}
          </>
        )}
      </Show>
    </>
  )
}

/** Verifies what is pasted, in this browser. */
function Verifier() {
  const info = useJson<NodeInfo>('/info')
  const [finding, setFinding] = useState<Finding>()
  const [failure, setFailure] = useState<string>()
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const { proof = '', network = 'main', provider } = textsOf(event.currentTarget as HTMLFormElement)
    setFinding(undefined)
    setFailure(undefined)
    try {
      const { verifyPasted } = await import('../verify.ts')
      setFinding(await verifyPasted(proof, { network, providerId: provider }))
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <Section title="Verify a proof" note="In this browser, by the code of the SDK: the node is not asked.">
      <form class="fields" onSubmit={submit}>
        <Area label="A proof file, an answer with its proof, or a cell with its manifest" name="proof" required />
        <Field key={info.data?.network} label="Network" name="network" defaultValue={info.data?.network ?? 'main'} />
        <Field label="Must be of this node" name="provider" placeholder="any provider id" />
        <div class="buttons">
          <button type="submit" class="primary">
            Verify
          </button>
        </div>
      </form>
      {failure !== undefined && <Problem error={failure} />}
      <div role="status">
        {finding !== undefined && (
          <>
            <p class="good-news">{finding.title}.</p>
            <Facts rows={finding.facts.map(([name, value]) => [name, <Foreign text={value} />] as const)} />
          </>
        )}
      </div>
    </Section>
  )
}

function Witnesses() {
  const witnesses = useJson<WitnessList>('/api/v1/log/witnesses')
  return (
    <Section
      title="Witnesses"
      note="Nodes that cosigned this node’s log: it cannot show them one history and others another."
    >
      <Show loaded={witnesses}>
        {({ witnesses: list, self }) => (
          <>
            <Table
              label="Witnesses"
              rows={list}
              empty="Nobody has cosigned it yet."
              columns={[
                { head: 'Witness', cell: ({ provider_id: id }) => <Id id={id} /> },
                { head: 'Up to leaf', isNumber: true, cell: ({ size }) => number(size) },
                { head: 'Log', cell: ({ origin }) => <Foreign text={origin} /> },
                { head: 'Key', cell: ({ vkey }) => <Id id={vkey} ends={12} /> },
              ]}
            />
            <p class="note">
              This node cosigns with <Id id={self.vkey} ends={16} />.
            </p>
          </>
        )}
      </Show>
    </Section>
  )
}

function Evidence() {
  const evidence = useJson<EvidenceList>('/api/v1/log/evidence')
  return (
    <Section title="Evidence">
      <Show loaded={evidence}>
        {({ equivocations, suspended }) => (
          <Table
            label="Evidence"
            rows={[
              ...equivocations.map(({ provider_id: id }) => ({
                id,
                what: 'signed two histories of its log, for good',
                since: undefined,
              })),
              ...suspended.map(({ provider_id: id, reason, since }) => ({ id, what: `suspended: ${reason}`, since })),
            ]}
            empty="No node is known to have contradicted itself, and none owes a proof."
            columns={[
              { head: 'Node', cell: ({ id }) => <Id id={id} /> },
              { head: 'What', cell: ({ what }) => <Foreign text={what} /> },
              { head: 'Since', cell: ({ since }) => <Ago time={since} /> },
            ]}
          />
        )}
      </Show>
    </Section>
  )
}
