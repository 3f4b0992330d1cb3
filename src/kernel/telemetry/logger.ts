import type { Logger as PinoLogger } from 'pino'
import pino from 'pino'
import pretty from 'pino-pretty'
import { escapeControls } from './escape.ts'

/** A pino logger: `logger.info({ fields }, 'message')`, `logger.child({ part: 'gossip' })`. */
export type Logger = PinoLogger

/** Where log lines go: one call per line, each ending with a line feed. */
export interface LogDestination {
  write(line: string): unknown
}

/** Options of {@link createLogger}. */
export interface LoggerOptions {
  /** The least severe level that is written: trace, debug, info, warn, error, fatal, or silent. */
  readonly level: string
  /** Lines for people instead of JSON. Default: whether stderr is a terminal. */
  readonly pretty?: boolean
  /** Default: stderr, written synchronously, so that nothing is lost when the process ends. */
  readonly destination?: LogDestination
  /** Gets every line too, as JSON. */
  readonly also?: LogDestination
}

const SECRET_NAMES = [
  'apiKey',
  'api_key',
  'adminKey',
  'admin_key',
  'authorization',
  'Authorization',
  'x-api-key',
  'X-API-Key',
]

/** Secrets are redacted by the name of their field, at the top and up to two levels down (`req.headers.authorization`). */
const SECRET_PATHS = SECRET_NAMES.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`])

/** Makes a logger that writes one JSON object per line (`level`, `time` in ISO 8601, `msg`, fields), or pretty lines for a terminal. */
export function createLogger(options: LoggerOptions): Logger {
  const destination = options.destination ?? pino.destination({ fd: 2, sync: true })
  const usePretty = options.pretty ?? process.stderr.isTTY === true
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_PATHS, censor: '••••' },
    },
    both(usePretty ? prettyDestination(destination) : escapedDestination(destination), options.also),
  )
}

function both(first: LogDestination, second: LogDestination | undefined): LogDestination {
  if (second === undefined) return first
  return {
    write(line) {
      first.write(line)
      second.write(line)
    },
  }
}

/** JSON escapes less than a terminal acts upon, and people look at logs in terminals. The lines stay the same JSON. */
const escapedDestination = (destination: LogDestination): LogDestination => ({
  write: (line) => destination.write(`${escapeControls(line.slice(0, -1))}\n`),
})

/** Renders each line for people. Strings are escaped before they are rendered, so that only the renderer's own colours reach the terminal. */
function prettyDestination(destination: LogDestination): LogDestination {
  const colorize = process.stderr.isTTY === true && !process.env.NO_COLOR
  const render = pretty.prettyFactory({
    colorize,
    ignore: 'hostname,pid',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  return {
    write(line) {
      const rendered = render(escapeStrings(JSON.parse(line), ''))
      if (rendered !== undefined) destination.write(rendered)
    },
  }
}

/** Stacks keep their line feeds: the renderer indents them. */
function escapeStrings(value: unknown, name: string): unknown {
  if (typeof value === 'string') {
    return name === 'stack' ? value.split('\n').map(escapeControls).join('\n') : escapeControls(value)
  }
  if (Array.isArray(value)) return value.map((item) => escapeStrings(item, ''))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [escapeControls(key), escapeStrings(item, key)]))
}
