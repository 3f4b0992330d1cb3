import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import type { FsckFinding } from '../../../protocol/upkeep.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import { systemClock } from '../../kernel/base/clock.ts'
import { errorMessage, hasCode, StartError } from '../../kernel/base/errors.ts'
import { makeDirectory } from '../../kernel/base/make-directory.ts'
import { keyDirectoryState, openKeyDirectory } from '../../kernel/identity/key-directory.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { openCertifiedNote } from '../../kernel/log/certified-checkpoint.ts'
import { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { writeDataMarker } from '../../kernel/storage/data-directory.ts'
import { newestSchema } from '../../kernel/storage/migrations.ts'
import { Store } from '../../kernel/storage/store.ts'
import { createFileBlobStore } from '../../providers/blob-stores/file.ts'
import { markRestored } from '../flows/log-marks.ts'
import {
  BACKUP_FILE,
  BackupManifest,
  BackupOwner,
  backupIds,
  copyVerified,
  fileBytes,
  KEYS_FILE,
  listedPackages,
  MANIFEST_FILE,
  packagePath,
  readBackupJson,
  readVerified,
  STORE_FILE,
  WrongDigest,
} from './backup-files.ts'
import { fsck } from './fsck.ts'
import { readSnapshot } from './read-snapshot.ts'
import { openSealedKeys, placeKeys } from './sealed-keys.ts'

export interface RestoreOptions {
  readonly folder: string
  /** Id of a backup; the newest unless given. */
  readonly id?: string | undefined
  readonly dataDir: string
  readonly keyDir: string
  /** Asked for the passphrase of the keys, where the backup has them and `keyDir` has none. */
  readonly passphrase: () => Promise<string>
  readonly signal: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

export interface RestoreDone {
  readonly manifest: BackupManifest
  /** Whether the keys are those of the backup, those that were in the directory, or still missing. */
  readonly keys: 'restored' | 'present' | 'missing'
  /** What the backup itself brought that does not hold, such as packages that the node had lost before. */
  readonly findings: readonly FsckFinding[]
}

/**
 * Makes a data directory of a backup. Everything is verified before it counts: the file that says whose data it is comes last, and what fails
 * before that is removed again. Throws `StartError` for a directory that is not empty, keys of another node, and a backup that is not whole.
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreDone> {
  const { folder, dataDir, keyDir } = options
  const { provider_id: owner } = await readBackupJson(join(folder, BACKUP_FILE), BackupOwner)
  const at = join(folder, 'snapshots', await chosenId(folder, options.id))
  const manifest = await readBackupJson(join(at, MANIFEST_FILE), BackupManifest)
  if (manifest.provider_id !== owner) throw new StartError(`${at} is the backup of another node than ${owner}`)
  if (manifest.schema_version > newestSchema()) {
    throw new StartError(
      `the backup has schema version ${manifest.schema_version}, this program knows versions up to ${newestSchema()}: restore it with cytoplex ${manifest.software_version} or newer`,
    )
  }
  await checkEmpty(dataDir)
  checkKeys(options, manifest)
  const sealed = manifest.files[KEYS_FILE] === undefined ? undefined : await readSealed(at, manifest)
  const isKeyed = keyDirectoryState(keyDir) === 'present'
  const keys = isKeyed || sealed === undefined ? undefined : openSealedKeys(sealed, await options.passphrase())
  try {
    makeDirectory(dataDir)
    const findings = await fill(options, manifest, at)
    if (keys !== undefined) {
      placeKeys(keyDir, keys)
      checkKeys(options, manifest)
    }
    await writeDataMarker(dataDir, manifest.network, manifest.provider_id)
    return { manifest, keys: keys !== undefined ? 'restored' : isKeyed ? 'present' : 'missing', findings }
  } catch (error) {
    await Promise.all(
      ['store', 'blobs', 'cytoplex.json'].map((name) => rm(join(dataDir, name), { recursive: true, force: true })),
    )
    throw error
  }
}

async function chosenId(folder: string, wanted: string | undefined): Promise<string> {
  const ids = await backupIds(folder)
  const id = wanted ?? ids.at(-1)
  if (id === undefined) throw new StartError(`${folder} holds no whole backup`)
  if (!ids.includes(id))
    throw new StartError(`${folder} has no backup ${id}; it has ${ids.slice(-10).join(', ') || 'none'}`)
  return id
}

async function checkEmpty(dataDir: string): Promise<void> {
  let entries: string[]
  try {
    entries = await readdir(dataDir)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw new StartError(`${dataDir} cannot be used as data directory: ${errorMessage(error)}`)
  }
  if (entries.length === 0) return
  throw new StartError(`${dataDir} is not empty: move what is in it away, or name another --data-dir`)
}

/** Keys that are there must be those of the node whose backup it is. */
function checkKeys({ keyDir }: RestoreOptions, { network, provider_id }: BackupManifest): void {
  if (keyDirectoryState(keyDir) === 'absent') return
  const { providerId } = openKeyDirectory(keyDir, { network, allowCreate: false, clock: systemClock })
  if (providerId === provider_id) return
  throw new StartError(
    `${keyDir} holds the keys of ${providerId}, the backup is of ${provider_id}: name another --key-dir`,
  )
}

async function readSealed(at: string, { files }: BackupManifest): Promise<Uint8Array> {
  const path = join(at, KEYS_FILE)
  for await (const _ of readVerified(path, files[KEYS_FILE])) {
    // Only for its digest.
  }
  return await readFile(path)
}

async function fill(options: RestoreOptions, manifest: BackupManifest, at: string): Promise<FsckFinding[]> {
  const { dataDir, signal } = options
  const directory = join(dataDir, 'store')
  await mkdir(directory, { mode: 0o700 })
  const store = await Store.open(directory, { createIfMissing: true })
  try {
    await loadStore(store, manifest, at)
    checkLog(store, manifest)
    await copyPackages(options, manifest, at)
    // What the operator's keys do not remember was maybe signed and lost: then the log goes on in a new epoch.
    await markRestored(store)
    const blobs = await createFileBlobStore(signal, { directory: join(dataDir, 'blobs') })
    try {
      return await check(store, blobs, manifest, signal)
    } finally {
      await blobs.close()
    }
  } finally {
    await store.close()
  }
}

async function loadStore(store: Store, manifest: BackupManifest, at: string): Promise<void> {
  const path = join(at, STORE_FILE)
  // The digest first: what was changed is not even unpacked.
  for await (const _ of readVerified(path, manifest.files[STORE_FILE])) {
    // Only for its digest.
  }
  const unzipped = createReadStream(path).pipe(createGunzip())
  await store.load(
    readSnapshot(unzipped, (head) => {
      if (head.provider_id !== manifest.provider_id || head.network !== manifest.network)
        throw new StartError(`${path} is of another node than its manifest says`)
    }),
  )
}

/** The log must be the one whose end was signed when the backup was made. */
function checkLog(store: Store, { network, provider_id, log: end }: BackupManifest): void {
  const log = new MerkleLog(store, '')
  try {
    log.check()
    const signed = openCertifiedNote(nativeVerifier, network, provider_id, end)
    if (signed.size !== log.size || toHex(signed.root) !== toHex(log.root(signed.size)))
      throw new Error(`it has ${log.size} leaves and another root than the signed ${signed.size}`)
  } catch (error) {
    throw new StartError(`the log in the backup is not the one that was signed: ${errorMessage(error)}`)
  }
}

async function copyPackages(options: RestoreOptions, manifest: BackupManifest, at: string): Promise<void> {
  const { folder, dataDir, signal, onProgress } = options
  const lost = new Set(manifest.lost)
  let seen = 0
  for await (const digest of listedPackages(at, manifest)) {
    signal.throwIfAborted()
    onProgress?.(seen++, manifest.packages)
    if (lost.has(digest)) continue
    const path = packagePath(folder, digest)
    try {
      await copyVerified(join(dataDir, 'blobs', digest.slice(0, 1), digest), digest, fileBytes(path))
    } catch (error) {
      if (error instanceof WrongDigest) throw new StartError(`${path} was changed: ${error.message}`)
      if (hasCode(error, 'ENOENT')) throw new StartError(`${path} is missing: the backup is not whole`)
      throw error
    }
  }
}

/** Looks at everything as `cytoplex fsck` does. What the node had lost before its backup is told; anything else is a reason not to go on. */
async function check(
  store: Store,
  blobs: Awaited<ReturnType<typeof createFileBlobStore>>,
  { network, provider_id, lost }: BackupManifest,
  signal: AbortSignal,
): Promise<FsckFinding[]> {
  const findings: FsckFinding[] = []
  for await (const line of fsck({ store, blobs, network, providerId: provider_id, signal })) {
    if (line.type === 'finding') findings.push(line)
  }
  const known = new Set(lost.map((digest) => `package sha256:${digest}`))
  const damage = findings.find(({ stage, subject }) => stage === 'packages' && !known.has(subject))
  if (damage !== undefined) throw new StartError(`the restored ${damage.subject}: ${damage.problem}`)
  return findings
}
