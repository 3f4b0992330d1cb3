import { extname } from 'node:path'
import type { OpenerProgram } from './sandboxed.ts'

/** What opens `qcc` and `container` packages. The program's file has this file's extension, whether sources or the built package run. */
export const ARCHIVE_OPENER: OpenerProgram = {
  program: new URL(`./archive-program${extname(import.meta.url)}`, import.meta.url),
  memoryBytes: 256 * 1024 * 1024,
}
