import { useEffect, useRef, useState } from 'preact/hooks'
import type { EventChannel, NodeEvent } from '../../protocol/events.ts'
import { ApiError, askJson } from './api.ts'
import { listen } from './live.ts'
import { type Place, readHash } from './route.ts'
import { onSessionKey, sessionKey } from './session-key.ts'

/** What is known of an answer. */
export interface Loaded<T> {
  readonly data: T | undefined
  readonly error: ApiError | undefined
  readonly isLoading: boolean
  reload(): void
}

/** Where one is now. */
export function usePlace(): Place {
  const [place, setPlace] = useState(() => readHash(location.hash))
  useEffect(() => {
    const moved = (): void => setPlace(readHash(location.hash))
    addEventListener('hashchange', moved)
    return () => removeEventListener('hashchange', moved)
  }, [])
  return place
}

/** The session's key. */
export function useKey(): string | undefined {
  const [key, setKey] = useState(sessionKey)
  useEffect(() => onSessionKey(() => setKey(sessionKey())), [])
  return key
}

/**
 * What `load` resolves with, asked anew when `dependencies` or the key change, and every `everyMs` while the page is seen. The last answer stays
 * until there is another.
 */
export function useLoaded<T>(
  load: ((signal: AbortSignal) => Promise<T>) | undefined,
  dependencies: readonly unknown[],
  everyMs?: number,
): Loaded<T> {
  const key = useKey()
  const [state, setState] = useState<Omit<Loaded<T>, 'reload'>>({ data: undefined, error: undefined, isLoading: true })
  const [turn, setTurn] = useState(0)
  const shown = useRef<string>(undefined)
  useEffect(() => {
    if (load === undefined) {
      setState({ data: undefined, error: undefined, isLoading: false })
      return undefined
    }
    const identity = JSON.stringify([...dependencies, key])
    if (shown.current !== identity) setState({ data: undefined, error: undefined, isLoading: true })
    shown.current = identity
    const controller = new AbortController()
    load(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) setState({ data, error: undefined, isLoading: false })
      },
      (error: unknown) => {
        if (controller.signal.aborted) return
        const known = error instanceof ApiError ? error : new ApiError(0, String(error))
        setState((before) => ({ ...before, error: known, isLoading: false }))
      },
    )
    return () => controller.abort()
  }, [...dependencies, key, turn])
  useEffect(() => {
    if (everyMs === undefined) return undefined
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') setTurn((count) => count + 1)
    }, everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return { ...state, reload: () => setTurn((count) => count + 1) }
}

/** The JSON at a path; nothing while the path is undefined. */
export const useJson = <T>(path: string | undefined, everyMs?: number): Loaded<T> =>
  useLoaded(path === undefined ? undefined : (signal) => askJson<T>(path, { signal }), [path], everyMs)

/** Hears events of the node while the page is shown. */
export function useLive(
  channels: readonly EventChannel[],
  onEvent: (event: NodeEvent) => void,
): { readonly isLive: boolean; readonly reason: string | undefined } {
  const [state, setState] = useState<{ isLive: boolean; reason: string | undefined }>({
    isLive: false,
    reason: undefined,
  })
  const latest = useRef(onEvent)
  latest.current = onEvent
  useEffect(
    () =>
      listen({
        channels,
        onEvent: (event) => latest.current(event),
        onState: (isLive, reason) => setState({ isLive, reason }),
      }),
    [channels.join()],
  )
  return state
}
