import { anchors } from './anchors.ts'
import { blobStores } from './blob-stores.ts'
import { embeddings } from './embeddings.ts'
import { evaluators } from './evaluators.ts'
import { llms } from './llms.ts'
import { notifiers } from './notifiers.ts'
import { proofVerifiers } from './proof-verifiers.ts'
import { rankers } from './rankers.ts'
import { validators } from './validators.ts'

/** The extension points of this node. Registering into another one is `ErrPackageNotFound`. */
export const PACKAGES = [
  anchors,
  blobStores,
  embeddings,
  evaluators,
  llms,
  notifiers,
  proofVerifiers,
  rankers,
  validators,
] as const
