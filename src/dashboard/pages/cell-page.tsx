import { useState } from 'preact/hooks'
import type { PackageReport } from '../../../protocol/annotations.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import type { NodeInfo } from '../../../protocol/node-info.ts'
import type { CellDetails, CellListResponse, YankAnswer } from '../../../protocol/repository.ts'
import { ApiError, askJson } from '../api.ts'
import { bytes, milliseconds, number } from '../format.ts'
import { type Loaded, useJson } from '../hooks.ts'
import {
  Ago,
  Choice,
  Facts,
  Field,
  Foreign,
  ForeignLines,
  Id,
  Outside,
  Problem,
  Section,
  Show,
  Status,
  Table,
  textsOf,
} from '../parts.tsx'
import { linkTo } from '../route.ts'
import { linkToCell } from './cell-list.tsx'

/** A version of a cell: what it is, what it needs, who signed it, and whether to rely on it. */
export function CellPage({ cellType, version }: { cellType: string; version: string | undefined }) {
  const at = `/api/v1/repository/cells/${encodeURIComponent(cellType)}`
  const details = useJson<CellDetails>(version === undefined ? at : `${at}?version=${encodeURIComponent(version)}`)
  const list = useJson<CellListResponse>(
    `/api/v1/repository/cells?search=${encodeURIComponent(cellType)}&limit=${LIMITS.maxPage}`,
  )
  return (
    <>
      <p class="crumbs">
        <a href={linkTo(['cells'])}>All cells</a>
      </p>
      <Show loaded={details}>
        {(cell) => (
          <>
            <Section
              title={`${cell.cell_type} ${cell.version}`}
              note={
                <>
                  <Status word={cell.status} /> registered <Ago time={cell.metadata.created_at} />
                </>
              }
            >
              <p>
                <ForeignLines text={cell.description} />
              </p>
              {cell.tags.length > 0 && (
                <ul class="tags" aria-label="Tags">
                  {cell.tags.map((tag) => (
                    <li key={tag}>
                      <Foreign text={tag} />
                    </li>
                  ))}
                </ul>
              )}
            </Section>
            {cell.yanks.map((yank) => (
              <p key={yank.by} class={yank.yanked ? 'problem' : 'note'}>
                {yank.yanked ? 'Yanked' : 'A yank was taken back'} by the {yank.by}: <Foreign text={yank.reason} />
                {yank.message !== undefined && (
                  <>
                    {' – '}
                    <Foreign text={yank.message} />
                  </>
                )}
              </p>
            ))}
            <div class="columns">
              <Capabilities cell={cell} />
              <Versions cellType={cellType} current={cell.version} list={list} />
              <Provenance cell={cell} />
              <Security cell={cell} />
            </div>
            <Yank cell={cell} loaded={details} />
          </>
        )}
      </Show>
    </>
  )
}

const Capabilities = ({ cell }: { cell: CellDetails }) => (
  <>
    <Section title="Capabilities and dependencies">
      <Table
        label="Capabilities"
        rows={cell.capabilities}
        empty="None."
        columns={[
          {
            head: 'Offers',
            cell: ({ name }) => (
              <a href={linkTo(['ask'], { capability: name })}>
                <Foreign text={name} />
              </a>
            ),
          },
          { head: 'Version', cell: ({ version }) => <Foreign text={version} /> },
        ]}
      />
      <Table
        label="Dependencies"
        rows={cell.dependencies}
        empty="It depends on nothing."
        columns={[
          {
            head: 'Needs',
            cell: ({ capability }) => (
              <a href={linkTo(['ask'], { capability })}>
                <Foreign text={capability} />
              </a>
            ),
          },
          { head: 'In versions', cell: ({ version_constraint: range }) => <Foreign text={range} /> },
        ]}
      />
    </Section>
  </>
)

