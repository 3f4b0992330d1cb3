/** Runs in the sandbox: opens one archive from its standard input. */

import type { ArchiveReport, ContainerReport } from '../../../protocol/annotations.ts'
import type { Findings } from '../../kernel/plugins/packages/validators.ts'
import { answerSandbox } from '../../kernel/sandbox/program.ts'
import { Budget } from './archive-budget.ts'
import { ArchiveFault, FindingList } from './archive-findings.ts'
import { readLayout } from './oci-layout.ts'
import { readQcc } from './qcc-archive.ts'

/** The argument of this program. */
export interface ArchiveJob {
  readonly format: 'qcc' | 'container'
  /** Bytes of the package. */
  readonly size: number
}

await answerSandbox((input, argument) => open(input, argument as ArchiveJob))

async function open(input: AsyncIterable<Uint8Array>, { format, size }: ArchiveJob): Promise<Findings> {
  const findings = new FindingList()
  const passed: string[] = []
  let report: ArchiveReport | ContainerReport | null = null
  try {
    const read = format === 'qcc' ? readQcc : readLayout
    report = await read(input, new Budget(size), findings, passed)
  } catch (error) {
    if (!(error instanceof ArchiveFault)) throw error
    findings.error(error.code, error.message, error.location)
  }
  return { issues: findings.issues, passed, report: findings.errors > 0 ? null : report }
}
