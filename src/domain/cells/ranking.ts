import type { OptimizationPriority } from '../../../protocol/cells.ts'
import type { Candidate } from './candidate.ts'

/** A number of a candidate: what was measured here, and else what was declared. Smaller is better. */
interface Characteristic {
  measured(candidate: Candidate): number | undefined
  declared(candidate: Candidate): number | undefined
}

const CHARACTERISTICS: Readonly<Record<OptimizationPriority, Characteristic>> = {
  memory: { measured: (c) => c.memory, declared: (c) => c.declaredMemoryMb },
  speed: { measured: (c) => c.compileMs, declared: (c) => c.declaredStartupMs },
  /** Fewer bytes to move and to compile. */
  battery: { measured: (c) => c.size, declared: () => undefined },
}

/** Compares by priority. What is declared but not measured comes after what is measured; what is neither comes last. */
export function byPriority(priority: OptimizationPriority, a: Candidate, b: Candidate): number {
  const { measured, declared } = CHARACTERISTICS[priority]
  return ascending(measured(a), measured(b)) || ascending(declared(a), declared(b))
}

function ascending(a: number | undefined, b: number | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  return a - b
}
