import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { hasCode } from './errors.ts'

/**
 * Creates a directory for this user alone (mode 700), and the parents that it lacks; one that exists stays as it is. Throws the system's error. Unlike
 * `mkdir` with `recursive`, it ends in a parent that takes no directories but says `ENOENT`, as `/proc` does.
 */
export function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (hasCode(error, 'EEXIST') && isDirectory(path)) return
    const parent = dirname(path)
    if (!hasCode(error, 'ENOENT') || parent === path) throw error
    if (isDirectory(parent)) throw new Error(`no directory can be made in ${parent}`, { cause: error })
    makeDirectory(parent)
    makeDirectory(path)
  }
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
