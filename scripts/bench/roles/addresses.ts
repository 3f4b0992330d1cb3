import { clientAddress, RateLimits } from '../../../src/http/rate-limits.ts'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import { anonymousMegabytes } from '../anonymous-memory.ts'

const PER_MINUTE = 600
const NANOSECONDS = 1e6

export interface Taken {
  readonly nanoseconds: number
  /** Megabytes that this process has grown by, limiter included. */
  readonly megabytes: number
}

/** Takes one request of each of `clients` addresses. To be called once in a process: what a second call adds says nothing. */
async function take({ clients }: { clients: number }): Promise<Taken> {
  // IPv6 networks as they come from a socket; made one by one, so that only the limiter could hold them.
  const addressOf = (number: number): string =>
    `2001:db8:${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}::1`
  const before = await anonymousMegabytes(process.pid)
  const limits = new RateLimits({ clock: systemClock })
  const since = performance.now()
  for (let number = 0; number < clients; number++) {
    const bucket = limits.bucket(`address:${clientAddress(addressOf(number))}`, PER_MINUTE)
    if (limits.take([bucket])?.allowed !== true) throw new Error(`the first request of client ${number} was refused`)
  }
  const nanoseconds = ((performance.now() - since) * NANOSECONDS) / clients
  return { nanoseconds, megabytes: (await anonymousMegabytes(process.pid)) - before }
}

export const commands = { take }
