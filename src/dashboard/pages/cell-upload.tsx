import { useState } from 'preact/hooks'
import type { ValidationResults } from '../../../protocol/annotations.ts'
import type { RegisterResponse, ValidateResponse } from '../../../protocol/repository.ts'
import { ApiError, sendForm } from '../api.ts'
import { number } from '../format.ts'
import { Field, Foreign, Problem, Section, Status, Table, textsOf } from '../parts.tsx'
import { linkTo } from '../route.ts'
import { linkToCell } from './cell-list.tsx'

/** What came of an upload: the same for a check and for a registration. */
interface Outcome {
  readonly word: string
  readonly message?: string | undefined
  readonly results?: ValidationResults | undefined
  readonly cell?: { readonly type: string; readonly version: string }
}

/** Registers a package, or checks it as registering does. */
export function UploadPage() {
  const [part, setPart] = useState<number>()
  const [outcome, setOutcome] = useState<Outcome>()
  const [failure, setFailure] = useState<ApiError>()
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const isCheck = (event.submitter as HTMLButtonElement | null)?.value === 'check'
    const form = formOf(event.currentTarget as HTMLFormElement)
    setOutcome(undefined)
    setFailure(undefined)
    setPart(0)
    try {
      const options = { onProgress: setPart, alsoAnswers: [400, 422] }
      setOutcome(
        isCheck
          ? checked(await sendForm<ValidateResponse>('/api/v1/repository/validate', form, options))
          : registered(await sendForm<RegisterResponse>('/api/v1/repository/cells', form, options)),
      )
    } catch (error) {
      setFailure(error instanceof ApiError ? error : new ApiError(0, String(error)))
    } finally {
      setPart(undefined)
    }
  }
  return (
    <>
      <p class="crumbs">
        <a href={linkTo(['cells'])}>All cells</a>
      </p>
      <Section
        title="Upload a cell"
        note="The node builds and signs the manifest. To sign it as a publisher: cytoplex cell push."
      >
        <form class="fields" onSubmit={submit}>
          <Field label="Package" name="file" type="file" required />
          <Field
            label="Cell type"
            name="cell_type"
            required
            pattern="[a-z0-9][a-z0-9._\-]*"
            hint="small letters, digits, . _ -"
          />
          <Field label="Version" name="version" required placeholder="1.0.0" />
          <Field label="Capability" name="capability" required pattern="[a-z0-9][a-z0-9._\-]*" />
          <Field label="Version of the capability" name="capability_version" placeholder="as the cell’s" />
          <Field label="Tags, separated by commas" name="tags" />
          <Field label="Description" name="description" maxLength={2000} />
          <div class="buttons">
            <button type="submit" class="primary" value="upload" disabled={part !== undefined}>
              Upload
            </button>
            <button type="submit" value="check" disabled={part !== undefined}>
              Check only
            </button>
          </div>
        </form>
        {part !== undefined && (
          <p>
            <progress value={part} aria-label="Upload" />{' '}
            {part < 1 ? `${number(part * 100)} % sent` : 'The node opens the package…'}
          </p>
        )}
        {failure !== undefined && <Problem error={failure} />}
        <div role="status">{outcome !== undefined && <Report outcome={outcome} />}</div>
      </Section>
    </>
  )
}

function formOf(element: HTMLFormElement): FormData {
  const texts = textsOf(element)
  const { cell_type, version = '', capability, capability_version = version, description } = texts
  const tags = texts.tags
    ?.split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
  const metadata = {
    cell_type,
    version,
    description,
    tags,
    capabilities: [{ name: capability, version: capability_version }],
  }
  const form = new FormData()
  form.set('metadata', JSON.stringify(metadata))
  const file = new FormData(element).get('file')
  if (file instanceof File) form.set('cell_package', file)
  return form
}

const checked = ({ status, validation_results: results }: ValidateResponse): Outcome => ({ word: status, results })

const registered = ({
  status,
  message,
  validation_results: results,
  cell_type: type,
  version,
}: RegisterResponse): Outcome => ({
  word: status,
  message,
  results,
  ...(status === 'success' && type !== undefined && version !== undefined ? { cell: { type, version } } : {}),
})

const Report = ({ outcome: { word, message, results, cell } }: { outcome: Outcome }) => (
  <>
    <h3>
      Report <Status word={word} />
    </h3>
    {message !== undefined && (
      <p>
        <Foreign text={message} /> {cell !== undefined && <a href={linkToCell(cell.type, cell.version)}>Look at it</a>}
      </p>
    )}
    {results !== undefined && (
      <>
        <Table
          label="Findings"
          rows={results.issues}
          empty="Nothing was found wrong."
          columns={[
            { head: 'Finding', cell: ({ code }) => <Foreign text={code} /> },
            { head: 'Severity', cell: ({ severity }) => <Status word={severity} /> },
            { head: 'Where', cell: ({ location }) => <Foreign text={location} /> },
            { head: 'What', cell: ({ message: text }) => <Foreign text={text} /> },
          ]}
        />
        <p class="note">
          Passed: <Foreign text={results.passed_checks.join(', ') || 'no check'} />
        </p>
      </>
    )}
  </>
)
