import type { ComponentChildren, InputHTMLAttributes, SelectHTMLAttributes, TextareaHTMLAttributes } from 'preact'
import { useId, useState } from 'preact/hooks'
import type { ApiError } from './api.ts'
import { outsideLink, visible, visibleLines } from './foreign.ts'
import { age, shortId } from './format.ts'
import type { Loaded } from './hooks.ts'

/** The pieces that pages are made of. */

/** What a stranger wrote: text only, its direction kept to itself, what is invisible made visible. */
export const Foreign = ({ text }: { text: unknown }) => <bdi>{visible(text)}</bdi>

/** The same in lines. */
export const ForeignLines = ({ text }: { text: string }) => <bdi class="lines">{visibleLines(text)}</bdi>

/** A link elsewhere that a stranger gave; its text alone where it is no web address. */
export function Outside({ href }: { href: unknown }) {
  const address = outsideLink(href)
  if (address === undefined) return <Foreign text={href} />
  return (
    <a href={address} rel="noreferrer noopener nofollow" target="_blank">
      <Foreign text={address} />
    </a>
  )
}

/** An id by its ends, with the whole of it to be copied. */
export function Id({ id, ends }: { id: string; ends?: number }) {
  const [isCopied, setCopied] = useState(false)
  const copy = (): void => {
    navigator.clipboard?.writeText(id).then(
      () => setCopied(true),
      () => undefined,
    )
  }
  return (
    <button type="button" class="id" title={visible(id)} onClick={copy} onBlur={() => setCopied(false)}>
      <span class="sr">Copy </span>
      <bdi>{visible(shortId(id, ends))}</bdi>
      <span class="sr" role="status">
        {isCopied ? 'Copied' : ''}
      </span>
    </button>
  )
}

/** When something was, in words; the time itself on hovering. */
export const Ago = ({ time }: { time: string | number | null | undefined }) =>
  time === null || time === undefined ? (
    <span>–</span>
  ) : (
    <time
      dateTime={new Date(time).toString() === 'Invalid Date' ? undefined : new Date(time).toISOString()}
      title={visible(typeof time === 'number' ? new Date(time).toISOString() : time)}
    >
      {visible(age(time))}
    </time>
  )

const GOOD = new Set([
  'healthy',
  'live',
  'active',
  'ACTIVE',
  'success',
  'verified',
  'kept',
  'registered',
  'won',
  'trusted',
  'answered',
  'valid',
  'ready',
  'ok',
])
const BAD = new Set([
  'offline',
  'unhealthy',
  'yanked',
  'failed',
  'rejected',
  'DIVERGED',
  'ISOLATED',
  'invalid',
  'revoked',
  'error',
  'critical',
  'not ready',
  'banned',
  'unreachable',
])

/** A word that says how something is: by its text first, by its colour as well. */
export function Status({ word }: { word: string }) {
  const tone = GOOD.has(word) ? 'good' : BAD.has(word) ? 'bad' : 'fair'
  return <span class={`status ${tone}`}>{visible(word)}</span>
}

/** A part of a page with its heading. */
export const Section = ({
  title,
  note,
  children,
}: {
  title: string
  note?: ComponentChildren
  children: ComponentChildren
}) => (
  <div class="part">
    <header class="section">
      <h2>
        <Foreign text={title} />
      </h2>
      {note !== undefined && <div class="note">{note}</div>}
    </header>
    {children}
  </div>
)

/** Names and values. */
export const Facts = ({
  rows,
}: {
  rows: readonly (readonly [name: string, value: ComponentChildren] | false | undefined)[]
}) => (
  <dl class="facts">
    {rows.map(
      (row) =>
        row && (
          <div key={row[0]}>
            <dt>{row[0]}</dt>
            <dd>{row[1]}</dd>
          </div>
        ),
    )}
  </dl>
)

interface Column<T> {
  readonly head: string
  /** Numbers stand to the right. */
  readonly isNumber?: boolean
  cell(row: T): ComponentChildren
}

/** A table; the first column names the row. It scrolls by itself where the page is narrow. */
export function Table<T>({
  label,
  columns,
  rows,
  empty,
}: {
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  empty: string
}) {
  if (rows.length === 0) return <p class="empty">{empty}</p>
  return (
    // Who has no mouse scrolls it with the keys, so it takes the focus.
    <section class="scroll" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map(({ head, isNumber }) => (
              <th key={head} scope="col" class={isNumber ? 'number' : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={at}>
              {columns.map(({ head, isNumber, cell }, column) =>
                column === 0 ? (
                  <th key={head} scope="row" class={isNumber ? 'number' : undefined}>
                    {cell(row)}
                  </th>
                ) : (
                  <td key={head} class={isNumber ? 'number' : undefined}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

/** What went wrong, said at once to who listens. */
export function Problem({ error }: { error: ApiError | Error | string }) {
  const message = typeof error === 'string' ? error : error.message
  const needsKey = typeof error === 'object' && 'needsKey' in error && error.needsKey
  return (
    <p class="problem" role="alert">
      <Foreign text={message} />
      {needsKey && ' – enter a key with the button “Key” at the top.'}
    </p>
  )
}

/** What was loaded, or that it is on its way, or why it is not there. What was there before stays under the problem. */
export function Show<T>({ loaded, children }: { loaded: Loaded<T>; children: (data: T) => ComponentChildren }) {
  const { data, error, isLoading } = loaded
  return (
    <>
      {error !== undefined && <Problem error={error} />}
      {data === undefined && isLoading && (
        <p class="empty" aria-busy="true">
          Loading…
        </p>
      )}
      {data !== undefined && children(data)}
    </>
  )
}

type FieldProps = { label: string; hint?: string } & InputHTMLAttributes<HTMLInputElement>

/** An input with its label. */
export function Field({ label, hint, ...input }: FieldProps) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        autocomplete="off"
        spellcheck={false}
        {...input}
      />
      {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  )
}

/** A choice with its label. */
export function Choice({
  label,
  options,
  ...select
}: {
  label: string
  options: readonly (readonly [value: string, text: string])[]
} & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} {...select}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  )
}

/** A large input with its label. */
export function Area({ label, ...area }: { label: string } & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId()
  return (
    <div class="field wide">
      <label for={id}>{label}</label>
      <textarea id={id} spellcheck={false} {...area} />
    </div>
  )
}

/** The texts of a form's fields, without those that are empty. */
export function textsOf(form: HTMLFormElement): Readonly<Record<string, string | undefined>> {
  const texts: Record<string, string> = {}
  for (const [name, value] of new FormData(form)) {
    if (typeof value === 'string' && value.trim() !== '') texts[name] = value.trim()
  }
  return texts
}
