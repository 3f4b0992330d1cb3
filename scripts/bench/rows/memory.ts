import { startDaemon } from '../daemon.ts'
import { bounded } from '../measure.ts'
import type { Row, RowContext } from '../row.ts'
import { largeStore } from '../store-with-cells.ts'

const IDLE_MS = 5000
/** Starts of each kind: the figure hardly varies. */
const ROUNDS = 3

export const memory: Row = {
  name: 'memory',
  title: 'anonymous memory (RssAnon) after 5 s idle',
  async run(context) {
    const large = await largeStore(context)
    const empty: number[] = []
    const full: number[] = []
    for (let round = 0; round < (context.quick ? 1 : ROUNDS); round++) {
      empty.push(await idleMegabytes(context, await context.folder('memory')))
      full.push(await idleMegabytes(context, large))
    }
    return [
      bounded(`${memory.title}, empty store`, 'MB', empty, 150),
      bounded(`${memory.title}, 100,000 cells`, 'MB', full, 200),
    ]
  },
}

async function idleMegabytes(context: RowContext, dataDir: string): Promise<number> {
  const daemon = await startDaemon(dataDir)
  try {
    await new Promise((resolve) => setTimeout(resolve, context.quick ? 0 : IDLE_MS))
    return await daemon.anonymousMegabytes()
  } finally {
    await daemon.stop()
  }
}
