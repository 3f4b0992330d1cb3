import type { RowContext } from './row.ts'

const CELLS_PER_CAPABILITY = 10

/** A data directory with 100,000 cells, made once in a run. */
export function largeStore(context: RowContext): Promise<string> {
  return context.shared('large-store', async () => {
    const dataDir = await context.folder('large-store')
    const fixture = await context.worker('fixture')
    const cells = context.quick ? 200 : 100_000
    await fixture.call('fill', { dataDir, cells, cellsPerCapability: CELLS_PER_CAPABILITY })
    await fixture.stop()
    return dataDir
  })
}
