import { lacking, type PackageDefinition } from '../package.ts'

/** What is known of a cell when it is compared with another one that offers the same version of the same capability. */
export interface Characteristics {
  /** Bytes of its package; undefined while only an announcement is known. */
  readonly size?: number | undefined
  /** Bytes of linear memory at its start: measured by this node, else what it found declared in the module. */
  readonly memory?: number | undefined
  /** Milliseconds to compile that this node measured, and to start where it measured that. */
  readonly compileMs?: number | undefined
  readonly declaredMemoryMb?: number | undefined
  readonly declaredStartupMs?: number | undefined
}

/** Orders cells that are equal otherwise. */
export interface Ranker {
  /**
   * Below 0 when `a` is better, above 0 when `b` is, 0 when neither. A pure function, and an order (transitive): every node that knows the same
   * must give the same answer. It is called for every pair, so it must be quick.
   */
  compare(a: Characteristics, b: Characteristics): number
}

/** The package `rankers`: one for each `optimization_priority`, and one for requests without. */
export const rankers: PackageDefinition<Ranker> = {
  name: 'rankers',
  documentation: 'Order cells that offer the same version, by the priority that the assembler named.',
  misshapen: (ranker) => lacking(ranker, ['compare']),
}
