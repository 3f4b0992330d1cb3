import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { ProviderHealth } from '../../protocol/discovery.ts'
import { EVENT_CHANNELS, type EventChannel } from '../../protocol/events.ts'
import { NodeStatus } from '../../protocol/node-info.ts'
import { PeerList } from '../../protocol/peers.ts'
import type { Client } from '../client/index.ts'
import { interruptible } from './cell-transfer.ts'
import { CliError, codeOf, EXIT, exitCodeOf } from './exit-codes.ts'
import { wholeNumber } from './number-flags.ts'
import { paint, printJson, printLine } from './output.ts'
import { resolveTarget, type TargetOptions, targetOptions } from './target.ts'
import { type FrameLine, metricSums, type Tone, type TopSample, topFrame } from './top-frame.ts'

interface TopFlags extends TargetOptions {
  readonly once?: boolean
  readonly interval: number
  readonly json?: boolean
}

const STYLES: Readonly<Record<Tone, Parameters<typeof paint>[0] | undefined>> = {
  plain: undefined,
  title: 'bold',
  good: 'green',
  fair: 'yellow',
  bad: 'red',
  dim: 'dim',
}
/** Columns and rows of what is no terminal. */
const USUAL = { width: 80, height: 40 }
/** Events that are remembered: more than are shown. */
const MAX_EVENTS = 20
/** Those that everybody who may read may listen to. */
const PUBLIC = (Object.keys(EVENT_CHANNELS) as EventChannel[]).filter(
  (channel) => EVENT_CHANNELS[channel].access === 'reader',
)
/** Another screen without cursor, and back; the place where a picture begins, and what clears what is left of the one before. */
const OPEN = '\x1b[?1049h\x1b[?25l'
const CLOSE = '\x1b[?25h\x1b[?1049l'
const [HOME, CLEAR_LINE, CLEAR_BELOW] = ['\x1b[H', '\x1b[K', '\x1b[J']

/** `cytoplex top`: how a node is doing, live. */
export function registerTop(program: Command): void {
  targetOptions(program.command('top').description('watch how a node is doing'))
    .option('--once', 'print it once, for scripts')
    .option('--interval <seconds>', 'how often it is asked', wholeNumber('--interval', 1), 2)
    .addHelpText(
      'after',
      `
Goes on until it is interrupted (Ctrl-C). Peers are shown with the key of the administrator.

Examples:
  $ cytoplex top
  $ cytoplex top --once`,
    )
    .action(top)
}

async function top(flags: TopFlags): Promise<void> {
  const { url, apiKey } = resolveTarget(flags)
  const { createClient } = await import('../client/index.ts')
  const client = createClient({ nodes: url, apiKey })
  if (flags.once || flags.json || !process.stdout.isTTY) {
    const now = await sample(client, url, [])
    if (flags.json) printJson({ ...now, metrics: Object.fromEntries(now.metrics) })
    else for (const line of topFrame(now, undefined, USUAL)) printLine(coloured(line))
    return
  }
  process.stdout.write(OPEN)
  try {
    await interruptible((signal) => watch(client, url, flags.interval * 1000, signal))
  } catch (error) {
    if (codeOf(error) !== 'INTERRUPTED') throw error
  } finally {
    process.stdout.write(CLOSE)
  }
}

async function watch(client: Client, url: string, pauseMs: number, signal: AbortSignal): Promise<void> {
  const events: string[] = []
  const hearing = hear(client, events, signal)
  let before: TopSample | undefined
  try {
    while (!signal.aborted) {
      const now = await sample(client, url, events)
      const { columns: width = USUAL.width, rows = USUAL.height } = process.stdout
      const lines = topFrame(now, before, { width, height: rows - 1 })
      process.stdout.write(`${HOME}${lines.map((line) => `${coloured(line)}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`)
      before = now
      await pause(pauseMs, signal)
    }
    signal.throwIfAborted()
  } finally {
    await hearing
  }
}

/** Notes what happens. A node that tells nobody is watched without. */
async function hear(client: Client, events: string[], signal: AbortSignal): Promise<void> {
  try {
    for await (const item of client.subscribe({ channels: PUBLIC, signal })) {
      if (item.type === 'gap') continue
      events.push(`${new Date(item.timestamp).toISOString().slice(11, 19)} ${item.type} ${JSON.stringify(item.data)}`)
      if (events.length > MAX_EVENTS) events.shift()
    }
  } catch {
    // The node answers, or the picture says that it does not.
  }
}

async function sample(client: Client, url: string, events: readonly string[]): Promise<TopSample> {
  const [readiness, health, status, metrics, peers] = await Promise.all([
    client.get('/ready').then(String, unready),
    client.get('/api/v1/discovery/health'),
    client.get('/status'),
    client.get('/metrics'),
    client.get('/peers').catch(unauthorised),
  ])
  if (!Check(ProviderHealth, health) || !Check(NodeStatus, status)) {
    throw new CliError(`${url} answered, but not as a Cytoplex node does`, EXIT.failure, 'BAD_ANSWER')
  }
  return {
    url,
    at: performance.now(),
    readiness,
    health,
    status,
    peers: Check(PeerList, peers) ? peers : undefined,
    metrics: metricSums(String(metrics)),
    events: [...events],
  }
}

function unready(error: unknown): string {
  if (error instanceof Error && 'status' in error && error.status === 503) return error.message
  throw error
}

function unauthorised(error: unknown): undefined {
  if (exitCodeOf(error) === EXIT.unauthorised) return undefined
  throw error
}

function coloured({ tone, text }: FrameLine): string {
  const style = STYLES[tone]
  return style === undefined ? text : paint(style, text)
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
