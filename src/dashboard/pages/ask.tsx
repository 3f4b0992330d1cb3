import { useState } from 'preact/hooks'
import type { CapabilityRequest, CellResponse, Considered } from '../../../protocol/cells.ts'
import { ApiError, askJson } from '../api.ts'
import { visible } from '../foreign.ts'
import { bytes, milliseconds, number } from '../format.ts'
import type { PageProps } from '../pages.ts'
import { Choice, Facts, Field, Foreign, Id, Problem, Section, Status, Table, textsOf } from '../parts.tsx'

/** What was answered, and how long that took as seen from here. */
interface Answered {
  readonly response: CellResponse
  readonly ms: number
}

const PRIORITIES = [
  ['', 'none'],
  ['speed', 'speed'],
  ['memory', 'memory'],
  ['battery', 'battery'],
] as const
const LEVELS = [
  ['standard', 'standard'],
  ['high', 'high'],
  ['maximum', 'maximum'],
] as const

/** Asks for a capability as an assembler does, and shows why this cell and no other. */
export default function Ask({ place }: PageProps) {
  const [answered, setAnswered] = useState<Answered>()
  const [failure, setFailure] = useState<ApiError>()
  const [isAsking, setAsking] = useState(false)
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const body = requestOf(textsOf(event.currentTarget as HTMLFormElement))
    setAsking(true)
    setFailure(undefined)
    const start = performance.now()
    try {
      const response = await askJson<CellResponse>('/api/v1/cells/request', {
        method: 'POST',
        body,
        headers: { Prefer: 'wait=10' },
        alsoAnswers: [404, 504],
      })
      setAnswered({ response, ms: performance.now() - start })
    } catch (error) {
      setFailure(error instanceof ApiError ? error : new ApiError(0, String(error)))
    } finally {
      setAsking(false)
    }
  }
  return (
    <>
      <form key={place.query.toString()} class="fields" onSubmit={submit}>
        <Field
          label="Capability"
          name="capability"
          required
          defaultValue={visible(place.query.get('capability') ?? '')}
        />
        <Field label="Versions" name="version" placeholder="any, or a range such as ^2.1" />
        <Choice label="Security level" name="level" options={LEVELS} />
        <Choice label="Optimise for" name="priority" options={PRIORITIES} />
        <Field label="Platform of the device" name="platform" placeholder="any" />
        <Field label="Memory of the device, GB" name="memory" type="number" min="0" step="any" />
        <Field label="Processor cores" name="cores" type="number" min="0" step="1" />
        <Choice
          label="Graphics processor"
          name="gpu"
          options={[
            ['', 'not said'],
            ['true', 'yes'],
            ['false', 'no'],
          ]}
        />
        <div class="buttons">
          <button type="submit" class="primary" disabled={isAsking}>
            {isAsking ? 'Asking…' : 'Ask'}
          </button>
          <label class="check">
            <input type="checkbox" name="dependencies" value="yes" /> with everything that it depends on
          </label>
        </div>
      </form>
      {failure !== undefined && <Problem error={failure} />}
      <div aria-live="polite">{answered !== undefined && <Answer {...answered} />}</div>
    </>
  )
}

function requestOf(texts: Readonly<Record<string, string | undefined>>): CapabilityRequest {
  const { capability = '', version, level, priority, platform, memory, cores, gpu, dependencies } = texts
  const device = {
    ...(platform === undefined ? {} : { platform }),
    ...(memory === undefined ? {} : { memory_gb: Number(memory) }),
    ...(cores === undefined ? {} : { cpu_cores: Number(cores) }),
    ...(gpu === undefined ? {} : { gpu_available: gpu === 'true' }),
  }
  return {
    request_id: crypto.randomUUID(),
    capability,
    ...(Object.keys(device).length === 0 ? {} : { context: { device_info: device } }),
    preferences: {
      explain: true,
      ...(version === undefined ? {} : { version_constraints: version }),
      ...(level === undefined ? {} : { security_level: level as 'standard' }),
      ...(priority === undefined ? {} : { optimization_priority: priority as 'speed' }),
      ...(dependencies === undefined ? {} : { resolve_dependencies: true }),
    },
  } as CapabilityRequest
}

