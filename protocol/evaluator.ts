/**
 * Bounds of an evaluator's module and of its calls. They are part of what makes a verdict the same everywhere, so no configuration changes them.
 * Fuel and pages are the goal's own (`goal.ts`).
 */
export const EVALUATOR_LIMITS = {
  /** Bytes of a module: every node that works for the goal keeps it in memory. */
  moduleBytes: 1024 * 1024,
  /** Bytes of one function's body: the work of an optimising compiler grows faster than what it compiles. */
  functionBytes: 128 * 1024,
  /** Blocks within blocks: compilers keep something for each that is open. */
  nesting: 512,
  /** Targets of one `br_table`; below what any engine takes. */
  branchTargets: 4096,
  /** Elements of the table: it is made anew for each evaluation, and nothing meters that. */
  tableElements: 4096,
  /** Slots of one frame: {@link frameOverhead}, parameters, locals, and the most operands that its code holds at once. */
  frameSlots: 2048,
  /** Slots that a frame has beside those of its own code. */
  frameOverhead: 16,
  /** Slots of all frames together, of functions that call. A quarter of the stack that engines give by default, at eight bytes each. */
  stackSlots: 32 * 1024,
} as const
