import { readFileSync } from 'node:fs'

/** A vector file, as JSON of the given form. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../protocol/vectors/${name}`, import.meta.url), 'utf8')) as T
}
