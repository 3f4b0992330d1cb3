import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'

/** What a file holds. */
interface DerivedSchema {
  /** Changes with the form of tables and what is in them: a file of another version is made anew. */
  readonly version: number
  /** KiB of pages that are kept in memory. */
  readonly cacheKib: number
  /** Tables of an empty file. */
  readonly tables: string
}

/** Primary result codes of SQLite for a file that is damaged, or none of its own. */
const DAMAGED = new Set([11, 26])

/**
 * A database in a file that can be made anew at any time. Nothing waits for the disk, but the file says whether it was closed: one that was not
 * is checked when it is opened again, and one that is damaged or of another version is removed. Everything here blocks; it belongs in a thread.
 */
export class DerivedFile {
  readonly #path: string
  readonly #schema: DerivedSchema
  readonly #onLost: () => void
  #db: DatabaseSync
  #isDirty = false

  /** `onLost` is called when statements that were prepared, and what is remembered of the file, may not hold any more. */
  constructor(path: string, schema: DerivedSchema, onLost: () => void) {
    this.#path = path
    this.#schema = schema
    this.#onLost = onLost
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    this.#db = this.#open()
  }

  get db(): DatabaseSync {
    return this.#db
  }

  /** Damage that shows only now: the file is made anew, and empty, and the failure passed on. */
  unlessDamaged<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      if (isDamage(error)) this.empty()
      throw error
    }
  }

  /** Makes changes, all or none. That the file is being changed is on disk before anything that is not. */
  change(work: () => void): void {
    this.unlessDamaged(() => {
      this.#markDirty()
      this.#db.exec('BEGIN')
      try {
        work()
        this.#db.exec('COMMIT')
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        this.#onLost()
        throw error
      }
    })
  }

  /** Begins with an empty file. */
  empty(): void {
    this.#db.close()
    this.#db = this.#anew()
  }

  /** Writes what is left, and says in the file that it is whole. */
  close(): void {
    if (this.#isDirty) {
      this.#db.exec('PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)')
      this.#db.exec("UPDATE state SET value = 'clean' WHERE key = 'state'")
    }
    this.#db.close()
  }

  #open(): DatabaseSync {
    let db: DatabaseSync | undefined
    try {
      db = this.#connect()
      if (isUsable(db, this.#schema.version)) return db
    } catch (error) {
      if (!isDamage(error)) {
        db?.close()
        throw error
      }
    }
    db?.close()
    return this.#anew()
  }

  #connect(): DatabaseSync {
    const db = new DatabaseSync(this.#path)
    try {
      db.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = OFF;
        PRAGMA cache_size = -${this.#schema.cacheKib};
        PRAGMA mmap_size = 0;
        PRAGMA temp_store = MEMORY;
      `)
      return db
    } catch (error) {
      db.close()
      throw error
    }
  }

  /** An empty file in the place of whatever is there. */
  #anew(): DatabaseSync {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${this.#path}${suffix}`, { force: true })
    this.#isDirty = false
    this.#onLost()
    const db = this.#connect()
    db.exec(`
      CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      INSERT INTO state VALUES ('state', 'clean');
      ${this.#schema.tables}
      PRAGMA user_version = ${this.#schema.version};
    `)
    return db
  }

  #markDirty(): void {
    if (this.#isDirty) return
    this.#db.exec(`
      PRAGMA synchronous = FULL;
      UPDATE state SET value = 'dirty' WHERE key = 'state';
      PRAGMA synchronous = OFF;
    `)
    this.#isDirty = true
  }
}

/** Whether a file is of this version, and whole. */
function isUsable(db: DatabaseSync, version: number): boolean {
  if (onlyValue(db.prepare('PRAGMA user_version')) !== version) return false
  if (onlyValue(db.prepare("SELECT value FROM state WHERE key = 'state'")) === 'clean') return true
  // This asks the full-text tables too.
  if (onlyValue(db.prepare('PRAGMA quick_check(1)')) !== 'ok') return false
  db.exec("UPDATE state SET value = 'clean' WHERE key = 'state'")
  return true
}

function isDamage(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && DAMAGED.has(Number(error.errcode) & 0xff)
}

/** The one value that a statement asks for; undefined where there is none. */
export const onlyValue = (statement: StatementSync, ...values: (string | number)[]): SQLOutputValue | undefined =>
  Object.values(statement.get(...values) ?? {})[0]
