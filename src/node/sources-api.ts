import type { Approval, ApprovalList, ApprovalName, ApprovalOrder } from '../../protocol/approvals.ts'
import type { ConstraintList, ConstraintListQuery, RegisteredConstraint } from '../../protocol/constraints.ts'

/** Whose documents questions are answered from, and which constraints they may name. Changes are durable and logged when they resolve; `by` is who makes them. */
export interface Sources {
  approvals(): ApprovalList
  /** Throws `PROV_014` when there are too many. */
  approve(order: ApprovalOrder, by: string): Promise<Approval>
  /** Throws `PROV_001` with status 404. */
  disapprove(name: ApprovalName, by: string): Promise<Approval>
  constraints(query: ConstraintListQuery): ConstraintList
  /** `order` is a `ConstraintOrder` that nobody has checked. Throws `PROV_001`, with status 409 where that version or a newer one is there, `PROV_005` for a signature that does not hold, and `PROV_014`. */
  addConstraint(order: unknown, by: string): Promise<RegisteredConstraint>
  /** Throws `PROV_001` with status 404. */
  removeConstraint(id: string, operatorId: string | undefined, by: string): Promise<RegisteredConstraint>
}
