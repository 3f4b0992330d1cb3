import { LIMITS } from '../../../protocol/limits.ts'
import type { Findings } from '../../kernel/plugins/packages/validators.ts'
import type { StagedPackage } from '../api.ts'
import { HEAD_BYTES, type PackageValidators } from '../package-validators.ts'
import type { CellUpload, CheckedUpload, UploadPackage } from './check-upload.ts'
import { StagedBlob } from './stage-package.ts'

/** The blob behind a staged package. Throws for one that this node did not stage. */
export function blobOf(staged: StagedPackage): StagedBlob {
  if (!(staged instanceof StagedBlob)) throw new TypeError('the package was not staged by this node')
  return staged
}

/** A package that was received just now, as far as checking its upload needs. */
export const receivedPackage = (
  validators: PackageValidators,
  { metadata }: Pick<CellUpload, 'metadata'>,
  staged: StagedBlob,
): UploadPackage => ({
  ref: {
    digest: staged.digest,
    size: staged.size,
    chunk_size: LIMITS.chunkBytes,
    chunks_root: staged.writer.summary.chunksRoot,
  },
  recognise: async () => validators.recognise(await staged.head(HEAD_BYTES), metadata.media_type),
})

/** Really opens a package; undefined when this node has no validator for its format. A large one has to be in its place. */
export async function openReceived(
  validators: PackageValidators,
  { manifest }: CheckedUpload,
  { size, source }: StagedBlob,
): Promise<Findings | undefined> {
  if (manifest === undefined) return undefined
  const { packaging_format: format, media_type: mediaType } = manifest
  return await validators.of(format)?.validate(source, { size, format, mediaType })
}
