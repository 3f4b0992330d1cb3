import { randomBytes } from 'node:crypto'
import { closeSync, fsync, openSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

const fsFsync = promisify(fsync)

/** Makes renames, creations and deletions in `directory` survive a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes a whole file so that a reader, now or after a crash, sees the old content or the new one and nothing between. */
export async function writeFileDurably(path: string, content: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const handle = await open(temporary, 'wx', mode)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } catch (error) {
    await handle.close()
    await rm(temporary, { force: true })
    throw error
  }
  await handle.close()
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/**
 * Shares directory syncs: whoever asks while one is running gets the next one, which all who asked meanwhile share. A sync that
 * was already running might have missed the caller's rename.
 */
export class DirectorySync {
  /** Descriptors of directories: opening one anew for each sync costs more than the sync. */
  readonly #open = new Map<string, number>()
  readonly #running = new Map<string, { current: Promise<void>; next: Promise<void> | undefined }>()

  sync(directory: string): Promise<void> {
    const state = this.#running.get(directory)
    if (state === undefined) {
      const current = this.#run(directory)
      this.#running.set(directory, { current, next: undefined })
      return current
    }
    state.next ??= state.current.then(
      () => this.#advance(directory),
      () => this.#advance(directory),
    )
    return state.next
  }

  /** Closes the directories, after the syncs under way. */
  async close(): Promise<void> {
    while (this.#running.size > 0)
      await Promise.allSettled(Array.from(this.#running.values(), ({ current }) => current))
    for (const descriptor of this.#open.values()) closeSync(descriptor)
    this.#open.clear()
  }

  #advance(directory: string): Promise<void> {
    const current = this.#run(directory)
    this.#running.set(directory, { current, next: undefined })
    return current
  }

  async #run(directory: string): Promise<void> {
    try {
      const descriptor = this.#open.get(directory) ?? openSync(directory, 'r')
      this.#open.set(directory, descriptor)
      await fsFsync(descriptor)
    } finally {
      const state = this.#running.get(directory)
      if (state !== undefined && state.next === undefined) this.#running.delete(directory)
    }
  }
}