const Versions = ({
  cellType,
  current,
  list,
}: {
  cellType: string
  current: string
  list: Loaded<CellListResponse>
}) => (
  <Section title="Versions">
    <Show loaded={list}>
      {({ cells }) => (
        <Table
          label="Versions"
          rows={cells.find(({ cell_type: type }) => type === cellType)?.versions ?? []}
          empty="This one."
          columns={[
            {
              head: 'Version',
              cell: ({ version }) =>
                version === current ? (
                  <strong>
                    <Foreign text={version} />
                  </strong>
                ) : (
                  <a href={linkToCell(cellType, version)}>
                    <Foreign text={version} />
                  </a>
                ),
            },
            { head: 'Status', cell: ({ status }) => <Status word={status} /> },
            { head: 'Registered', cell: ({ created_at: time }) => <Ago time={time} /> },
          ]}
        />
      )}
    </Show>
  </Section>
)

/** Whose it is, and that this browser checked it itself. */
function Provenance({ cell }: { cell: CellDetails }) {
  const [verdict, setVerdict] = useState<{ isGood: boolean; text: string }>()
  const verify = async (): Promise<void> => {
    setVerdict(undefined)
    try {
      const [{ verifyCell }, { network }] = await Promise.all([import('../verify.ts'), askJson<NodeInfo>('/info')])
      setVerdict({ isGood: true, text: verifyCell(cell, network) })
    } catch (error) {
      setVerdict({ isGood: false, text: error instanceof Error ? error.message : String(error) })
    }
  }
  const { metadata, security } = cell
  return (
    <Section title="Provenance">
      <Facts
        rows={[
          ['Publisher', <Id id={cell.publisher} ends={12} />],
          ['Signed by', `the ${cell.signed_by}, with ${security.signature_algorithm}`],
          ['Registered by', <Id id={metadata.created_by} ends={12} />],
          [
            'Package',
            <>
              {bytes(metadata.size_bytes)}, <Id id={cell.digest} ends={12} />
            </>,
          ],
          ['Cell id', <Id id={cell.cell_id} ends={12} />],
          [
            'In the log',
            security.log === null
              ? 'no'
              : `leaf ${number(security.log.inclusion.log_index)} of ${number(security.log.inclusion.tree_size)}`,
          ],
          metadata.license !== null && ['License', <Foreign text={metadata.license} />],
          metadata.documentation_url !== null && ['Documentation', <Outside href={metadata.documentation_url} />],
          metadata.repository_url !== null && ['Source', <Outside href={metadata.repository_url} />],
          metadata.issue_tracker_url !== null && ['Issues', <Outside href={metadata.issue_tracker_url} />],
        ]}
      />
      <p class="buttons">
        <button type="button" onClick={verify}>
          Verify the signature in this browser
        </button>
        <a href={`/api/v1/cells/packages/${encodeURIComponent(cell.digest)}`} download>
          Download the package
        </a>
      </p>
      <div role="status">
        {verdict !== undefined && (
          <p class={verdict.isGood ? 'good-news' : 'problem'}>
            <Foreign text={verdict.text} />
          </p>
        )}
      </div>
    </Section>
  )
}

const Security = ({ cell }: { cell: CellDetails }) => (
  <Section title="Security analysis">
    <Facts
      rows={[
        [
          'Rating',
          cell.security.security_rating === null ? 'not rated' : <Foreign text={cell.security.security_rating} />,
        ],
        ['Last audit', <Ago time={cell.security.last_security_audit} />],
        [
          'Memory',
          cell.performance.typical_memory_mb === null
            ? 'not measured'
            : `${number(cell.performance.typical_memory_mb, 1)} MB`,
        ],
        ['Start', milliseconds(cell.performance.typical_startup_ms)],
        ...reportRows(cell.analysis),
      ]}
    />
    <Table
      label="Vulnerabilities"
      rows={cell.security.vulnerabilities}
      empty="No vulnerability is recorded."
      columns={[
        { head: 'Vulnerability', cell: ({ id }) => <Foreign text={id} /> },
        { head: 'Severity', cell: ({ severity }) => <Status word={severity} /> },
        { head: 'Mitigated', cell: ({ mitigated }) => (mitigated ? 'yes' : 'no') },
        { head: 'Description', cell: ({ description }) => <Foreign text={description} /> },
      ]}
    />
    {cell.analysis?.kind === 'module' || cell.analysis?.kind === 'component' ? (
      <WasmTable report={cell.analysis} />
    ) : null}
  </Section>
)

