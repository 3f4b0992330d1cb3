import { StartError } from '../kernel/base/errors.ts'
import type { Validator } from '../kernel/plugins/packages/validators.ts'

/** Bytes that a validator is shown to recognise a package by. */
export const HEAD_BYTES = 512

/** The validators of a node, each for its formats. */
export class PackageValidators {
  readonly #validators: readonly Validator[]
  readonly #byFormat = new Map<string, Validator>()

  /** Throws `StartError` when two of them open the same format. */
  constructor(validators: readonly Validator[]) {
    this.#validators = validators
    for (const validator of validators) {
      for (const format of validator.formats) {
        if (this.#byFormat.has(format)) {
          throw new StartError(
            `providers.validators: two of them open the packaging format "${format}", allowed is one`,
          )
        }
        this.#byFormat.set(format, validator)
      }
    }
  }

  /** Every packaging format that is opened. */
  get formats(): readonly string[] {
    return [...this.#byFormat.keys()]
  }

  /** Who opens a format. */
  of(format: string): Validator | undefined {
    return this.#byFormat.get(format)
  }

  /** The format of a package that starts with `head` ({@link HEAD_BYTES}), as the first validator says that takes it for its own. */
  recognise(head: Uint8Array, mediaType: string | undefined): string | undefined {
    return this.#validators.find((validator) => validator.recognises(head, mediaType))?.formats[0]
  }

  async close(): Promise<void> {
    await Promise.all(this.#validators.map((validator) => validator.close()))
  }
}
