import { useState } from 'preact/hooks'
import type { ApiKeyCreated, ApiKeyList } from '../../../protocol/access.ts'
import type { EffectiveConfiguration } from '../../../protocol/configuration.ts'
import { ApiError, askJson } from '../api.ts'
import { number } from '../format.ts'
import { useJson, useKey } from '../hooks.ts'
import { Ago, Choice, Field, Foreign, Problem, Section, Show, Status, Table, textsOf } from '../parts.tsx'

const ROLES = [
  ['reader', 'reader: asks'],
  ['publisher', 'publisher: also registers'],
  ['admin', 'admin: also administers'],
] as const

/** What the node runs with, and who holds keys to it. */
export default function Settings() {
  const hasKey = useKey() !== undefined
  if (!hasKey) {
    return (
      <p>The configuration and the keys are for the administrator: enter the key with the button “Key” at the top.</p>
    )
  }
  return (
    <>
      <Keys />
      <Configuration />
    </>
  )
}

function Configuration() {
  const configuration = useJson<EffectiveConfiguration>('/api/v1/configuration')
  const [words, setWords] = useState('')
  return (
    <Section
      title="Effective configuration"
      note="Weak to strong: defaults, the file, the environment, flags. It changes with the next start."
    >
      <Show loaded={configuration}>
        {({ settings }) => (
          <>
            <div class="fields">
              <Field
                label="Only keys with"
                type="search"
                value={words}
                onInput={(event) => setWords(event.currentTarget.value)}
              />
            </div>
            <Table
              label="Configuration"
              rows={settings.filter(({ key }) => key.includes(words.trim()))}
              empty="No key has that in its name."
              columns={[
                {
                  head: 'Key',
                  cell: ({ key }) => (
                    <code>
                      <Foreign text={key} />
                    </code>
                  ),
                },
                {
                  head: 'Value',
                  cell: ({ value }) => (
                    <code>
                      <Foreign text={typeof value === 'string' ? value : JSON.stringify(value)} />
                    </code>
                  ),
                },
                {
                  head: 'From',
                  cell: ({ origin }) =>
                    origin === 'default' ? <span class="note">default</span> : <Foreign text={origin} />,
                },
              ]}
            />
          </>
        )}
      </Show>
    </Section>
  )
}

function Keys() {
  const keys = useJson<ApiKeyList>('/api/v1/keys?limit=500')
  const [made, setMade] = useState<ApiKeyCreated>()
  const [failure, setFailure] = useState<ApiError>()
  const act = async <T,>(work: () => Promise<T>): Promise<T | undefined> => {
    setFailure(undefined)
    try {
      return await work()
    } catch (error) {
      setFailure(error instanceof ApiError ? error : new ApiError(0, String(error)))
      return undefined
    } finally {
      keys.reload()
    }
  }
  const create = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const { name, role } = textsOf(form)
    setMade(undefined)
    const created = await act(() => askJson<ApiKeyCreated>('/api/v1/keys', { method: 'POST', body: { name, role } }))
    if (created === undefined) return
    form.reset()
    setMade(created)
  }
  return (
    <Section title="Keys" note={keys.data && number(keys.data.keys.length)}>
      <form class="fields" onSubmit={create}>
        <Field label="Name of a new key" name="name" required maxLength={128} />
        <Choice label="Role" name="role" options={ROLES} />
        <div class="buttons">
          <button type="submit" class="primary">
            Create
          </button>
        </div>
      </form>
      {failure !== undefined && <Problem error={failure} />}
      <div role="status">
        {made !== undefined && (
          <p class="good-news">
            The key, shown this once: <code>{made.key}</code>
          </p>
        )}
      </div>
      <Show loaded={keys}>
        {({ keys: list }) => (
          <Table
            label="Keys"
            rows={list}
            empty="There is only the administrator’s key."
            columns={[
              { head: 'Name', cell: ({ name }) => <Foreign text={name} /> },
              { head: 'Role', cell: ({ role }) => role },
              { head: 'Status', cell: ({ status }) => <Status word={status} /> },
              { head: 'Created', cell: ({ created_at: time }) => <Ago time={time} /> },
              { head: 'Expires', cell: ({ expires_at: time }) => <Ago time={time} /> },
              { head: 'Last used', cell: ({ last_used: day }) => day ?? '–' },
              {
                head: 'Act',
                cell: ({ key_id: id, status, name }) =>
                  status === 'active' && (
                    <button
                      type="button"
                      class="danger"
                      onClick={() => act(() => askJson(`/api/v1/keys/${id}`, { method: 'DELETE' }))}
                    >
                      Revoke
                      <span class="sr">
                        {' '}
                        <Foreign text={name} />
                      </span>
                    </button>
                  ),
              },
            ]}
          />
        )}
      </Show>
    </Section>
  )
}
