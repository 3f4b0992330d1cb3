import { useState } from 'preact/hooks'
import type { ProviderInfo } from '../../../protocol/discovery.ts'
import type { FederationStatus } from '../../../protocol/federation.ts'
import type { PeerBanList, PeerList } from '../../../protocol/peers.ts'
import type { ReplicationStatus } from '../../../protocol/replication.ts'
import { ApiError, askJson } from '../api.ts'
import { bytes, duration, milliseconds, number } from '../format.ts'
import { Graph } from '../graph.tsx'
import type { GraphNode } from '../graph-layout.ts'
import { useJson, useKey, useLive } from '../hooks.ts'
import { Ago, Foreign, Id, Problem, Section, Show, Status, Table } from '../parts.tsx'

const EVERY_MS = 15_000

/** With whom this node stands in which way. */
export default function Federation() {
  const hasKey = useKey() !== undefined
  const info = useJson<ProviderInfo>('/api/v1/discovery/info')
  const status = useJson<FederationStatus>('/api/v1/federation/status', EVERY_MS)
  const peers = useJson<PeerList>(hasKey ? '/api/v1/peers' : undefined, EVERY_MS)
  const bans = useJson<PeerBanList>(hasKey ? '/api/v1/peers/banned' : undefined, EVERY_MS)
  const replication = useJson<ReplicationStatus>(hasKey ? '/api/v1/replication' : undefined, EVERY_MS)
  const [failure, setFailure] = useState<ApiError>()
  useLive(['peers', 'sync'], ({ type }) => {
    if (type !== 'sync_progress') peers.reload()
    else replication.reload()
  })
  const act = async (path: string, method: string, body?: unknown): Promise<void> => {
    setFailure(undefined)
    try {
      await askJson(path, { method, ...(body === undefined ? {} : { body }) })
      peers.reload()
      bans.reload()
    } catch (error) {
      setFailure(error instanceof ApiError ? error : new ApiError(0, String(error)))
    }
  }
  const nodes = info.data === undefined ? [] : nodesOf(info.data.provider_id, status.data, peers.data)
  return (
    <>
      <Section
        title="As seen from here"
        note={
          hasKey
            ? 'The further away, the longer a round trip takes; the larger, the more cells; the thicker the line, the more was said.'
            : 'Partners only: who is connected, and how they score, is for the administrator’s key.'
        }
      >
        {nodes.length > 0 && <Graph nodes={nodes} />}
      </Section>
      {failure !== undefined && <Problem error={failure} />}
      {hasKey && (
        <Section
          title="Connected peers"
          note={
            peers.data &&
            `${number(peers.data.total)} connected, ${number(peers.data.known_providers)} known, score ${number(peers.data.stats.avg_score, 1)} on average`
          }
        >
          <Show loaded={peers}>
            {({ peers: list }) => (
              <Table
                label="Connected peers"
                rows={list}
                empty="Nobody is connected."
                columns={[
                  { head: 'Peer', cell: ({ provider_id: id }) => <Id id={id} /> },
                  { head: 'Score', isNumber: true, cell: ({ peer_score: { score } }) => number(score, 1) },
                  {
                    head: 'Standing',
                    cell: ({ peer_score: { trusted, banned, score } }) => (
                      <Status word={banned ? 'banned' : trusted ? 'trusted' : score < 100 ? 'low' : 'active'} />
                    ),
                  },
                  { head: 'Round trip', isNumber: true, cell: ({ round_trip_ms: ms }) => milliseconds(ms) },
                  {
                    head: 'Sent, received',
                    isNumber: true,
                    cell: ({ traffic_bytes: { sent, received } }) => `${bytes(sent)}, ${bytes(received)}`,
                  },
                  { head: 'Cells', isNumber: true, cell: ({ cells }) => number(cells) },
                  { head: 'Connected for', isNumber: true, cell: ({ connected_ms: ms }) => duration(ms / 1000) },
                  { head: 'Direction', cell: ({ direction, seed }) => `${direction}${seed ? ', seed' : ''}` },
                  {
                    head: 'Address',
                    cell: ({ addresses, multiaddrs }) => (
                      <span class="mono">
                        <Foreign text={addresses[0] ?? multiaddrs[0] ?? '–'} />
                      </span>
                    ),
                  },
                  {
                    head: 'Software',
                    cell: ({ capabilities }) => <Foreign text={capabilities.software_version ?? '–'} />,
                  },
                  {
                    head: 'Act',
                    cell: ({ provider_id: id }) => (
                      <button
                        type="button"
                        class="danger"
                        onClick={() =>
                          act(`/api/v1/peers/${encodeURIComponent(id)}/ban`, 'POST', {
                            reason: 'by the dashboard',
                            duration_seconds: 86_400,
                          })
                        }
                      >
                        Ban for a day<span class="sr"> {visiblePeer(id)}</span>
                      </button>
                    ),
                  },
                ]}
              />
            )}
          </Show>
          {peers.data !== undefined && peers.data.seeds.length > 0 && (
            <Table
              label="Seeds"
              rows={peers.data.seeds}
              empty="None."
              columns={[
                {
                  head: 'Seed',
                  cell: ({ address }) => (
                    <span class="mono">
                      <Foreign text={address} />
                    </span>
                  ),
                },
                { head: 'State', cell: ({ connected }) => <Status word={connected ? 'active' : 'unreachable'} /> },
                { head: 'Attempts', isNumber: true, cell: ({ attempts }) => number(attempts) },
                { head: 'Last error', cell: ({ last_error: error }) => <Foreign text={error ?? '–'} /> },
              ]}
            />
          )}
        </Section>
      )}
      <Section title="Partners and policies">
        <Show loaded={status}>
          {({ federation_name: name, federation_partners: partners, federation_policies: policies }) => (
            <>
              <p class="note">
                <Foreign text={name} />. For partners for whom nothing else was said: {policyText(policies)}.
              </p>
              <Table
                label="Partners"
                rows={partners}
                empty="No partners: cytoplex federation invite makes one."
                columns={[
                  {
                    head: 'Partner',
                    cell: ({ provider_id: id, name: called }) => (
                      <>
                        {called !== undefined && (
                          <>
                            <Foreign text={called} />{' '}
                          </>
                        )}
                        <Id id={id} />
                      </>
                    ),
                  },
                  { head: 'State', cell: ({ status: word }) => <Status word={word} /> },
                  {
                    head: 'Trust',
                    cell: ({ trust_level: level }) => (level === undefined ? '–' : <Status word={level} />),
                  },
                  {
                    head: 'Policies',
                    cell: ({ federation_policies: own }) => (own === undefined ? '–' : policyText(own)),
                  },
                  { head: 'Cells', isNumber: true, cell: ({ cell_count: cells }) => number(cells) },
                  {
                    head: 'Capabilities',
                    cell: ({ capabilities }) => (
                      <Foreign text={capabilities.map((one) => one.name).join(', ') || '–'} />
                    ),
                  },
                  { head: 'Since', cell: ({ added_at: time }) => <Ago time={time} /> },
                ]}
              />
            </>
          )}
        </Show>
      </Section>
      {hasKey && (
        <>
          <Section title="Bans">
            <Show loaded={bans}>
              {({ bans: list }) => (
                <Table
                  label="Bans"
                  rows={list}
                  empty="Nobody is banned."
                  columns={[
                    { head: 'Peer', cell: ({ provider_id: id }) => <Id id={id} /> },
                    { head: 'Why', cell: ({ reason }) => <Foreign text={reason} /> },
                    { head: 'Since', cell: ({ since }) => <Ago time={since} /> },
                    { head: 'Until', cell: ({ until }) => (until === null ? 'lifted by hand' : <Ago time={until} />) },
                    {
                      head: 'Act',
                      cell: ({ provider_id: id }) => (
                        <button
                          type="button"
                          onClick={() => act(`/api/v1/peers/${encodeURIComponent(id)}/ban`, 'DELETE')}
                        >
                          Lift<span class="sr"> the ban of {visiblePeer(id)}</span>
                        </button>
                      ),
                    },
                  ]}
                />
              )}
            </Show>
          </Section>
          <Section title="Replication" note={replication.data && `${number(replication.data.fetching)} on their way`}>
            <Show loaded={replication}>
              {({ policies, pins }) => (
                <>
                  <Table
                    label="What is followed"
                    rows={policies}
                    empty="Nothing is followed."
                    columns={[
                      {
                        head: 'Follows',
                        cell: ({ publisher, capability, partner }) =>
                          capability === undefined ? (
                            <>
                              {publisher === undefined ? 'partner' : 'publisher'} <Id id={publisher ?? partner ?? ''} />
                            </>
                          ) : (
                            <>
                              capability <Foreign text={capability} />
                            </>
                          ),
                      },
                      {
                        head: 'Kept',
                        isNumber: true,
                        cell: ({ kept, matches }) => `${number(kept)} of ${number(matches)}`,
                      },
                      {
                        head: 'Progress',
                        cell: ({ kept, matches }) => (
                          <progress max={Math.max(1, matches)} value={matches === 0 ? 1 : kept} aria-label="Kept" />
                        ),
                      },
                      { head: 'Waiting', isNumber: true, cell: ({ waiting }) => number(waiting) },
                      { head: 'Failed', isNumber: true, cell: ({ failed }) => number(failed) },
                      {
                        head: 'Room',
                        isNumber: true,
                        cell: ({ bytes: used, max_bytes: room }) => `${bytes(used)} of ${bytes(room)}`,
                      },
                      { head: 'Last error', cell: ({ last_error: error }) => <Foreign text={error ?? '–'} /> },
                    ]}
                  />
                  <Table
                    label="Pins"
                    rows={pins}
                    empty="Nothing is pinned."
                    columns={[
                      {
                        head: 'Pinned',
                        cell: ({ cell_type: type, version, digest }) =>
                          type === null ? <Id id={digest} ends={12} /> : <Foreign text={`${type} ${version ?? ''}`} />,
                      },
                      { head: 'State', cell: ({ state }) => <Status word={state} /> },
                      { head: 'Size', isNumber: true, cell: ({ bytes: size }) => bytes(size) },
                      { head: 'Last error', cell: ({ last_error: error }) => <Foreign text={error ?? '–'} /> },
                    ]}
                  />
                </>
              )}
            </Show>
          </Section>
        </>
      )}
    </>
  )
}

