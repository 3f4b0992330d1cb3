import { format } from 'node:util'
import type { ComponentLogger, Logger as Libp2pLogger } from '@libp2p/interface'
import type { Logger } from '../kernel/telemetry/logger.ts'

const silent = (): void => undefined

/**
 * Gives libp2p's log lines to the node's logger: its messages at `trace`, its errors at `debug`, because most of them are peers that went
 * away. Lines that nobody would see cost one empty call.
 */
export function componentLogger(logger: Logger): ComponentLogger {
  const trace = logger.isLevelEnabled('trace')
  const debug = logger.isLevelEnabled('debug')
  const forComponent = (component: string): Libp2pLogger => {
    const write =
      (level: 'trace' | 'debug') =>
      (formatter: unknown, ...args: unknown[]) => {
        logger[level]({ component }, render(formatter, args))
      }
    const log = trace ? write('trace') : silent
    return Object.assign((formatter: unknown, ...args: unknown[]) => log(formatter, ...args), {
      error: debug ? write('debug') : silent,
      trace: log,
      enabled: trace,
      newScope: (name: string) => forComponent(`${component}:${name}`),
    })
  }
  return { forComponent }
}

/** libp2p's own placeholders (`%p` peer id, `%a` multiaddr, `%b` bytes, `%e` error, …) become plain strings. */
function render(formatter: unknown, args: readonly unknown[]): string {
  if (typeof formatter !== 'string') return format(formatter, ...args)
  return format(formatter.replace(/%[peabtk]/g, '%s'), ...args.map((arg) => (arg instanceof Error ? arg.message : arg)))
}
