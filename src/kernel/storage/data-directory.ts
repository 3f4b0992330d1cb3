import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import { checkerOf } from '../base/checker.ts'
import { errorMessage, hasCode, StartError } from '../base/errors.ts'
import { makeDirectory } from '../base/make-directory.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import { writeFileDurably } from './durable-files.ts'
import { migrate } from './migrations.ts'
import { Store } from './store.ts'

/** `<data-dir>/cytoplex.json`: says whose data this is, so that a node never starts empty where data was. */
const Marker = Type.Object({
  format: Type.Literal(1),
  network: Type.String(),
  /** Null while the first start is under way. */
  provider_id: Type.Union([Type.String(), Type.Null()]),
})
type Marker = Static<typeof Marker>
const markerSchema = checkerOf(Marker)

/** What the caller knows of the key directory. */
export interface KeyState {
  readonly directory: string
  readonly present: boolean
}

/**
 * Checks that data and keys belong together before anything is created: `first` when neither exists (or a first start was
 * interrupted), `existing` when both do. Throws `StartError` when one is there without the other, or the data belongs to
 * another network.
 */
export async function checkDataDirectory(
  directory: string,
  network: string,
  keys: KeyState,
): Promise<'first' | 'existing'> {
  const marker = await readMarker(directory)
  if (marker === undefined) {
    const entries = await listDirectory(directory)
    if (entries.includes('store') || entries.includes('blobs')) {
      throw new StartError(`${directory} holds data but no cytoplex.json: restore that file from a backup`)
    }
    if (keys.present) {
      throw new StartError(
        `${keys.directory} holds a node's keys, but its data directory ${directory} is empty: restore the data, or choose another --key-dir for a new node`,
      )
    }
    try {
      makeDirectory(directory)
      await writeMarker(directory, { format: 1, network, provider_id: null })
    } catch (error) {
      throw new StartError(`${directory} cannot be used as data directory: ${errorMessage(error)}`)
    }
    return 'first'
  }
  if (marker.network !== network) {
    throw new StartError(
      `${directory} belongs to the network "${marker.network}", not "${network}": choose another --data-dir, or set network.name`,
    )
  }
  if (marker.provider_id === null) return 'first'
  if (!keys.present) {
    throw new StartError(
      `${directory} is the data of ${marker.provider_id}, but its keys are not in ${keys.directory}: restore them, or name their --key-dir`,
    )
  }
  return 'existing'
}

/** Opens the database of a directory that `checkDataDirectory` accepted. */
export async function openDataDirectory(directory: string, network: string, providerId: string): Promise<Store> {
  const marker = await readMarker(directory)
  const first = marker?.provider_id === null
  if (!first && marker?.provider_id !== providerId) {
    throw new StartError(
      `${directory} is the data of ${marker?.provider_id}, but the keys are those of ${providerId}: name the --key-dir that belongs to it`,
    )
  }
  const storeDirectory = join(directory, 'store')
  if (!first && !existsSync(join(storeDirectory, 'CURRENT'))) {
    throw new StartError(`${storeDirectory} is missing or damaged (no CURRENT file): restore it from a backup`)
  }
  const store = await Store.open(storeDirectory, { createIfMissing: first })
  try {
    await migrate(store)
    if (first) await writeMarker(directory, { format: 1, network, provider_id: providerId })
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Says whose data a directory holds that was filled otherwise than by a first start. From then on it can be opened. */
export const writeDataMarker = (directory: string, network: string, providerId: string): Promise<void> =>
  writeMarker(directory, { format: 1, network, provider_id: providerId })

/** Whose data a directory holds; undefined where it holds none. Throws `StartError`. */
export async function dataOwner(
  directory: string,
): Promise<{ readonly network: string; readonly providerId: string } | undefined> {
  const marker = await readMarker(directory)
  return marker?.provider_id == null ? undefined : { network: marker.network, providerId: marker.provider_id }
}

async function readMarker(directory: string): Promise<Marker | undefined> {
  const path = join(directory, 'cytoplex.json')
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    if (hasCode(error, 'ENOTDIR')) throw new StartError(`${directory} is a file, not a directory`)
    throw new StartError(`${path} cannot be read: ${errorMessage(error)}`)
  }
  let marker: unknown
  try {
    marker = parseStrictJson(bytes)
  } catch (error) {
    throw new StartError(`${path} is damaged: ${errorMessage(error)}`)
  }
  if (!markerSchema.Check(marker)) throw new StartError(`${path} is damaged, or was written by a newer program`)
  return marker
}

const writeMarker = (directory: string, marker: Marker): Promise<void> =>
  writeFileDurably(join(directory, 'cytoplex.json'), `${JSON.stringify(marker)}\n`, 0o600)

async function listDirectory(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw new StartError(`${directory} cannot be used as data directory: ${errorMessage(error)}`)
  }
}
