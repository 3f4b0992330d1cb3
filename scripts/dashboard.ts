/**
 * Builds the dashboard into `dist/dashboard`, or into the folder that is given: `npm run dashboard [-- FOLDER]`. Beside each file stands what
 * it is in brotli and gzip, so that a node compresses nothing.
 */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'vite'

const SOURCE = fileURLToPath(new URL('../src/dashboard/', import.meta.url))
const TARGET = fileURLToPath(new URL('../dist/dashboard/', import.meta.url))

/** Builds that end at the same moment: more is no accident. */
const ATTEMPTS = 3

/** Readers see the old dashboard or the new one, whole. */
export async function buildDashboard(folder = TARGET): Promise<void> {
  const partial = `${folder.replace(/\/$/, '')}.${process.pid}.tmp`
  await build({
    configFile: false,
    root: SOURCE,
    base: '/',
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: partial,
      emptyOutDir: true,
      target: 'es2023',
      // A policy without data: URLs and inline code: everything is a file.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 1024,
    },
  })
  for (const entry of readdirSync(partial, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) compress(join(entry.parentPath, entry.name))
  }
  replace(folder, partial)
}

/** Where two builds end at once, the last one stays. */
function replace(folder: string, partial: string): void {
  for (let attempt = 0; ; attempt++) {
    rmSync(folder, { recursive: true, force: true })
    try {
      renameSync(partial, folder)
      return
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
    }
  }
}

function compress(path: string): void {
  const bytes = readFileSync(path)
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }))
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }))
}

if (import.meta.main) await buildDashboard(process.argv[2])
