import type { FunctionComponent } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ProviderInfo } from '../../protocol/discovery.ts'
import { useJson, usePlace } from './hooks.ts'
import { KeyButton } from './key-button.tsx'
import { PAGES, type PageProps } from './pages.ts'
import { Foreign, Id, Problem } from './parts.tsx'
import { linkTo, type Place } from './route.ts'

/** What is around every page: whose node it is, where one can go, and the key. */
export function App() {
  const place = usePlace()
  const info = useJson<ProviderInfo>('/api/v1/discovery/info')
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('content')?.focus()}>
        Skip to content
      </button>
      <header class="top">
        <a class="brand" href={linkTo(['overview'])}>
          Cytoplex
        </a>
        {info.data !== undefined && (
          <div class="node">
            <strong>
              <Foreign text={info.data.name} />
            </strong>{' '}
            <Id id={info.data.provider_id} />
          </div>
        )}
        <KeyButton />
      </header>
      <nav aria-label="Pages">
        <ul>
          {PAGES.map(({ path, title }) => (
            <li key={path}>
              <a href={linkTo([path])} aria-current={place.page === path ? 'page' : undefined}>
                {title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main id="content" tabIndex={-1}>
        <Content place={place} />
      </main>
    </>
  )
}

function Content({ place }: { place: Place }) {
  const page = PAGES.find(({ path }) => path === place.page)
  const [shown, setShown] = useState<{ path: string; Page: FunctionComponent<PageProps> }>()
  const [failure, setFailure] = useState<string>()
  const heading = useRef<HTMLHeadingElement>(null)
  const isFirst = useRef(true)
  useEffect(() => {
    document.title = `${page?.title ?? 'Not found'} – Cytoplex`
    if (page === undefined) return
    let isCurrent = true
    setFailure(undefined)
    page.load().then(
      ({ default: loaded }) => {
        if (isCurrent) setShown({ path: page.path, Page: loaded })
      },
      () => {
        if (isCurrent)
          setFailure('this page could not be loaded: the node may be gone, or newer than what is shown; load it anew')
      },
    )
    // Who navigates by keyboard or ear arrives at the new page, not at the old link.
    if (!isFirst.current) heading.current?.focus()
    isFirst.current = false
    return () => {
      isCurrent = false
    }
  }, [page])
  if (page === undefined) {
    return (
      <>
        <h1>Not found</h1>
        <p>
          There is no such page. <a href={linkTo(['overview'])}>Overview</a>
        </p>
      </>
    )
  }
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        {page.title}
      </h1>
      {failure !== undefined && <Problem error={failure} />}
      {shown?.path === page.path ? (
        <shown.Page place={place} />
      ) : (
        <p class="empty" aria-busy="true">
          Loading…
        </p>
      )}
    </>
  )
}
