/** Builds `dist/` for the published package: Node strips no types under `node_modules`, and browsers none at all. */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildDashboard } from './dashboard.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const compiler = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))

for (const part of ['src', 'protocol'])
  rmSync(new URL(`../dist/${part}`, import.meta.url), { recursive: true, force: true })
const { status } = spawnSync(process.execPath, [compiler, '-p', 'config/tsconfig.build.json'], {
  cwd: root,
  stdio: ['ignore', 2, 2],
})
process.exitCode = status ?? 1
if (status === 0) await buildDashboard()
