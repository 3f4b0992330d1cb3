import { StartError } from '../base/errors.ts'
import { KEYSPACES, textKeyspace } from './keyspaces.ts'
import type { Store, StoreSnapshot } from './store.ts'

/** A step from the schema before to `version`. It must be safe to run again after a crash in its middle. */
export interface Migration {
  readonly version: number
  readonly name: string
  run(store: Store): Promise<void>
}

/** Steps in order. Version 1 is the first release: an empty store is one. */
export const MIGRATIONS: readonly Migration[] = []

const FIRST_VERSION = 1
const meta = textKeyspace(KEYSPACES.meta)
const VERSION_KEY = 'schema_version'

/**
 * Brings the store to the newest schema and returns its version. Throws `StartError` when the store was written by a newer
 * program: there is no way back but a backup.
 */
export async function migrate(store: Store, migrations: readonly Migration[] = MIGRATIONS): Promise<number> {
  const newest = migrations.at(-1)?.version ?? FIRST_VERSION
  const stored = store.get(meta, VERSION_KEY)
  if (stored === undefined) {
    await setVersion(store, newest)
    return newest
  }
  const current = Number(stored)
  if (!Number.isSafeInteger(current) || current < FIRST_VERSION) {
    throw new StartError(`the store has the schema version "${stored}", which no release wrote`)
  }
  if (current > newest) {
    throw new StartError(
      `the store has schema version ${current}, this program knows versions up to ${newest}: start it with the newer program, or restore a backup`,
    )
  }
  for (const migration of migrations) {
    if (migration.version <= current) continue
    await migration.run(store)
    await setVersion(store, migration.version)
  }
  return newest
}

/** The schema version of a store, as it is or was at one moment. */
export const schemaVersion = (reader: Pick<StoreSnapshot, 'get'>): number =>
  Number(reader.get(meta, VERSION_KEY) ?? FIRST_VERSION)

/** The newest schema version that this program knows. */
export const newestSchema = (): number => MIGRATIONS.at(-1)?.version ?? FIRST_VERSION

const setVersion = (store: Store, version: number): Promise<void> =>
  store.transact((tx) => tx.put(meta, VERSION_KEY, String(version)))
