/** The records of a log do not fit each other. */
export class LogDamageError extends Error {
  override readonly name = 'LogDamageError'

  /** `log` is its name, which is empty for the node's own. */
  constructor(log: string, reason: string) {
    super(`the log "${log}" is damaged: ${reason}`)
  }
}
