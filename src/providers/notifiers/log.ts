import type { Notifier } from '../../kernel/plugins/packages/notifiers.ts'

/** Writes events to the node's log, one line each, for those who collect that. Events hold no secrets. */
export function createLogNotifier(): Notifier {
  let isClosed = false
  return {
    needsDestination: false,
    async deliver({ id, type, body }, { log }, signal) {
      signal.throwIfAborted()
      if (isClosed) throw new Error('the notifier is closed')
      log.info({ delivery: id, event: JSON.parse(body) as unknown }, type)
    },
    async close() {
      isClosed = true
    },
  }
}
