import type { EventChannel, NodeEvent } from '../../protocol/events.ts'
import { onSessionKey, sessionKey } from './session-key.ts'

/** Milliseconds before a connection that broke is opened again; doubled with each failure. */
const PAUSE_MS = 500
const MAX_DOUBLINGS = 6
const PROTOCOL = 'cytoplex.events.v1'
const KEY_PROTOCOL = 'cytoplex.key.'

export interface LiveOptions {
  readonly channels: readonly EventChannel[]
  onEvent(event: NodeEvent): void
  /** Whether events arrive. `reason` in words where they do not. */
  onState(isLive: boolean, reason?: string): void
}

/**
 * Listens to the node's events over its WebSocket until the function that is returned is called. Channels that the key does not open are left
 * out. A connection that breaks is opened again; whoever keeps a state reads it anew when `onState` says so.
 */
export function listen({ channels, onEvent, onState }: LiveOptions): () => void {
  let socket: WebSocket | undefined
  let failures = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false

  const open = (): void => {
    const key = sessionKey()
    const protocols = key === undefined ? [PROTOCOL] : [PROTOCOL, KEY_PROTOCOL + base64Url(key)]
    const opened = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/subscribe`, protocols)
    socket = opened
    opened.addEventListener('message', ({ data }) => {
      if (socket !== opened || typeof data !== 'string') return
      const message = JSON.parse(data) as { type: string; channels?: readonly EventChannel[] } & NodeEvent
      if (message.type === ('welcome' as string)) {
        const allowed = channels.filter((channel) => message.channels?.includes(channel))
        if (allowed.length > 0) opened.send(JSON.stringify({ type: 'subscribe', channels: allowed }))
        else onState(false, 'these events need the administrator’s key')
      } else if (message.type === ('subscribed' as string)) {
        failures = 0
        onState(true)
      } else if ('data' in message) onEvent(message)
    })
    opened.addEventListener('close', ({ reason }) => {
      if (isOver || socket !== opened) return
      onState(false, reason === '' ? 'the connection for events is closed' : reason)
      timer = setTimeout(open, PAUSE_MS * 2 ** Math.min(failures++, MAX_DOUBLINGS))
    })
  }
  const again = (): void => {
    clearTimeout(timer)
    const old = socket
    socket = undefined
    old?.close()
    open()
  }
  const stop = onSessionKey(again)
  open()
  return () => {
    isOver = true
    stop()
    clearTimeout(timer)
    socket?.close()
  }
}

const base64Url = (text: string): string =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
