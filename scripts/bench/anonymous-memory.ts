import { readFile } from 'node:fs/promises'

/** Anonymous memory of a process now, in megabytes. */
export async function anonymousMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kilobytes = /^RssAnon:\s+([0-9]+) kB$/m.exec(status)?.[1]
  if (kilobytes === undefined) throw new Error('this system does not tell RssAnon in /proc')
  return (Number(kilobytes) * 1024) / 1e6
}
