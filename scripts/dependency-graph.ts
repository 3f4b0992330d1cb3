/**
 * The import graph of the sources, and its picture in ARCHITECTURE.md.
 *
 *     node scripts/dependency-graph.ts           writes the picture
 *     node scripts/dependency-graph.ts --check   exits 1 when it is not current
 */
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { cruise, type ICruiseResult, type IFlattenedRuleSet, type IModule } from 'dependency-cruiser'
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const DOCUMENT = new URL('../ARCHITECTURE.md', import.meta.url)
const START = '<!-- dependency graph: start (npm run graph) -->'
const END = '<!-- dependency graph: end -->'

/** Rooms that every other may use: arrows to them would say nothing. */
const EVERYWHERE = new Set(['protocol', 'kernel/base', 'kernel/telemetry'])

/**
 * Reads the imports (types included) of folders and judges them by `layers.cjs`.
 *
 * @param folders relative to the project's root or to `baseDir`
 * @param baseDir where the folders are; default: the project's root
 */
export async function readImports(folders: readonly string[], baseDir = ROOT): Promise<ICruiseResult> {
  const ruleSet = createRequire(import.meta.url)('./layers.cjs') as IFlattenedRuleSet
  const { output } = await cruise(
    [...folders],
    {
      baseDir,
      ruleSet,
      validate: true,
      tsPreCompilationDeps: true,
      preserveSymlinks: true,
      doNotFollow: { path: '^node_modules' },
      enhancedResolveOptions: { conditionNames: ['import', 'node', 'default', 'types'], exportsFields: ['exports'] },
    },
    undefined,
    { tsConfig: extractTSConfig(fileURLToPath(new URL('../tsconfig.json', import.meta.url))) },
  )
  if (typeof output === 'string') throw new Error(output)
  return output
}

/** The room of a file: `kernel/storage`, `domain/cells`, `network`, …; undefined for what is not ours. */
export function roomOf(path: string): string | undefined {
  const [top, first, second] = path.split('/')
  if (top === 'protocol') return 'protocol'
  if (top !== 'src' || first === undefined) return undefined
  return first === 'kernel' || first === 'domain' ? `${first}/${second}` : first
}

/** A mermaid picture: an arrow where a file of one room imports one of another. */
export function drawRooms(modules: readonly IModule[]): string {
  const arrows = new Set<string>()
  for (const module of modules) {
    const from = roomOf(module.source)
    if (from === undefined) continue
    for (const { resolved } of module.dependencies) {
      const to = roomOf(resolved)
      if (to !== undefined && to !== from && !EVERYWHERE.has(to)) arrows.add(`  ${from} --> ${to}`)
    }
  }
  return ['```mermaid', 'graph TD', ...[...arrows].sort(), '```'].join('\n')
}

/** The document with a new picture between its markers. */
export function withPicture(document: string, picture: string): string {
  const start = document.indexOf(START)
  const end = document.indexOf(END)
  if (start < 0 || end < start) throw new Error(`ARCHITECTURE.md has no "${START}" … "${END}"`)
  return `${document.slice(0, start + START.length)}\n${picture}\n${document.slice(end)}`
}

if (import.meta.main) {
  const { modules } = await readImports(['src', 'protocol'])
  const document = await readFile(DOCUMENT, 'utf8')
  const current = withPicture(document, drawRooms(modules))
  if (!process.argv.includes('--check')) await writeFile(DOCUMENT, current)
  else if (current !== document) {
    console.error('the dependency graph in ARCHITECTURE.md is not current: npm run graph')
    process.exitCode = 1
  }
}
