import { escapeControls } from '../kernel/telemetry/escape.ts'

/** What strangers wrote, before it is shown (SECURITY 19). */

/** Any text with control and bidirectional characters made visible. */
export const visible = (text: unknown): string => escapeControls(typeof text === 'string' ? text : String(text))

/** The same of a text in lines: line breaks and tabs stay. */
export const visibleLines = (text: string): string =>
  text
    .split(/(\r?\n|\t)/)
    .map((part) => (/^[\r\n\t]+$/.test(part) ? part : visible(part)))
    .join('')

/** The address of a link to elsewhere; undefined unless it is http or https and says nothing about who follows it. */
export function outsideLink(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return undefined
  return url.href
}
