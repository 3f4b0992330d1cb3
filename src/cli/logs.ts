import type { Command } from 'commander'
import { interruptible } from './cell-transfer.ts'
import { CliError, codeOf, EXIT } from './exit-codes.ts'
import { textLines } from './json-lines.ts'
import { wholeNumber } from './number-flags.ts'
import { paint, printLine, safe } from './output.ts'
import { resolveTarget, type TargetOptions, targetOptions } from './target.ts'

interface LogsFlags extends TargetOptions {
  readonly follow?: boolean
  readonly lines: number
  readonly level?: string
  readonly json?: boolean
}

/** From the least severe on. */
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']
const STYLES: Readonly<Record<string, 'yellow' | 'red' | 'dim'>> = {
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
  debug: 'dim',
  trace: 'dim',
}

/** `cytoplex logs`: what a node says. */
export function registerLogs(program: Command): void {
  targetOptions(program.command('logs').description('show what a node logged last'))
    .option('-f, --follow', 'go on with what it logs from now on')
    .option('-n, --lines <count>', 'how many of the newest lines', wholeNumber('--lines'), 50)
    .option('--level <level>', 'only lines that are at least so severe: trace, debug, info, warn, error or fatal')
    .addHelpText(
      'after',
      `
The node keeps its newest lines in memory, as severe as log.level says; older ones are where its standard error goes (journalctl -u cytoplex).
With --json each line is as the node wrote it. Needs the key of the administrator.

Example:
  $ cytoplex logs --follow --level warn`,
    )
    .action(logs)
}

async function logs(flags: LogsFlags): Promise<void> {
  const { follow = false, lines, level } = flags
  const least = level === undefined ? 0 : LEVELS.indexOf(level)
  if (least === -1)
    throw new CliError(`--level: found ${JSON.stringify(level)}, allowed are ${LEVELS.join(', ')}`, EXIT.usage)
  const { url, apiKey } = resolveTarget(flags)
  const { openStream } = await import('../client/open-stream.ts')
  try {
    await interruptible(async (signal) => {
      const path = `/api/v1/logs?limit=${lines}&follow=${follow}`
      for await (const text of textLines(await openStream({ url, apiKey }, { path }, signal))) {
        const line = parsed(text)
        if (LEVELS.indexOf(String(line.level)) < least) continue
        printLine(flags.json ? safe(text) : described(line))
      }
    })
  } catch (error) {
    // Whoever follows has seen enough.
    if (!follow || codeOf(error) !== 'INTERRUPTED') throw error
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null ? (line as Record<string, unknown>) : { msg: text }
  } catch {
    return { msg: text }
  }
}

function described({ level, time, msg, ...fields }: Record<string, unknown>): string {
  const name = String(level ?? '').padEnd(5)
  const more = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`
  const style = STYLES[String(level)]
  return `${safe(String(time ?? ''))} ${style === undefined ? safe(name) : paint(style, safe(name))} ${safe(String(msg ?? '') + more)}`
}
