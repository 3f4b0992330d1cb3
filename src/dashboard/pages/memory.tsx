import { useState } from 'preact/hooks'
import type {
  ContextSearchResult,
  Conversation,
  ConversationList,
  SessionContext,
  SessionDetails,
} from '../../../protocol/memory.ts'
import { ApiError, askJson } from '../api.ts'
import { milliseconds, number } from '../format.ts'
import { type Loaded, useLoaded } from '../hooks.ts'
import {
  Ago,
  Area,
  Facts,
  Field,
  Foreign,
  ForeignLines,
  Id,
  Problem,
  Section,
  Show,
  Status,
  Table,
  textsOf,
} from '../parts.tsx'
import { sessionOf } from '../session-token.ts'

/** What the session of a token remembers. The token is kept until another page is looked at. */
export default function Memory() {
  const [opened, setOpened] = useState<{ token: string; session: string }>()
  const [failure, setFailure] = useState<string>()
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const { token = '' } = textsOf(event.currentTarget as HTMLFormElement)
    setFailure(undefined)
    try {
      setOpened({ token, session: sessionOf(token) })
    } catch (error) {
      setOpened(undefined)
      setFailure(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <>
      <form class="fields" onSubmit={submit}>
        <Area label="Token of a session" name="token" required />
        <div class="buttons">
          <button type="submit" class="primary">
            Open
          </button>
        </div>
      </form>
      {failure !== undefined && <Problem error={failure} />}
      {opened !== undefined && <Session key={opened.token} {...opened} />}
    </>
  )
}

interface Opened {
  readonly token: string
  readonly session: string
}

const useSession = <T,>({ token }: Opened, path: string | undefined): Loaded<T> =>
  useLoaded(path === undefined ? undefined : (signal) => askJson<T>(path, { bearer: token, signal }), [path, token])

function Session(opened: Opened) {
  const at = `/api/v2/sessions/${encodeURIComponent(opened.session)}`
  const details = useSession<SessionDetails>(opened, at)
  const isOpen = details.data !== undefined
  const conversations = useSession<ConversationList>(opened, isOpen ? `${at}/conversations?limit=100` : undefined)
  const context = useSession<SessionContext>(opened, isOpen ? `${at}/context` : undefined)
  const [conversation, setConversation] = useState<string>()
  return (
    <>
      <Section title="Session" note={details.data && <Status word={details.data.status} />}>
        <Show loaded={details}>
          {(session) => (
            <Facts
              rows={[
                ['Session', <Id id={session.session_id} ends={12} />],
                ['Started', <Ago time={session.created_at} />],
                ['Last active', <Ago time={session.last_active} />],
                ['Conversations', number(session.conversation_count)],
                ['Turns', number(session.total_turns)],
                context.data !== undefined && ['Summary', <ForeignLines text={context.data.context_summary || '–'} />],
                context.data !== undefined && ['Topics', <Foreign text={context.data.key_topics.join(', ') || '–'} />],
                context.data !== undefined && [
                  'Agents',
                  <Foreign text={Object.keys(context.data.agent_states).join(', ') || '–'} />,
                ],
              ]}
            />
          )}
        </Show>
      </Section>
      {isOpen && <Search opened={opened} path={`${at}/context/search`} onOpen={setConversation} />}
      {isOpen && (
        <Section title="Conversations" note={conversations.data && number(conversations.data.total)}>
          <Show loaded={conversations}>
            {({ conversations: list }) => (
              <Table
                label="Conversations"
                rows={list}
                empty="Nothing was said yet."
                columns={[
                  {
                    head: 'About',
                    cell: ({ conversation_id: id, directive }) => (
                      <button type="button" class="id" onClick={() => setConversation(id)}>
                        <Foreign text={directive.slice(0, 200)} />
                      </button>
                    ),
                  },
                  { head: 'Status', cell: ({ status }) => <Status word={status} /> },
                  { head: 'Turns', isNumber: true, cell: ({ total_turns: turns }) => number(turns) },
                  { head: 'Started', cell: ({ created_at: time }) => <Ago time={time} /> },
                ]}
              />
            )}
          </Show>
        </Section>
      )}
      {conversation !== undefined && <Turns key={conversation} opened={opened} id={conversation} />}
    </>
  )
}

function Turns({ opened, id }: { opened: Opened; id: string }) {
  const conversation = useSession<Conversation>(opened, `/api/v2/conversations/${encodeURIComponent(id)}?limit=500`)
  return (
    <Section title="Turns" note={conversation.data && <Foreign text={conversation.data.directive.slice(0, 100)} />}>
      <Show loaded={conversation}>
        {({ turns, next }) => (
          <>
            <ol class="turns">
              {turns.map(({ turn_id: turn, agent, content, timestamp }) => (
                <li key={turn}>
                  <strong>
                    <Foreign text={agent} />
                  </strong>{' '}
                  <small>
                    <Ago time={timestamp} />
                  </small>
                  <div>
                    <ForeignLines text={content} />
                  </div>
                </li>
              ))}
            </ol>
            {next !== null && <p class="note">There are more turns than these.</p>}
          </>
        )}
      </Show>
    </Section>
  )
}

function Search({ opened, path, onOpen }: { opened: Opened; path: string; onOpen(conversation: string): void }) {
  const [found, setFound] = useState<ContextSearchResult>()
  const [failure, setFailure] = useState<ApiError>()
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const { query = '' } = textsOf(event.currentTarget as HTMLFormElement)
    setFailure(undefined)
    try {
      setFound(
        await askJson<ContextSearchResult>(path, {
          method: 'POST',
          bearer: opened.token,
          body: { query, max_results: 20 },
        }),
      )
    } catch (error) {
      setFailure(error instanceof ApiError ? error : new ApiError(0, String(error)))
    }
  }
  return (
    <Section title="Search">
      <search>
        <form class="fields" onSubmit={submit}>
          <Field label="What was said about" name="query" type="search" required />
          <div class="buttons">
            <button type="submit" class="primary">
              Search
            </button>
          </div>
        </form>
      </search>
      {failure !== undefined && <Problem error={failure} />}
      <div aria-live="polite">
        {found !== undefined && (
          <>
            <p class="note">
              {number(found.total_matches)} found in {milliseconds(found.search_time_ms)}
            </p>
            <Table
              label="Matches"
              rows={found.results}
              empty="Nothing was found."
              columns={[
                {
                  head: 'Said',
                  cell: ({ snippet, conversation_id: id }) => (
                    <button type="button" class="id" onClick={() => onOpen(id)}>
                      <Foreign text={snippet} />
                    </button>
                  ),
                },
                { head: 'By', cell: ({ agent }) => <Foreign text={agent ?? 'summary'} /> },
                { head: 'Relevance', isNumber: true, cell: ({ relevance_score: score }) => number(score, 2) },
                { head: 'About', cell: ({ context }) => <Foreign text={context.slice(0, 200)} /> },
                { head: 'When', cell: ({ timestamp }) => <Ago time={timestamp} /> },
              ]}
            />
          </>
        )}
      </div>
    </Section>
  )
}
