import type { RowContext } from './row.ts'

export const CELLS_PER_CAPABILITY = 10

/** A data directory with 100,000 cells, made once in a run. */
export function largeStore(context: RowContext): Promise<string> {
  return context.shared('large-store', () => storeWith(context, context.quick ? 200 : 100_000))
}

/** A new data directory with so many cells: versions of capabilities, ten of each, which share a package. A settled one has nothing left to tidy up. */
export async function storeWith(context: RowContext, cells: number, isSettled = false): Promise<string> {
  const dataDir = await context.folder('store')
  const fixture = await context.worker('fixture')
  await fixture.call('fill', { dataDir, cells, cellsPerCapability: CELLS_PER_CAPABILITY })
  if (isSettled) {
    await fixture.call('index', { dataDir })
    await fixture.call('compact', { dataDir })
  }
  await fixture.stop()
  return dataDir
}
