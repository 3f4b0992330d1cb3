import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { dashboardFolder } from '../kernel/config/package-files.ts'

/** A file of the dashboard, in each coding that the build wrote. */
export interface DashboardFile {
  readonly type: string
  readonly plain: Buffer
  readonly br: Buffer
  readonly gzip: Buffer
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/**
 * The files of the dashboard by their path, all in memory: a megabyte, and no path of a request ever reaches the file system. Undefined where
 * it was not built.
 */
export function readDashboard(folder = dashboardFolder()): ReadonlyMap<string, DashboardFile> | undefined {
  if (!existsSync(join(folder, 'index.html.br'))) return undefined
  const files = new Map<string, DashboardFile>()
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const type = TYPES[extname(path)]
    if (type === undefined) continue
    const read = (end: string): Buffer => readFileSync(join(folder, path + end))
    files.set(`/${path.replaceAll('\\', '/')}`, { type, plain: read(''), br: read('.br'), gzip: read('.gz') })
  }
  return files
}