type Row = readonly [string, preact.ComponentChildren]

function reportRows(report: PackageReport | null): Row[] {
  if (report === null) return [['Package', 'was not opened here']]
  const rows: Row[] = [['Package is', <Foreign text={report.kind} />]]
  if ('memory_min_bytes' in report) {
    rows.push([
      'Linear memory',
      `from ${bytes(report.memory_min_bytes)}${report.memory_max_bytes === null ? '' : ` to ${bytes(report.memory_max_bytes)}`}`,
    ])
    rows.push(['Compiles in', milliseconds(report.compile_ms)])
    if (report.start_failure) rows.push(['Does not start', <Foreign text={report.start_failure} />])
  }
  if ('unpacked_bytes' in report)
    rows.push(['Unpacked', `${bytes(report.unpacked_bytes)} in ${number(report.entries)} entries`])
  if ('platforms' in report) rows.push(['Platforms', <Foreign text={report.platforms.join(', ')} />])
  if ('characters' in report) rows.push(['Text', `${number(report.characters)} characters`])
  if ('details' in report) rows.push(['Found', <Foreign text={JSON.stringify(report.details)} />])
  return rows
}

/** Imports and exports that a table shows: a module may have thousands. */
const SHOWN = 100

const WasmTable = ({ report }: { report: Extract<PackageReport, { kind: 'module' | 'component' }> }) => (
  <details>
    <summary>
      {number(report.imports.length)} imports, {number(report.exports.length)} exports
    </summary>
    <Table
      label="Imports and exports"
      rows={[
        ...report.imports.map(({ module, name, kind }) => ({ way: 'import', name: `${module} ${name}`, kind })),
        ...report.exports.map(({ name, kind }) => ({ way: 'export', name, kind })),
      ].slice(0, SHOWN)}
      empty="None."
      columns={[
        { head: 'Name', cell: ({ name }) => <Foreign text={name} /> },
        { head: 'Way', cell: ({ way }) => way },
        { head: 'Kind', cell: ({ kind }) => <Foreign text={kind} /> },
      ]}
    />
  </details>
)

const REASONS = [
  ['broken', 'broken'],
  ['compromised', 'compromised (cannot be undone)'],
  ['superseded', 'superseded'],
  ['withdrawn', 'withdrawn'],
] as const

/** Withdraws this version, or takes that back, as this node's operator. */
function Yank({ cell, loaded }: { cell: CellDetails; loaded: Loaded<CellDetails> }) {
  const [said, setSaid] = useState<string>()
  const [failure, setFailure] = useState<ApiError>()
  const isYanked = cell.status === 'yanked'
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const { reason, message } = textsOf(event.currentTarget as HTMLFormElement)
    setFailure(undefined)
    setSaid(undefined)
    const path = `/api/v1/repository/cells/${encodeURIComponent(cell.cell_type)}/${encodeURIComponent(cell.version)}/yank`
    try {
      const body = isYanked ? { undo: true } : { reason, message }
      setSaid((await askJson<YankAnswer>(path, { method: 'POST', body })).message)
      loaded.reload()
    } catch (error) {
      setFailure(error instanceof ApiError ? error : new ApiError(0, String(error)))
    }
  }
  return (
    <Section
      title={isYanked ? 'Take the yank back' : 'Yank this version'}
      note="A yanked version is never resolved to; whoever has its digest can still download it."
    >
      <form class="fields" onSubmit={submit}>
        {!isYanked && (
          <>
            <Choice label="Reason" name="reason" options={REASONS} />
            <Field label="Message" name="message" maxLength={500} />
          </>
        )}
        <div class="buttons">
          <button type="submit" class="danger">
            {isYanked ? 'Take it back' : 'Yank'}
          </button>
        </div>
      </form>
      {failure !== undefined && <Problem error={failure} />}
      <div role="status">
        {said !== undefined && (
          <p class="good-news">
            <Foreign text={said} />
          </p>
        )}
      </div>
    </Section>
  )
}