const visiblePeer = (id: string): string => id.slice(-6)

const policyText = ({
  auto_forward,
  capability_sharing,
  analytics_sharing,
}: FederationStatus['federation_policies']): string =>
  [
    auto_forward && 'asked for what is not here',
    capability_sharing && 'told what is here',
    analytics_sharing && 'may read sums',
  ]
    .filter(Boolean)
    .join(', ') || 'nothing is shared'

function nodesOf(self: string, status: FederationStatus | undefined, peers: PeerList | undefined): GraphNode[] {
  const nodes = new Map<string, GraphNode>([[self, { id: self, kind: 'self' }]])
  for (const { provider_id: id, peer_score, round_trip_ms: ms, traffic_bytes, cells } of peers?.peers ?? []) {
    const traffic = traffic_bytes.sent + traffic_bytes.received
    nodes.set(id, { id, kind: 'peer', score: peer_score.score, distanceMs: ms ?? undefined, cells, traffic })
  }
  for (const { provider_id: id, cell_count: cells } of status?.federation_partners ?? []) {
    if (!nodes.has(id)) nodes.set(id, { id, kind: 'partner', cells })
  }
  for (const { provider_id: id, cells } of peers?.providers ?? []) {
    if (!nodes.has(id)) nodes.set(id, { id, kind: 'known', cells })
  }
  return [...nodes.values()]
}
