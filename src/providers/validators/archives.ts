import { siblingOf } from '../../kernel/base/siblings.ts'
import type { OpenerProgram } from './sandboxed.ts'

/** What opens `qcc` and `container` packages. The program's file has this file's extension, whether sources or the built package run. */
export const ARCHIVE_OPENER: OpenerProgram = {
  program: siblingOf(import.meta.url, 'archive-program'),
  memoryBytes: 256 * 1024 * 1024,
}
