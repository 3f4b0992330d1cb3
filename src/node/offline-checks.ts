import { existsSync } from 'node:fs'
import { access, constants, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type DoctorCheck, type DoctorReport, DoctorStage } from '../../protocol/doctor.ts'
import { systemClock } from '../kernel/base/clock.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import { keyDirectoryState, openKeyDirectory } from '../kernel/identity/key-directory.ts'
import { checkDataDirectory } from '../kernel/storage/data-directory.ts'
import { writeFileDurably } from '../kernel/storage/durable-files.ts'
import { endpointOf } from '../network/addresses.ts'
import { listenAddresses } from '../network/listen-addresses.ts'
import { whyPortIsTaken } from '../network/port-state.ts'
import { failed, ok, skipped } from './flows/doctor-checks.ts'
import { checkOwnAddresses, checkSeeds } from './seeds.ts'

/** Major version of Node.js that the node needs. */
const NODE_MAJOR = 24

/**
 * What can be said of a node that does not run. `config` is a function, because reading the configuration may be what fails; `startCommand` is
 * how this node is started.
 */
export async function checkOffline(config: () => Config, startCommand: string): Promise<DoctorReport> {
  const checks: DoctorCheck[] = [runtime()]
  const loaded = readConfiguration(config)
  checks.push(loaded.check)
  if (loaded.config !== undefined) {
    checks.push(identity(loaded.config), await store(loaded.config))
    checks.push(await listening(loaded.config, startCommand))
  }
  for (const { const: stage } of DoctorStage.anyOf) {
    if (checks.some((check) => check.stage === stage)) continue
    checks.push(
      skipped(stage, loaded.config === undefined ? 'the configuration cannot be read' : 'the node does not run'),
    )
  }
  return { ok: checks.every(({ status }) => status !== 'failed'), checks }
}

function runtime(): DoctorCheck {
  const { node } = process.versions
  if (Number.parseInt(node, 10) >= NODE_MAJOR) return ok('runtime', `Node.js ${node}`)
  return failed('runtime', `Node.js ${node}`, `Install Node.js ${NODE_MAJOR} or newer`)
}

function readConfiguration(read: () => Config): { check: DoctorCheck; config?: Config } {
  try {
    const config = read()
    checkSeeds(config.p2p.seeds)
    checkOwnAddresses(config.p2p)
    return { check: ok('configuration', `network ${config.network.name}`), config }
  } catch (error) {
    const fix = 'Mend that value; cytoplex config show prints every key, and config/default.yaml explains it'
    return { check: failed('configuration', errorMessage(error), fix) }
  }
}

function identity({ key_dir, network }: Config): DoctorCheck {
  if (keyDirectoryState(key_dir) === 'absent') {
    return ok('identity', `${key_dir} holds no keys yet: the first start creates them`)
  }
  try {
    const keys = openKeyDirectory(key_dir, { network: network.name, allowCreate: false, clock: systemClock })
    return ok('identity', keys.providerId)
  } catch (error) {
    const reason = errorMessage(error)
    // Where a command mends it, the reason says so.
    return failed('identity', reason, /run: (.+)$/.exec(reason)?.[1] ?? `Restore ${key_dir} from its backup`)
  }
}

/** Whether the data directory belongs to the keys, and a file in it can be written, synced and removed. */
async function store({ data_dir, key_dir, network }: Config): Promise<DoctorCheck> {
  const fix = `Make ${data_dir} a directory on a local disk with free space, which this user may write`
  try {
    if (!existsSync(data_dir)) {
      await access(existingParent(data_dir), constants.W_OK)
      return ok('store', `${data_dir} does not exist yet: the first start creates it`)
    }
    const probe = join(data_dir, '.doctor')
    await writeFileDurably(probe, '', 0o600)
    await rm(probe)
  } catch (error) {
    return failed('store', `${data_dir} cannot be written: ${errorMessage(error)}`, fix)
  }
  try {
    const present = keyDirectoryState(key_dir) === 'present'
    if (present || existsSync(join(data_dir, 'cytoplex.json'))) {
      await checkDataDirectory(data_dir, network.name, { directory: key_dir, present })
    }
    return ok('store', `${data_dir} is written and synced`)
  } catch (error) {
    return failed('store', errorMessage(error), 'Name the data and key directories that belong together')
  }
}

function existingParent(path: string): string {
  const parent = dirname(path)
  return existsSync(parent) || parent === path ? parent : existingParent(parent)
}

async function listening({ http, p2p }: Config, startCommand: string): Promise<DoctorCheck> {
  const wanted = listenAddresses(p2p)
    .map(endpointOf)
    .filter((endpoint) => endpoint !== undefined)
  const taken: string[] = []
  for (const { host, port } of [...wanted, http]) {
    const why = await whyPortIsTaken(host, port)
    if (why !== undefined) taken.push(`${host.includes(':') ? `[${host}]` : host}:${port}: ${why}`)
  }
  if (taken.length === 0)
    return failed('listen', 'the node does not run; its ports are free', `Start it: ${startCommand}`)
  return failed(
    'listen',
    `the node does not run, and could not listen at ${taken.join('; ')}`,
    'If that is your node, name its --data-dir or --node; else end that program, or choose other ports: http.port, p2p.port or p2p.listen',
  )
}
