import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { type DoctorCheck, DoctorReport } from '../../protocol/doctor.ts'
import { loadConfig } from '../kernel/config/load.ts'
import { CliError, codeOf, EXIT } from './exit-codes.ts'
import { paint, printJson, printLine, safe } from './output.ts'
import { resolveTarget, type TargetOptions, targetOptions } from './target.ts'

interface DoctorOptions extends TargetOptions {
  config?: string
  keyDir?: string
  json?: boolean
}

/** Milliseconds for the node's answer: it waits for its peers, and they for it. */
const ANSWER_MS = 60_000

/** `cytoplex doctor`: what is wrong with a node, and what to do about it. */
export function registerDoctor(program: Command): void {
  targetOptions(program.command('doctor').description('find out why a node does not work, or cannot be reached'))
    .option('--config <file>', 'configuration file of the node, for when it does not run (CYTOPLEX_CONFIG)')
    .option('--key-dir <dir>', 'key directory, likewise (default: the data directory with .keys appended)')
    .addHelpText(
      'after',
      `
Lets peers of the node connect to it, look for one of its cells and fetch it, and does the same with theirs. Of a node that does not run,
it checks what it can: configuration, keys, data directory, ports. Exits with 1 when a stage failed. Needs the key of the administrator.

Example:
  $ cytoplex doctor --data-dir ~/.local/share/cytoplex`,
    )
    .action(doctor)
}

async function doctor(options: DoctorOptions): Promise<void> {
  const report = (await askRunning(options)) ?? (await checkStopped(options))
  if (options.json) printJson(report)
  else printReport(report)
  if (report.ok) return
  const stages = report.checks.filter(({ status }) => status === 'failed').map(({ stage }) => words(stage))
  throw new CliError(`failed: ${stages.join(', ')}`, EXIT.failure, 'UNHEALTHY')
}

/** What the node itself finds. Undefined when it does not run on this machine. Throws when another node than one here was meant. */
async function askRunning(options: DoctorOptions): Promise<DoctorReport | undefined> {
  const isHere = !options.node && !process.env.CYTOPLEX_URL
  try {
    const { url, apiKey } = resolveTarget({ ...options, dataDir: options.dataDir ?? configuredDataDir(options) })
    const { createClient } = await import('../client/index.ts')
    const client = createClient({ nodes: url, apiKey, timeoutMs: ANSWER_MS, retries: 0 })
    const answer = await client.send('POST', '/api/v1/doctor')
    if (Check(DoctorReport, answer)) return answer
    throw new CliError(`${url} answered, but not as a Cytoplex node does`, EXIT.failure, 'BAD_ANSWER')
  } catch (error) {
    if (isHere && codeOf(error) === 'UNREACHABLE') return undefined
    throw error
  }
}

const load = ({ config: file, dataDir, keyDir }: DoctorOptions) =>
  loadConfig({ file, env: process.env, flags: { data_dir: dataDir, key_dir: keyDir } }).config

/** The data directory that a configuration file names. A file that cannot be read is a finding for later. */
function configuredDataDir(options: DoctorOptions): string | undefined {
  if (!options.config && !process.env.CYTOPLEX_CONFIG) return undefined
  try {
    return load(options).data_dir
  } catch {
    return undefined
  }
}

async function checkStopped(options: DoctorOptions): Promise<DoctorReport> {
  const { checkOffline } = await import('../node/offline-checks.ts')
  const flags = [
    ...(options.config ? ['--config', options.config] : []),
    ...(options.dataDir ? ['--data-dir', options.dataDir] : []),
    ...(options.keyDir ? ['--key-dir', options.keyDir] : []),
  ]
  return checkOffline(() => load(options), ['cytoplex start', ...flags].join(' '))
}

const words = (stage: string): string => stage.replaceAll('_', ' ')

const STYLES: Readonly<Record<DoctorCheck['status'], 'green' | 'red' | 'dim'>> = {
  ok: 'green',
  failed: 'red',
  skipped: 'dim',
}

const STATUS_WIDTH = 'skipped'.length
const STAGE_WIDTH = 'configuration'.length

function printReport({ ok, checks }: DoctorReport): void {
  for (const group of grouped(checks)) {
    const [{ stage, status, detail, fix }] = group
    const stages = group.map((check) => words(check.stage)).join(', ')
    const what =
      group.length === 1 ? `${words(stage).padEnd(STAGE_WIDTH)}  ${safe(detail)}` : `${stages}: ${safe(detail)}`
    printLine(`${paint(STYLES[status], status.padEnd(STATUS_WIDTH))}  ${what}`)
    if (fix !== null) printLine(`${' '.repeat(STATUS_WIDTH + STAGE_WIDTH + 4)}${paint('bold', 'to do:')} ${safe(fix)}`)
  }
  if (!ok) return
  const skipped = checks.filter(({ status }) => status === 'skipped').length
  printLine()
  printLine(skipped === 0 ? 'Everything works.' : `Nothing failed; ${skipped} of ${checks.length} stages were skipped.`)
}

/** Neighbours that were skipped for one reason share a line. */
function grouped(checks: readonly DoctorCheck[]): [DoctorCheck, ...DoctorCheck[]][] {
  const groups: [DoctorCheck, ...DoctorCheck[]][] = []
  for (const check of checks) {
    const last = groups.at(-1)
    if (check.status === 'skipped' && last?.[0].status === 'skipped' && last[0].detail === check.detail)
      last.push(check)
    else groups.push([check])
  }
  return groups
}
