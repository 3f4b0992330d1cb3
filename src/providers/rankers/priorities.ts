import type { Characteristics, Ranker } from '../../kernel/plugins/packages/rankers.ts'

/** A number of a cell; smaller is better. */
type Characteristic = (cell: Characteristics) => number | undefined

/** Ranks by a number that was measured, else by one that was declared: what is declared comes after what is measured, what is neither comes last. */
function byCharacteristic(measured: Characteristic, declared: Characteristic = () => undefined): Ranker {
  return {
    compare: (a, b) => ascending(measured(a), measured(b)) || ascending(declared(a), declared(b)),
  }
}

/** Less memory first. */
export const createMemoryRanker = (): Ranker =>
  byCharacteristic(
    (cell) => cell.memory,
    (cell) => cell.declaredMemoryMb,
  )

/** Quicker to start first. */
export const createSpeedRanker = (): Ranker =>
  byCharacteristic(
    (cell) => cell.compileMs,
    (cell) => cell.declaredStartupMs,
  )

/** Fewer bytes to move and to compile first. */
export const createBatteryRanker = (): Ranker => byCharacteristic((cell) => cell.size)

/** Prefers none: the version and then the digest decide. */
export const createDefaultRanker = (): Ranker => ({ compare: () => 0 })

function ascending(a: number | undefined, b: number | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  return a - b
}
