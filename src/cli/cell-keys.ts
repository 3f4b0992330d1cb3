import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { errorMessage } from '../kernel/base/errors.ts'
import { makeDirectory } from '../kernel/base/make-directory.ts'
import {
  createPublisherKeys,
  loadPublisherKeyFile,
  type PublisherKeys,
  publisherKeys,
  savePublisherKeyFile,
} from '../kernel/identity/manifest-signer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { safe } from './output.ts'

/** Flags that say who signs. */
export interface KeyFlags {
  readonly key?: string
  readonly hybrid?: true
  readonly network: string
}

const DEFAULT_NETWORK = 'main'

/** Adds `--network`, whose signatures are made or accepted. */
export function networkFlag(command: Command): Command {
  return command.option(
    '--network <name>',
    'network of the signatures (CYTOPLEX_NETWORK_NAME)',
    process.env.CYTOPLEX_NETWORK_NAME || DEFAULT_NETWORK,
  )
}

/** Adds `--key`, `--hybrid` and `--network`. */
export function keyFlags(command: Command): Command {
  return networkFlag(
    command
      .option('--key <file>', 'publisher key, created when there is none (default: ~/.config/cytoplex/publisher.json)')
      .option('--hybrid', 'create a key that signs with Ed25519 and ML-DSA-65, which security level maximum asks for'),
  )
}

/** Loads the publisher's keys, or creates them and says so on stderr. Throws `StartError` and `CliError`. */
export function openPublisherKeys({ key, hybrid }: KeyFlags): PublisherKeys {
  const path = key ?? keyFileNamed('publisher.json')
  if (!existsSync(path)) {
    makeKeyFolder(path)
    savePublisherKeyFile(path, createPublisherKeys({ kind: 'publisher', hybrid: hybrid === true }))
    process.stderr.write(`created the publisher key ${safe(path)}; keep a copy, it cannot be made again\n`)
  }
  const keys = publisherKeys(loadPublisherKeyFile(path))
  if (hybrid && !keys.record.required_algorithms.includes('ml-dsa-65')) {
    throw new CliError(`${path} is no hybrid key; --key names another file to create one in`, EXIT.usage)
  }
  return keys
}

/** Makes the folder of a key file. Throws `CliError`. */
export function makeKeyFolder(path: string): void {
  try {
    makeDirectory(dirname(resolve(path)))
  } catch (error) {
    throw new CliError(`${path} cannot be created: ${errorMessage(error)}`, EXIT.failure)
  }
}

/** Where a key file is, where no flag says so. */
export const keyFileNamed = (name: string): string =>
  join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'cytoplex', name)
