import { Argument, type Command } from 'commander'
import { Check } from 'typebox/value'
import { EVENT_CHANNELS, type EventChannel, EventCursor } from '../../protocol/events.ts'
import type { EventItem } from '../client/index.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { wholeNumber } from './number-flags.ts'
import { paint, printLine, safe } from './output.ts'
import { resolveTarget, type TargetOptions, targetOptions } from './target.ts'

interface EventsOptions extends TargetOptions {
  json?: boolean
  goal?: string
  since?: string
  limit?: number
}

/** The last moment that has a date. */
const LAST_MS = 8.64e15
const CHANNELS = Object.keys(EVENT_CHANNELS) as EventChannel[]
/** Those that everybody who may read may listen to; numbers every two seconds only for who asks for them. */
const PUBLIC = CHANNELS.filter((channel) => EVENT_CHANNELS[channel].access === 'reader' && channel !== 'traffic')

/** `cytoplex events`: what happens at a node, as it happens. */
export function registerEvents(program: Command): void {
  targetOptions(program.command('events').description('follow what happens at a node'))
    .addArgument(new Argument('[channel...]', 'what to hear of').choices(CHANNELS).default(PUBLIC, PUBLIC.join(' ')))
    .option('--goal <id>', 'only events of this goal')
    .option('--since <cursor>', 'begin with what happened after the event with this cursor')
    .option('--limit <count>', 'end after so many events', wholeNumber('--limit', 1))
    .addHelpText(
      'after',
      `
Goes on until it is interrupted, also when the node restarts. With --json each event is one line. The channels peers and sync need the key
of the administrator.

Examples:
  $ cytoplex events contributions leaderboard --goal my-goal
  $ cytoplex events peers --json --limit 1`,
    )
    .action(events)
}

async function events(channels: EventChannel[], options: EventsOptions): Promise<void> {
  const { goal: goalId, since, limit = Number.POSITIVE_INFINITY } = options
  if (since !== undefined && !Check(EventCursor, since)) {
    const allowed = 'a cursor as cytoplex events --json shows it'
    throw new CliError(`--since: found ${JSON.stringify(since)}, allowed is ${allowed}`, EXIT.usage)
  }
  const { url, apiKey } = resolveTarget(options)
  const { createClient } = await import('../client/index.ts')
  let count = 0
  for await (const item of createClient({ nodes: url, apiKey }).subscribe({ channels, goalId, since })) {
    printLine(options.json ? safe(JSON.stringify(item)) : described(item))
    if (item.type !== 'gap' && ++count >= limit) return
  }
}

function described(item: EventItem): string {
  if (item.type === 'gap') return paint('yellow', `Events may be missing here (${item.reason}).`)
  const { type, goal_id, data, timestamp } = item
  const goal = goal_id === undefined ? '' : ` ${goal_id}`
  return safe(`${new Date(Math.min(timestamp, LAST_MS)).toISOString()} ${type}${goal} ${JSON.stringify(data)}`)
}
