import type { ProviderHealth } from '../../protocol/discovery.ts'
import { StartError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'

type MaintenanceTime = ProviderHealth['scheduled_maintenance'][number]

/** When the operator works on the node, as configured. */
export class Maintenance {
  readonly #times: readonly MaintenanceTime[]

  /** Throws `StartError` for a time that does not exist or ends before it starts. */
  constructor(times: Config['node']['maintenance']) {
    this.#times = times
      .map(({ start_time, end_time, description }, at) => {
        const start = instant(start_time, `node.maintenance[${at}].start_time`)
        const end = instant(end_time, `node.maintenance[${at}].end_time`)
        if (end <= start)
          throw new StartError(
            `node.maintenance[${at}]: found end_time ${end}, allowed is one after start_time ${start}`,
          )
        return { start_time: start, end_time: end, description }
      })
      .sort((a, b) => (a.start_time < b.start_time ? -1 : 1))
  }

  /** What is not over yet, the next first. */
  scheduled(now: number): MaintenanceTime[] {
    const time = new Date(now).toISOString()
    return this.#times.filter(({ end_time }) => time < end_time)
  }

  /** What is under way. */
  current(now: number): MaintenanceTime | undefined {
    const time = new Date(now).toISOString()
    return this.scheduled(now).find(({ start_time }) => start_time <= time)
  }
}

/** In UTC, so that times compare as text. */
function instant(text: string, field: string): string {
  const ms = Date.parse(text)
  if (Number.isNaN(ms))
    throw new StartError(`${field}: found ${JSON.stringify(text)}, which is no time of the calendar`)
  return new Date(ms).toISOString()
}
