import type { CapabilitySearchResponse } from '../../../protocol/discovery.ts'
import type { CellListResponse } from '../../../protocol/repository.ts'
import { visible } from '../foreign.ts'
import { count, number } from '../format.ts'
import { useJson } from '../hooks.ts'
import { Ago, Field, Foreign, Id, Section, Show, Status, Table, textsOf } from '../parts.tsx'
import { linkTo } from '../route.ts'

const PAGE = 50

/** The link to a version of a cell. */
export const linkToCell = (cellType: string, version?: string): string => linkTo(['cells', 'of', cellType], { version })

/** Cells of this repository, and who offers a capability elsewhere. */
export function CellList({ query }: { query: URLSearchParams }) {
  // Whoever made the link chose the words.
  const search = visible(query.get('search') ?? '')
  const capability = visible(query.get('capability') ?? '')
  const version = visible(query.get('version') ?? '')
  const offset = Math.max(0, Number(query.get('offset')) || 0)
  const parameters = new URLSearchParams({ limit: String(PAGE), offset: String(offset) })
  if (search !== '') parameters.set('search', search)
  if (capability !== '') parameters.set('capability', capability)
  if (version !== '') parameters.set('version', version)
  const cells = useJson<CellListResponse>(`/api/v1/repository/cells?${parameters}`)
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    location.hash = linkTo(['cells'], textsOf(event.currentTarget as HTMLFormElement))
  }
  const to = (next: number): string =>
    linkTo(['cells'], { search, capability, version, offset: next === 0 ? undefined : String(next) })
  return (
    <>
      <search>
        <form key={query.toString()} class="fields" onSubmit={submit}>
          <Field
            label="Words in name, description or tags"
            name="search"
            type="search"
            defaultValue={search}
            maxLength={256}
          />
          <Field label="Capability" name="capability" defaultValue={capability} />
          <Field label="Version of the capability" name="version" defaultValue={version} />
          <div class="buttons">
            <button type="submit" class="primary">
              Search
            </button>
            <a href={linkTo(['cells', 'upload'])}>Upload a cell</a>
          </div>
        </form>
      </search>
      <Section title="In this repository" note={cells.data && count(cells.data.total_count, 'cell')}>
        <Show loaded={cells}>
          {(list) => (
            <>
              <Table
                label="Cells of this repository"
                rows={list.cells}
                empty="No cell fits. Copies of others’ cells are not listed here: give a capability to search the federation."
                columns={[
                  {
                    head: 'Cell type',
                    cell: ({ cell_type: type }) => (
                      <a href={linkToCell(type)}>
                        <Foreign text={type} />
                      </a>
                    ),
                  },
                  { head: 'Description', cell: ({ description }) => <Foreign text={description} /> },
                  {
                    head: 'Capabilities',
                    cell: ({ capabilities }) => (
                      <ul class="tags">
                        {capabilities.map(({ name, version: offered }) => (
                          <li key={name}>
                            <Foreign text={name} /> <Foreign text={offered} />
                          </li>
                        ))}
                      </ul>
                    ),
                  },
                  {
                    head: 'Newest',
                    cell: ({ cell_type: type, versions }) =>
                      versions[0] && (
                        <a href={linkToCell(type, versions[0].version)}>
                          <Foreign text={versions[0].version} />
                        </a>
                      ),
                  },
                  { head: 'Status', cell: ({ versions }) => versions[0] && <Status word={versions[0].status} /> },
                  { head: 'Versions', isNumber: true, cell: ({ versions }) => number(versions.length) },
                  { head: 'Registered', cell: ({ versions }) => <Ago time={versions[0]?.created_at} /> },
                ]}
              />
              <p class="buttons">
                {offset > 0 && <a href={to(Math.max(0, offset - PAGE))}>Previous {PAGE}</a>}
                {offset + PAGE < list.total_count && <a href={to(offset + PAGE)}>Next {PAGE}</a>}
              </p>
            </>
          )}
        </Show>
      </Section>
      {capability !== '' && <Elsewhere capability={capability} version={version} />}
    </>
  )
}

function Elsewhere({ capability, version }: { capability: string; version: string }) {
  const parameters = new URLSearchParams({ capability, include_details: 'true' })
  if (version !== '') parameters.set('version', version)
  const found = useJson<CapabilitySearchResponse>(`/api/v1/discovery/capabilities?${parameters}`)
  return (
    <Section title="In the federation" note="Who announces this capability, as far as is known here.">
      <Show loaded={found}>
        {({ capabilities }) => (
          <Table
            label="Cells of the federation"
            rows={capabilities.flatMap(({ cell_types: cells }) => cells)}
            empty="Nobody announces it. Ask looks further: peers, partners and the DHT."
            columns={[
              { head: 'Cell type', cell: ({ cell_type: type }) => <Foreign text={type} /> },
              { head: 'Version', cell: ({ version: of }) => <Foreign text={of} /> },
              { head: 'Offers', cell: ({ capability_version: of }) => <Foreign text={of} /> },
              { head: 'Description', cell: ({ description }) => <Foreign text={description ?? '–'} /> },
              { head: 'Publisher', cell: ({ publisher }) => (publisher ? <Id id={publisher} /> : '–') },
              { head: 'Provider', cell: ({ provider_id: id }) => <Id id={id} /> },
              {
                head: 'Reachable',
                cell: ({ source, reachable }) =>
                  source === 'local' ? (
                    'here'
                  ) : reachable === null ? (
                    'not tried'
                  ) : (
                    <Status word={reachable ? 'answered' : 'unreachable'} />
                  ),
              },
            ]}
          />
        )}
      </Show>
    </Section>
  )
}
