import type { PageProps } from '../pages.ts'
import { CellList } from './cell-list.tsx'
import { CellPage } from './cell-page.tsx'
import { UploadPage } from './cell-upload.tsx'

/** What the node offers: `#/cells`, `#/cells/upload` and `#/cells/of/<cell type>`. */
export default function Cells({ place }: PageProps) {
  const [part, cellType] = place.parts
  if (part === 'upload') return <UploadPage />
  if (part === 'of' && cellType !== undefined) {
    return <CellPage cellType={cellType} version={place.query.get('version') ?? undefined} />
  }
  return <CellList query={place.query} />
}
