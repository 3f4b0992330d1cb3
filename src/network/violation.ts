import { StrictJsonError } from '../kernel/base/strict-json.ts'
import { BatchError } from './batch.ts'
import { FrameError } from './frames.ts'
import { PeerError } from './peer-error.ts'

/** Whether an error says that a peer broke a rule that every node would see broken: form, size or signature of what it sent. */
export function isViolation(error: unknown): boolean {
  return (
    error instanceof FrameError ||
    error instanceof BatchError ||
    error instanceof StrictJsonError ||
    (error instanceof PeerError && error.code === 'violation')
  )
}
