import { parseSeed } from '../network/seeds.ts'

/** Throws `StartError` for the first seed that is malformed, before anything is created. */
export function checkSeeds(seeds: readonly string[]): void {
  for (const seed of seeds) parseSeed(seed)
}
