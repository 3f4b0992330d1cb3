import type { Static, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'

/** Whether values fit a schema. It is compiled when that is first asked: a process uses few of the hundred and forty that it loads. */
export class Checker<Schema extends TSchema> {
  readonly #schema: Schema
  #compiled: Validator | undefined

  constructor(schema: Schema) {
    this.#schema = schema
  }

  get #validator(): Validator {
    this.#compiled ??= Compile(this.#schema) as unknown as Validator
    return this.#compiled
  }

  Check(value: unknown): value is Static<Schema> {
    return this.#validator.Check(value)
  }

  /** What does not fit, and where. */
  Errors(value: unknown): TLocalizedValidationError[] {
    return this.#validator.Errors(value)
  }
}

export const checkerOf = <Schema extends TSchema>(schema: Schema): Checker<Schema> => new Checker(schema)
