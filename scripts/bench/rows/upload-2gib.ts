import { readFile, statfs } from 'node:fs/promises'
import { type Daemon, startDaemon } from '../daemon.ts'
import { bounded } from '../measure.ts'
import type { Row } from '../row.ts'

const MIB = 1024 * 1024
const BYTES = 2048 * MIB
const MOST_MB = 100
const SAMPLE_MS = 50

export const upload2gib: Row = {
  name: 'upload-2gib',
  title: 'upload of 2 GiB, growth of RssAnon of the node',
  async run(context) {
    const bytes = context.quick ? MIB : BYTES
    const dataDir = await context.folder('upload')
    const { bavail, bsize } = await statfs(dataDir)
    if (bavail * bsize < 2 * bytes) {
      throw new Error(`${dataDir} has ${bavail * bsize} bytes of free space, this row needs ${2 * bytes}`)
    }
    const daemon = await startDaemon(dataDir)
    context.defer(() => daemon.stop())
    const client = await context.worker('archive')
    const before = await daemon.anonymousMegabytes()
    const peakBefore = await peakMegabytes(daemon)
    let most = before
    const timer = setInterval(async () => {
      most = Math.max(most, await daemon.anonymousMegabytes())
    }, SAMPLE_MS)
    const { size, ms } = await client
      .call<{ size: number; ms: number }>('upload', { port: daemon.httpPort, bytes })
      .finally(() => clearInterval(timer))
    const peak = (await peakMegabytes(daemon)) - peakBefore
    const rate = (size / 1000 / ms).toFixed(0)
    const note = `a qcc archive of ${size} bytes, at ${rate} MB/s until it was registered; its peak of all memory (VmHWM) grew by ${peak.toFixed(0)} MB`
    return [bounded(upload2gib.title, 'MB', [most - before], MOST_MB, note)]
  },
}

/** Most memory of any kind that the process had so far. */
async function peakMegabytes(daemon: Daemon): Promise<number> {
  const kilobytes = /^VmHWM:\s+([0-9]+) kB$/m.exec(await readFile(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]
  if (kilobytes === undefined) throw new Error('this system does not tell VmHWM in /proc')
  return (Number(kilobytes) * 1024) / 1e6
}
