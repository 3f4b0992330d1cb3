import { type Static, Type } from 'typebox'

/** What a diagnosis looks at, in this order. */
export const DoctorStage = Type.Union([
  Type.Literal('runtime'),
  Type.Literal('configuration'),
  Type.Literal('identity'),
  Type.Literal('store'),
  Type.Literal('listen'),
  Type.Literal('seeds'),
  Type.Literal('peers'),
  Type.Literal('clock'),
  Type.Literal('dial_back'),
  Type.Literal('announce'),
  Type.Literal('resolve'),
  Type.Literal('fetch'),
])
export type DoctorStage = Static<typeof DoctorStage>

/** One thing that was looked at. */
export const DoctorCheck = Type.Object({
  stage: DoctorStage,
  status: Type.Union([Type.Literal('ok'), Type.Literal('failed'), Type.Literal('skipped')]),
  /** What was found, or why it was not looked at. */
  detail: Type.String(),
  /** What to do about it; null where nothing is to be done. */
  fix: Type.Union([Type.String(), Type.Null()]),
})
export type DoctorCheck = Static<typeof DoctorCheck>

/** `POST /api/v1/doctor`: whether this node works, and whether others can reach it. */
export const DoctorReport = Type.Object(
  {
    /** Whether nothing failed. */
    ok: Type.Boolean(),
    checks: Type.Array(DoctorCheck),
  },
  { title: 'DoctorReport' },
)
export type DoctorReport = Static<typeof DoctorReport>
