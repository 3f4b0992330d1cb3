import { startDaemon } from '../daemon.ts'
import { alternate, bounded } from '../measure.ts'
import type { Row } from '../row.ts'
import { largeStore } from '../store-with-cells.ts'

export const start: Row = {
  name: 'start',
  title: 'start to ready',
  async run(context) {
    const large = await largeStore(context)
    const timed = async (dataDir: string): Promise<number> => {
      const daemon = await startDaemon(dataDir)
      await daemon.stop()
      return daemon.readyMs
    }
    const { empty, full } = await alternate(context.rounds, {
      empty: async () => timed(await context.folder('start')),
      full: () => timed(large),
    })
    return [
      bounded(`${start.title}, empty store`, 'ms', empty, 1000, 'first start: keys and store are created'),
      bounded(`${start.title}, 100,000 cells`, 'ms', full, 1500),
    ]
  },
}
