import type { Command } from 'commander'
import { loadConfig } from '../kernel/config/load.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { StoppedNode } from '../node/upkeep/stopped-node.ts'
import { codeOf } from './exit-codes.ts'
import { resolveTarget, type Target, type TargetOptions, targetOptions } from './target.ts'

/** Flags of verbs that work on a node's data, whether the node runs or not. */
export interface UpkeepOptions extends TargetOptions {
  readonly config?: string
  readonly keyDir?: string
  readonly json?: boolean
}

/** Adds their flags to a verb. */
export const upkeepOptions = (command: Command): Command =>
  targetOptions(command)
    .option('--config <file>', 'configuration file of the node, for when it does not run (CYTOPLEX_CONFIG)')
    .option('--key-dir <dir>', 'key directory, likewise (default: the data directory with .keys appended)')

/** The configuration that a node would start with. */
export const configOf = ({ config: file, dataDir, keyDir }: UpkeepOptions): Config =>
  loadConfig({ file, env: process.env, flags: { data_dir: dataDir, key_dir: keyDir } }).config

/**
 * Works on the node that runs, and otherwise on the data of the one that does not, where it is on this machine. Throws what the work throws, and
 * `UNREACHABLE` for a node elsewhere.
 */
export async function onNodeOrData<Result>(
  options: UpkeepOptions,
  running: (target: Target) => Promise<Result>,
  stopped: (node: StoppedNode) => Promise<Result>,
): Promise<Result> {
  const isHere = !options.node && !process.env.CYTOPLEX_URL
  try {
    const isConfigured = options.config !== undefined || process.env.CYTOPLEX_CONFIG !== undefined
    const dataDir = options.dataDir ?? (isConfigured ? configOf(options).data_dir : undefined)
    return await running(resolveTarget({ ...options, dataDir }))
  } catch (error) {
    if (!isHere || codeOf(error) !== 'UNREACHABLE') throw error
  }
  const { openStoppedNode } = await import('../node/upkeep/stopped-node.ts')
  const node = await openStoppedNode(configOf(options))
  try {
    return await stopped(node)
  } finally {
    await node.close()
  }
}
