import { type Command, Option } from 'commander'
import type { DeviceInfo, OptimizationPriority, Preferences, SecurityLevel } from '../../protocol/cells.ts'
import type { Cell } from '../client/index.ts'
import { networkFlag } from './cell-keys.ts'
import { explainNotFound } from './cell-not-found.ts'
import { publisherFlag, range } from './cell-options.ts'
import { bytesText, clientFor, downloadToFile, type NodeFlags } from './cell-transfer.ts'
import { anyNumber } from './number-flags.ts'
import { printJson, printLine, printTable, safe } from './output.ts'
import { outputFlag } from './output-file.ts'
import { targetOptions } from './target.ts'

interface RequestFlags extends NodeFlags {
  readonly range?: string
  readonly specific?: true
  readonly wait?: number
  readonly platform?: string
  readonly memoryGb?: number
  readonly cpuCores?: number
  readonly gpu?: true
  readonly optimize?: OptimizationPriority
  readonly security?: SecurityLevel
  readonly publisher?: readonly string[]
  readonly dependencies?: true
  readonly explain?: true
  readonly output?: string
  readonly force?: true
}

/** `cell request`: asks the federation, as an assembler does. */
export function registerRequest(cell: Command): void {
  targetOptions(
    networkFlag(
      cell
        .command('request')
        .description('ask the federation for a capability, and verify the answer')
        .argument('<capability>', 'what the cell should be able to do; with --specific a cell type')
        .option(
          '--range <range>',
          "npm semver range: the capability's version, with --specific the cell's",
          range('--range'),
        )
        .option('--specific', 'ask for a cell type')
        .option('--wait <seconds>', 'how long to wait (default: 5)', anyNumber('--wait', 0))
        .option('--platform <name>', 'platform of the device')
        .option('--memory-gb <n>', 'memory of the device', anyNumber('--memory-gb', 0))
        .option('--cpu-cores <n>', 'processor cores of the device', anyNumber('--cpu-cores', 0))
        .option('--gpu', 'the device has a GPU')
        .addOption(new Option('--optimize <for>', 'what matters most').choices(['memory', 'speed', 'battery']))
        .addOption(new Option('--security <level>', 'what is enough').choices(['standard', 'high', 'maximum']))
        .option('--publisher <id>', 'accept only cells of this publisher; repeat for more', publisherFlag)
        .option('--dependencies', 'find a cell for everything that it depends on, too')
        .option('--explain', 'tell of every candidate what became of it')
        .option('-o, --output <file>', 'download the package into this file', outputFlag)
        .option('--force', 'replace an existing file'),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ cytoplex cell request query-sql --range "^3.0.0" -o sql.wasm')
    .action(request)
}

async function request(name: string, flags: RequestFlags): Promise<void> {
  const client = clientFor(flags, { publishers: flags.publisher })
  const device = deviceOf(flags)
  const common = {
    version: flags.range,
    waitSeconds: flags.wait,
    ...(device === undefined ? {} : { context: { device_info: device } }),
    preferences: preferencesOf(flags),
  }
  const asked = flags.specific
    ? client.requestSpecific({ ...common, cellType: name })
    : client.request({ ...common, capability: name })
  const cell = await asked.catch(explainNotFound(name, flags.specific ? 'cell type' : 'capability'))
  const { output } = flags
  if (output !== undefined) await downloadToFile(client, cell, output, flags)
  if (flags.json) return printJson(output === undefined ? cell : { ...cell, file: output })
  show(cell)
  if (output !== undefined) printLine(`wrote ${safe(output)}, verified`)
}

function deviceOf({ platform, memoryGb, cpuCores, gpu }: RequestFlags): DeviceInfo | undefined {
  const device: DeviceInfo = {
    ...(platform === undefined ? {} : { platform }),
    ...(memoryGb === undefined ? {} : { memory_gb: memoryGb }),
    ...(cpuCores === undefined ? {} : { cpu_cores: cpuCores }),
    ...(gpu === undefined ? {} : { gpu_available: gpu }),
  }
  return Object.keys(device).length === 0 ? undefined : device
}

const preferencesOf = ({ optimize, security, dependencies, explain }: RequestFlags): Preferences => ({
  ...(optimize === undefined ? {} : { optimization_priority: optimize }),
  ...(security === undefined ? {} : { security_level: security }),
  ...(dependencies === undefined ? {} : { resolve_dependencies: true }),
  ...(explain === undefined ? {} : { explain: true }),
})

function show(cell: Cell): void {
  const { metadata, manifest } = cell
  const rows = {
    cell: cell.cell_id,
    offers: manifest.capabilities.map(({ name, version }) => `${name}@${version}`).join(', '),
    package: `${cell.packaging_format}, ${bytesText(cell.size_bytes)}, ${cell.digest}`,
    publisher: `${cell.publisher} (${cell.publisher_trust}, signed by the ${cell.signed_by})`,
    provider: metadata.provider,
    download: cell.download_url,
  }
  printLine(`${cell.cell_type} ${cell.version}, verified`)
  for (const [label, value] of Object.entries(rows)) printLine(`  ${label.padEnd(9)}  ${safe(value)}`)
  if (cell.lock !== undefined) {
    printLine(`\n${cell.lock.length === 0 ? 'depends on nothing' : 'depends on'}`)
    const columns = cell.lock.map((one) => [
      one.capability,
      one.capability_version,
      one.cell_type,
      one.version,
      one.digest,
    ])
    if (columns.length > 0) printTable(['CAPABILITY', 'VERSION', 'CELL TYPE', 'CELL VERSION', 'DIGEST'], columns)
  }
  if (cell.explanation !== undefined) {
    printLine('\nconsidered')
    printTable(
      ['CELL TYPE', 'VERSION', 'SOURCE', 'OUTCOME', 'REASON'],
      cell.explanation.map((one) => [one.cell_type, one.version, one.source, one.outcome, one.reason]),
    )
  }
}
