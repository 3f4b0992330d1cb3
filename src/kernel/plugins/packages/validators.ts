import type { PackageReport, ValidationIssue } from '../../../../protocol/annotations.ts'
import { lacking, type PackageDefinition } from '../package.ts'

/** What is known of a package before it is opened. */
export interface PackageFacts {
  /** Bytes; another size on disk rejects. */
  readonly size: number
  /** `packaging_format` of the manifest. */
  readonly format: string
  /** `media_type` of the manifest. */
  readonly mediaType: string
}

/** What was found in a package. `report` is null exactly when there is an error among the issues. */
export interface Findings {
  readonly issues: readonly ValidationIssue[]
  /** Names of the checks that the package passed. */
  readonly passed: readonly string[]
  readonly report: PackageReport | null
}

/** What starting a package took: numbers, or why there are none. */
export interface StartMeasurement {
  readonly start_ms: number | null
  /** Null also where its memory cannot be seen from outside. */
  readonly memory_after_start_bytes: number | null
  readonly start_failure: string | null
}

/** Opens packages of one or more formats, and says what is wrong with them. Everything in a package is hostile. */
export interface Validator {
  /** Values of `packaging_format` that it opens. */
  readonly formats: readonly string[]
  /** The media type of a package whose publisher named none. */
  readonly mediaType: string
  /**
   * Whether a package that starts with these bytes (512, fewer only of smaller packages) is one of its own. Asked when nobody named the format;
   * `mediaType` is what was said of the package.
   */
  recognises(head: Uint8Array, mediaType: string | undefined): boolean
  /**
   * Really opens the package. `source` is the path of its file, or the bytes of a small one, which are the validator's from then on. What is
   * wrong with the package is an issue; a rejection is a failure of this node: the file cannot be read, the validator is closed.
   */
  validate(source: string | Uint8Array, facts: PackageFacts): Promise<Findings>
  /**
   * Starts a package that was found valid, isolated as its opening is, and measures that. Absent where nothing starts. Rejects for a failure
   * of this node, and when the signal aborts.
   */
  measureStart?(bytes: Uint8Array, signal: AbortSignal): Promise<StartMeasurement>
  /** Lets go of what it holds. Packages under way are rejected. */
  close(): Promise<void>
}

/** The package `validators`: one for each packaging format. */
export const validators: PackageDefinition<Validator> = {
  name: 'validators',
  documentation:
    'Open packages of a format before they are registered, and say what is in them and what is wrong with them.',
  misshapen: (validator) =>
    lacking(validator, ['recognises', 'validate', 'close']) ??
    (Array.isArray(validator.formats) && validator.formats.length > 0 && typeof validator.mediaType === 'string'
      ? undefined
      : 'it names no formats or no mediaType'),
}
