import { Type } from 'typebox'
import { PackageReport, ValidationIssue } from '../../../protocol/annotations.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { schemaRule } from '../../kernel/base/schema-findings.ts'
import type { Findings, PackageFacts, Validator } from '../../kernel/plugins/packages/validators.ts'
import { runInSandbox } from '../../kernel/sandbox/run.ts'
import { refusal } from './refusal.ts'

const MIB = 1024 * 1024

/** Bytes of findings. Lists of imports and exports are the largest part of them. */
const OUTPUT_BYTES = 8 * MIB

/** Milliseconds that one package may take when the configuration says nothing. */
export const DEFAULT_TIMEOUT_MS = 30_000

/** Configuration of a validator. */
export interface ValidatorConfig {
  /** Milliseconds that one package may take. */
  readonly timeout?: number
}

/** A program that opens packages in the sandbox. */
export interface OpenerProgram {
  /** A module that answers with `Findings`. */
  readonly program: URL
  /** Bytes of memory that it may use. */
  readonly memoryBytes: number
}

const findingsSchema = checkerOf(
  Type.Object({
    issues: Type.Array(ValidationIssue),
    passed: Type.Array(Type.String()),
    report: Type.Union([PackageReport, Type.Null()]),
  }),
)

/** Opens packages in child processes. */
export class SandboxedOpener {
  readonly #opener: OpenerProgram
  readonly #timeoutMs: number
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor(opener: OpenerProgram, config: ValidatorConfig) {
    this.#opener = opener
    this.#timeoutMs = config.timeout ?? DEFAULT_TIMEOUT_MS
  }

  /** As `Validator.validate`. */
  async open(source: string | Uint8Array, { size, format }: PackageFacts): Promise<Findings> {
    if (this.#closing.signal.aborted) throw new Error('the validator is closed')
    const { program, memoryBytes } = this.#opener
    if (typeof source !== 'string') checkSize(source, size)
    const run = runInSandbox({
      program,
      argument: { format, size },
      input: typeof source === 'string' ? { path: source, size } : source,
      memoryBytes,
      deadlineMs: this.#timeoutMs,
      outputBytes: OUTPUT_BYTES,
      signal: this.#closing.signal,
    })
    const settled = run.then(
      () => undefined,
      () => undefined,
    )
    this.#running.add(settled)
    const ended = await run.finally(() => this.#running.delete(settled))
    switch (ended.outcome) {
      case 'answered':
        return findingsOf(ended.value)
      case 'timed_out':
        return refusal('SANDBOX_TIMEOUT', `not opened within ${this.#timeoutMs} ms`)
      case 'out_of_memory':
        return refusal('SANDBOX_MEMORY', `not opened with ${Math.round(memoryBytes / MIB)} MiB of memory`)
      case 'crashed':
        throw new Error(`a package could not be opened: its process ended with ${ended.reason}`)
    }
  }

  /** Ends the children, and waits until they are gone. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the validator was closed'))
    await Promise.all(this.#running)
  }
}

/** A validator of one format whose packages are opened in the sandbox. */
export function sandboxedValidator(
  format: Pick<Validator, 'mediaType' | 'recognises'> & { readonly format: string },
  opener: OpenerProgram,
  config: ValidatorConfig,
): Validator {
  const sandbox = new SandboxedOpener(opener, config)
  return {
    formats: [format.format],
    mediaType: format.mediaType,
    recognises: format.recognises,
    validate: (source, facts) => sandbox.open(source, { ...facts, format: format.format }),
    close: () => sandbox.close(),
  }
}

/** Bytes that have another size than was said are a mistake of this node. */
export function checkSize(bytes: Uint8Array, expected: number): void {
  if (bytes.length !== expected) throw new Error(`the package has ${bytes.length} bytes, expected ${expected}`)
}

/** What a child says is as trustworthy as the package that it opened. */
function findingsOf(value: unknown): Findings {
  if (!findingsSchema.Check(value)) {
    throw new Error(`a package could not be opened: ${schemaRule('findings', [...findingsSchema.Errors(value)])}`)
  }
  if ((value.report === null) !== value.issues.some((issue) => issue.severity === 'error')) {
    throw new Error('a package could not be opened: findings without a report name an error, and only they')
  }
  return value
}
