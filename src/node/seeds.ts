import type { Config } from '../kernel/config/schema.ts'
import { checkAddresses } from '../network/listen-addresses.ts'
import { parseSeed } from '../network/seeds.ts'

/** Throws `StartError` for the first seed that is malformed, before anything is created. */
export function checkSeeds(seeds: readonly string[]): void {
  for (const seed of seeds) parseSeed(seed)
}

/** The same for the addresses to listen on and to announce. */
export const checkOwnAddresses = (config: Config['p2p']): void => checkAddresses(config)
