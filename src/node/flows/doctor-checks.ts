import type { DoctorCheck, DoctorStage } from '../../../protocol/doctor.ts'

export const ok = (stage: DoctorStage, detail: string): DoctorCheck => ({ stage, status: 'ok', detail, fix: null })

export const failed = (stage: DoctorStage, detail: string, fix: string): DoctorCheck => ({
  stage,
  status: 'failed',
  detail,
  fix,
})

export const skipped = (stage: DoctorStage, detail: string, fix: string | null = null): DoctorCheck => ({
  stage,
  status: 'skipped',
  detail,
  fix,
})
