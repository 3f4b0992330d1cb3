import type { Approval, ApprovalList, ApprovalName, ApprovalOrder } from '../../protocol/approvals.ts'
import type { ConstraintList, ConstraintListQuery, RegisteredConstraint } from '../../protocol/constraints.ts'

/** Who manages constraints. */
export interface ConstraintOwner {
  /** An operator's id, whose own they are; null for the administrator, who manages everybody's. */
  readonly owner: string | null
  readonly by: string
}

/** Whose documents questions are answered from, and which constraints they may name. Changes are durable when they resolve, and logged where they are the administrator's; `by` is who makes them. */
export interface Sources {
  approvals(): ApprovalList
  /** Throws `PROV_014` when there are too many. */
  approve(order: ApprovalOrder, by: string): Promise<Approval>
  /** Throws `PROV_001` with status 404. */
  disapprove(name: ApprovalName, by: string): Promise<Approval>
  /** An operator sees its own. Throws `PROV_015` for one that names another, as the next two. */
  constraints(query: ConstraintListQuery, from: ConstraintOwner): ConstraintList
  /** `order` is a `ConstraintOrder` that nobody has checked. Throws `PROV_001`, with status 409 where that version or a newer one is there, and 422 for what cannot be applied, `PROV_005` for a signature that does not hold, and `PROV_014`. */
  addConstraint(order: unknown, from: ConstraintOwner): Promise<RegisteredConstraint>
  /** Throws `PROV_001` with status 404. */
  removeConstraint(id: string, query: ConstraintListQuery, from: ConstraintOwner): Promise<RegisteredConstraint>
}