function Answer({ response, ms }: Answered) {
  const { status, cell, code, error, coverage, explanation, alternatives, lock, conflicts } = response
  return (
    <>
      <Section
        title="Answer"
        note={
          <>
            <Status word={status} /> after {milliseconds(ms)}
          </>
        }
      >
        {error !== undefined && <Problem error={`${code === undefined ? '' : `${code}: `}${error.message}`} />}
        {error === undefined && status === 'not_found' && <Problem error={nobodyText(code)} />}
        {status === 'pending' && <p>Not all sources have answered yet. Ask again in a moment.</p>}
        {cell !== undefined && (
          <Facts
            rows={[
              [
                'Cell',
                <strong>
                  <Foreign text={`${cell.cell_type} ${cell.version}`} />
                </strong>,
              ],
              ['Description', <Foreign text={cell.metadata.description} />],
              [
                'Publisher',
                <>
                  <Id id={cell.publisher} ends={12} /> <Status word={cell.publisher_trust} />
                </>,
              ],
              ['Provider', <Id id={cell.metadata.provider} />],
              [
                'Package',
                <>
                  <Foreign text={cell.packaging_format} />, {bytes(cell.size_bytes)}, <Id id={cell.digest} ends={12} />
                </>,
              ],
              ['Start', milliseconds(cell.metadata.performance_characteristics.typical_startup_ms)],
              [
                'Memory',
                cell.metadata.performance_characteristics.typical_memory_mb == null
                  ? '–'
                  : `${number(cell.metadata.performance_characteristics.typical_memory_mb, 1)} MB`,
              ],
              cell.stale === true && ['Stale', 'yanks were not reconciled within the hour'],
            ]}
          />
        )}
      </Section>
      {explanation !== undefined && <Comparison considered={explanation} />}
      {coverage !== undefined && (
        <Section
          title="Where the node looked"
          note={`The oldest announcement was ${milliseconds(coverage.oldest_answer_ms)} old.`}
        >
          <div class="columns">
            <Table
              label="Sources"
              rows={coverage.sources}
              empty="Nowhere."
              columns={[
                { head: 'Source', cell: ({ source }) => source },
                { head: 'Outcome', cell: ({ outcome }) => <Status word={outcome.replace('_', ' ')} /> },
                { head: 'Candidates', isNumber: true, cell: ({ candidates }) => number(candidates) },
              ]}
            />
            <Table
              label="Peers that were asked"
              rows={coverage.peers}
              empty="No peer was asked."
              columns={[
                { head: 'Peer', cell: ({ provider_id: id }) => <Id id={id} /> },
                { head: 'Outcome', cell: ({ outcome }) => <Status word={outcome.replace('_', ' ')} /> },
              ]}
            />
          </div>
        </Section>
      )}
      {lock !== undefined && (
        <Section title="Everything that it depends on">
          <Table
            label="Lock"
            rows={lock}
            empty="It depends on nothing."
            columns={[
              { head: 'Capability', cell: ({ capability }) => <Foreign text={capability} /> },
              { head: 'Cell', cell: ({ cell_type: type, version }) => <Foreign text={`${type} ${version}`} /> },
              {
                head: 'Publisher',
                cell: ({ publisher, publisher_trust: trust }) => (
                  <>
                    <Id id={publisher} /> <Status word={trust} />
                  </>
                ),
              },
              { head: 'Size', isNumber: true, cell: ({ size_bytes: size }) => bytes(size) },
              {
                head: 'Needed by',
                cell: ({ required_by: by }) => (
                  <Foreign
                    text={by.map((one) => `${one.cell_type} ${one.version} (${one.version_constraint})`).join(', ')}
                  />
                ),
              },
            ]}
          />
        </Section>
      )}
      {conflicts !== undefined && conflicts.length > 0 && (
        <Section title="Conflicts">
          <Table
            label="Conflicts"
            rows={conflicts}
            empty="None."
            columns={[
              { head: 'Capability', cell: ({ capability }) => <Foreign text={capability} /> },
              { head: 'Why', cell: ({ reason }) => <Foreign text={reason} /> },
            ]}
          />
        </Section>
      )}
      {alternatives !== undefined && alternatives.length > 0 && (
        <Section title="Alternatives">
          <Table
            label="Alternatives"
            rows={alternatives}
            empty="None."
            columns={[
              { head: 'Cell', cell: ({ cell_type: type, version }) => <Foreign text={`${type} ${version}`} /> },
              { head: 'Capability', cell: ({ capability }) => <Foreign text={capability} /> },
              { head: 'Notes', cell: ({ compatibility_notes: notes }) => <Foreign text={notes} /> },
            ]}
          />
        </Section>
      )}
    </>
  )
}

/** Why nothing was found, in words. */
const nobodyText = (code = ''): string =>
  `${code}: ${code === 'PROV_002' ? 'it is offered, but in no version that fits' : 'nobody offers this'}`

/** The order in which candidates stand: the winner, those that fit, those that do not. */
const PLACES = { won: 0, lost: 1, rejected: 2 } as const

const Comparison = ({ considered }: { considered: readonly Considered[] }) => (
  <Section title="Candidates, best first" note={`${number(considered.length)} considered`}>
    <Table
      label="Candidates"
      rows={considered.toSorted((a, b) => PLACES[a.outcome] - PLACES[b.outcome])}
      empty="Nothing was considered."
      columns={[
        { head: 'Cell', cell: ({ cell_type: type, version }) => <Foreign text={`${type} ${version}`} /> },
        { head: 'Outcome', cell: ({ outcome }) => <Status word={outcome} /> },
        { head: 'Why', cell: ({ reason }) => <Foreign text={reason} /> },
        { head: 'Offers', cell: ({ capability_version: version }) => <Foreign text={version} /> },
        {
          head: 'Publisher',
          cell: ({ publisher, publisher_trust: trust }) => (
            <>
              <Id id={publisher} /> <Status word={trust.replaceAll('_', ' ')} />
            </>
          ),
        },
        {
          head: 'From',
          cell: ({ source, provider_id: id }) => (
            <>
              {source} <Id id={id} />
            </>
          ),
        },
      ]}
    />
  </Section>
)
