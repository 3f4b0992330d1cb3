import { Type } from 'typebox'
import { checkerOf } from '../../kernel/base/checker.ts'
import type { StartMeasurement } from '../../kernel/plugins/packages/validators.ts'
import { runInSandbox } from '../../kernel/sandbox/run.ts'

const MIB = 1024 * 1024
/** Bytes of memory that a module may take to start, its code included. */
const MEMORY_BYTES = 256 * MIB
/** Milliseconds for all its starts. */
const DEADLINE_MS = 10_000
const OUTPUT_BYTES = 64 * 1024

const Measured = Type.Union([Type.Number({ minimum: 0 }), Type.Null()])
const measurementSchema = checkerOf(
  Type.Object({
    start_ms: Measured,
    memory_after_start_bytes: Measured,
    start_failure: Type.Union([Type.String({ maxLength: 300 }), Type.Null()]),
  }),
)

/** Starts a module in a child process. Rejects when no process can be started, and when the signal aborts. */
export async function measureModuleStart(
  program: URL,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<StartMeasurement> {
  const ended = await runInSandbox({
    program,
    argument: null,
    input: bytes,
    memoryBytes: MEMORY_BYTES,
    deadlineMs: DEADLINE_MS,
    outputBytes: OUTPUT_BYTES,
    signal,
  })
  switch (ended.outcome) {
    case 'answered':
      // What a child says is as trustworthy as the module that ran in it.
      return measurementSchema.Check(ended.value) ? ended.value : failed('it answered with no measurement')
    case 'timed_out':
      return failed(`it did not start within ${DEADLINE_MS} ms`)
    case 'out_of_memory':
      return failed(`it did not start with ${MEMORY_BYTES / MIB} MiB of memory`)
    case 'crashed':
      return failed('its process crashed')
  }
}

const failed = (reason: string): StartMeasurement => ({
  start_ms: null,
  memory_after_start_bytes: null,
  start_failure: reason,
})
