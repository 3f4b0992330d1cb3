import { useState } from 'preact/hooks'
import type { ProviderHealth, ProviderInfo } from '../../../protocol/discovery.ts'
import type { NodeInfo, NodeStatus } from '../../../protocol/node-info.ts'
import { ask } from '../api.ts'
import { concernsOf } from '../attention.ts'
import { Chart } from '../chart.tsx'
import { count, duration, milliseconds, number } from '../format.ts'
import { useJson, useLive, useLoaded } from '../hooks.ts'
import { Facts, Foreign, Id, Section, Show, Status, Table } from '../parts.tsx'
import { NO_TRAFFIC, type TrafficColumns, withSample } from '../traffic-samples.ts'

/** Milliseconds between two looks at what is told by no event. */
const EVERY_MS = 10_000

const RATE = [{ label: 'requests/s', show: (value: number) => `${number(value, 1)}/s` }]
const LATENCY = [
  { label: 'average', show: milliseconds },
  { label: 'slowest', show: milliseconds, isDashed: true },
]

/** Whether the node is well, and why not. */
export default function Overview() {
  const health = useJson<ProviderHealth>('/api/v1/discovery/health', EVERY_MS)
  const status = useJson<NodeStatus>('/status', EVERY_MS)
  const info = useJson<NodeInfo>('/info', EVERY_MS)
  const provider = useJson<ProviderInfo>('/api/v1/discovery/info')
  const ready = useLoaded(async (signal) => (await ask('/ready', { signal, alsoAnswers: [503] })).text(), [], EVERY_MS)
  const concerns = concernsOf({ health: health.data, status: status.data, info: info.data, ready: ready.data })
  const isKnown = health.data !== undefined && status.data !== undefined
  return (
    <>
      <dl class="figures">
        <Figure name="State">{info.data && <Status word={info.data.consensus_state} />}</Figure>
        <Figure name="Up for">{status.data && duration(status.data.uptime_seconds)}</Figure>
        <Figure name="Peers">{status.data && number(status.data.metrics.gauges.peer_count)}</Figure>
        <Figure name="Records behind">{status.data && number(status.data.metrics.gauges.sync_lag)}</Figure>
        <Figure name="Cells here">{provider.data && number(provider.data.cell_count)}</Figure>
        <Figure name="Capabilities">{provider.data && number(provider.data.capability_count)}</Figure>
      </dl>
      <Section title="Needs attention">
        <div aria-live="polite">
          {concerns.map(({ tone, what, advice }) => (
            <ul key={what} class="attention">
              <li class={tone}>
                <Foreign text={what} />
                <p>{advice}</p>
              </li>
            </ul>
          ))}
          {concerns.length === 0 && isKnown && <p class="good-news">Nothing: all components are healthy.</p>}
        </div>
      </Section>
      <Traffic />
      <div class="columns">
        <Section title="Components">
          <Show loaded={health}>
            {({ components }) => (
              <Table
                label="Components"
                rows={components}
                empty="The node names no components."
                columns={[
                  { head: 'Component', cell: ({ name }) => <Foreign text={name} /> },
                  { head: 'State', cell: ({ status: word }) => <Status word={word} /> },
                  { head: 'Says', cell: ({ message }) => <Foreign text={message} /> },
                ]}
              />
            )}
          </Show>
        </Section>
        <Section title="This node">
          <Show loaded={provider}>
            {(node) => (
              <Facts
                rows={[
                  ['Provider id', <Id id={node.provider_id} ends={32} />],
                  ['Node id', <Id id={node.node_id} ends={12} />],
                  ['Publisher', <Id id={node.publisher} ends={12} />],
                  ['Software', <Foreign text={node.software_version} />],
                  ['Readiness', ready.data === undefined ? '–' : <Foreign text={ready.data} />],
                  ['Addresses', <ForeignList items={node.multiaddrs} />],
                  ['Description', <Foreign text={node.description} />],
                ]}
              />
            )}
          </Show>
        </Section>
      </div>
      <Section
        title="Shared sets"
        note="Signed records that nodes hold in common. Nodes that hold the same have the same root."
      >
        <Show loaded={status}>
          {({ sets }) => (
            <Table
              label="Shared sets"
              rows={sets}
              empty="None."
              columns={[
                { head: 'Set', cell: ({ name }) => <Foreign text={name} /> },
                { head: 'Records', isNumber: true, cell: ({ count: records }) => number(records) },
                { head: 'Root', cell: ({ root }) => (root === undefined ? '–' : <Id id={root} ends={8} />) },
              ]}
            />
          )}
        </Show>
      </Section>
    </>
  )
}

const Figure = ({ name, children }: { name: string; children: preact.ComponentChildren }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children ?? '–'}</dd>
  </div>
)

const ForeignList = ({ items }: { items: readonly string[] }) =>
  items.length === 0 ? (
    <span>–</span>
  ) : (
    <div class="mono">
      {items.map((item) => (
        <div key={item}>
          <Foreign text={item} />
        </div>
      ))}
    </div>
  )

function Traffic() {
  const [columns, setColumns] = useState<TrafficColumns>(NO_TRAFFIC)
  const { isLive, reason } = useLive(['traffic'], (event) => {
    if (event.type === 'traffic_sample') setColumns((before) => withSample(before, event))
  })
  const [times, rates, averages, slowest] = columns
  const last = rates.length - 1
  return (
    <Section title="Requests" note={<Status word={isLive ? 'live' : (reason ?? 'connecting')} />}>
      <p data-testid="traffic">
        {last < 0
          ? 'Waiting for the first numbers…'
          : `${number(rates[last], 1)} requests/s, ${milliseconds(averages[last] ?? null)} on average, over ${count(times.length, 'sample')}`}
      </p>
      <div class="columns">
        <Chart label="Requests a second, over the last minutes" data={[times, rates]} lines={RATE} />
        <Chart
          label="Milliseconds of an answer, over the last minutes"
          data={[times, averages, slowest]}
          lines={LATENCY}
        />
      </div>
    </Section>
  )
}
